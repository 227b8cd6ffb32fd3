"""`atml predict` and `atml.load` on pictures, with a network that tells colours apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

import atml
from atml.artifacts.model import describe
from atml.errors import DataError, InputError
from atml.library.page_prediction import PagePrediction
from atml.models.config import ModelConfig
from atml.tasks.task import Task
from tests.terminal import run

pytest.importorskip("PIL", reason="Pillow is not installed here; pip install 'atml[images]'")

from PIL import Image

SIZE = (48, 64)
TASK = Task(name="colours", kind="multilabel", classes=("RED", "GREEN", "BLUE"), picture=SIZE, leads=3)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A label's logit is 1 at a mean of 255 in its colour, -1 at 0."""
    weight = numpy_helper.from_array((np.eye(3) * 2 / 255).astype(np.float32), "weight")
    bias = numpy_helper.from_array(-np.ones(3, np.float32), "bias")
    nodes = [
        helper.make_node("ReduceMean", ["page"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "weight", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        TASK.name,
        [helper.make_tensor_value_info("page", TensorProto.FLOAT, ["n", 3, *SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 3])],
        [weight, bias],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="atml"
    )
    about = describe(
        task=TASK,
        config=ModelConfig(),
        study="s",
        trial=0,
        offsets=(0.0, 0.0, 0.0),
        data_name="PAGES",
        data_fingerprint="00" * 32,
        synthetic=False,
        subjects=("h0007",),
    )
    helper.set_model_props(model, about)
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    onnx.save(model, path)
    return path


def page(*colour: int) -> np.ndarray:
    """A page of one colour with something on it, so that it is not blank."""
    rgb = np.full((*SIZE, 3), colour, np.uint8)
    rgb[10:14, 10:50] = 0
    return rgb


def save(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgb).save(path)
    return path


def test_arrays_of_pages_are_decided(export: Path) -> None:
    model = atml.load(export)
    x = np.stack([page(255, 255, 0), page(0, 0, 0), page(0, 0, 250)]).transpose(0, 3, 1, 2)
    assert model.predict(x).tolist() == ["RED+GREEN", "none", "BLUE"]
    assert model.labels(x).tolist() == [3, 0, 4] and model.predict(x[0]).tolist() == ["RED+GREEN"]
    np.testing.assert_allclose(model.scores(x)[1], 1 / (1 + np.exp(1)), atol=1e-6)
    np.testing.assert_allclose(model.logits(x.astype(float)), model.logits(x))
    assert model.logits(x[:0]).shape == (0, 3)
    many = np.repeat(x, 20, axis=0)
    assert model.labels(many).tolist() == [3] * 20 + [0] * 20 + [4] * 20
    for odd in (x[:, :, :40], x[0, 0], x.astype(str), x - 300.0):
        with pytest.raises(DataError, match=r"the model takes pages \(n, 3, 48, 64\)|are no shades"):
            model.predict(odd)
    with pytest.raises(DataError, match="all values of x are at most 1, nearly black pages: give 0 to 255"):
        model.predict(x / 255.0)
    assert model.labels(np.zeros_like(x, np.float32)).shape == (3,)
    with pytest.raises(DataError, match="about pictures of pages"):
        model.predict_recording(np.zeros(1000))


def test_files_are_decided_at_any_size(export: Path, tmp_path: Path) -> None:
    large = np.asarray(Image.fromarray(page(255, 0, 0)).resize((640, 480)))
    file = save(tmp_path / "large.png", large)
    model = atml.load(export)
    assert model.predict(file).tolist() == model.predict([file, str(file)]).tolist()[:1] == ["RED"]
    with pytest.raises(DataError, match="no such file"):
        model.predict(tmp_path / "none.png")


def test_a_row_a_page_with_decision_and_score_a_label(export: Path, tmp_path: Path) -> None:
    for name, colour in (("a", (255, 0, 0)), ("b", (0, 255, 255)), ("c", (60, 60, 60))):
        save(tmp_path / "set" / f"{name}.png", page(*colour))
    save(tmp_path / "set" / "d.png", np.full((*SIZE, 3), 250, np.uint8))
    (tmp_path / "set" / "e.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    seen: list[int] = []
    found = atml.predict(export, tmp_path / "set", out=tmp_path / "out", on_recording=seen.append)
    assert isinstance(found, PagePrediction)
    assert found.pages["page"].tolist() == ["a.png", "b.png", "c.png", "d.png"] and seen == [1, 2, 3, 4, 5]
    assert found.pages["decision"].tolist()[:3] == ["RED", "GREEN+BLUE", "none"]
    assert found.pages["called_BLUE"].tolist()[:3] == [False, True, False]
    assert found.pages[["decision", "called_BLUE"]].isna().sum().tolist() == [1, 1]
    assert found.pages["score_RED"].isna().tolist() == [False, False, False, True]
    assert any("left out: " in note and "e.png is" in note for note in found.notes)
    assert any("1 page blank and undecided: d.png" in note for note in found.notes)
    written = pd.read_csv(tmp_path / "out" / "pages.csv")
    assert list(written.columns) == list(found.pages.columns) and len(written) == 4
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["pages"][3]["score_RED"] is None
    assert "RED" in str(found) and "undecided" in str(found)


def test_pages_that_were_made_are_named_by_their_folders(export: Path, tmp_path: Path) -> None:
    for name in ("h0007_v00_3x4_clean", "h0008_v01_6x2_photo"):
        save(tmp_path / "PAGES" / name / f"{name}_dirty.png", page(255, 0, 0))
        save(tmp_path / "PAGES" / name / f"{name}_label_wave.png", page(0, 0, 0))
    found = atml.predict(export, tmp_path / "PAGES", classes=["GREEN", "BLUE"])
    assert isinstance(found, PagePrediction)
    assert found.pages["page"].tolist() == ["h0007_v00_3x4_clean", "h0008_v01_6x2_photo"]
    assert found.pages["decision"].tolist() == ["none", "none"] and "score_RED" not in found.pages
    assert "TRAINED ON, by name: h0007" in found.notes[0]


def test_bad_input_is_one_line_and_exit_code_2(export: Path, tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", page(255, 0, 0))
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty").mkdir()
    cases = (
        ([tmp_path / "text.png"], "is no picture that can be read"),
        ([tmp_path / "none.png"], "no such file"),
        ([tmp_path / "empty"], "holds no picture"),
        ([good, "--step", "1"], "step is about recordings, and the model decides on pages"),
        ([good, "--class", "AF"], "no label 'AF'; the model decides RED, GREEN and BLUE"),
    )
    for arguments, why in cases:
        done = run(tmp_path, "predict", export, *arguments)
        assert done.returncode == 2 and why in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert ".heic" not in run(tmp_path, "predict", export, tmp_path / "empty").stderr
    done = run(tmp_path, "predict", export, good, "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["pages"][0]["decision"] == "RED"
    with pytest.raises(InputError, match="no label 'AF'"):
        atml.predict(export, good, classes=["AF"])
