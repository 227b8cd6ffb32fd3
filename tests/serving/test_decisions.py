"""A task of three classes: decided, described and written for Triton as the library decides it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import atml
from atml import models, task_files
from atml.artifacts.export import onnx_bytes
from atml.artifacts.model import describe, load
from atml.models.config import ModelConfig
from atml.serving import inference, protocol, triton
from atml.serving.decisions import Served
from tests import untrained
from tests.serving.conftest import tensor


@pytest.fixture(scope="module")
def beats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a network on single beats, as it begins."""
    task, config = task_files.find("beats").task, ModelConfig(channels=(4,), kernels=(7,), strides=(2,))
    facts = {"data_name": "d", "data_fingerprint": "f", "synthetic": True, "subjects": ()}
    metadata = describe(task=task, config=config, study="s", trial=0, offsets=(0.0, 0.0, 0.0), **facts)
    file = tmp_path_factory.mktemp("beats") / "beats.onnx"
    file.write_bytes(onnx_bytes(models.build(config, task).eval(), task, metadata))
    return file


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("rhythm")
    plan = untrained.plan(where, "rhythm")
    untrained.add(plan, 0.5, origin="default")
    untrained.export(untrained.finals(plan, repeats=0))
    plan.store.close()
    (found,) = (where / "exports" / "s").iterdir()
    return found


def test_three_classes(export: Path) -> None:
    model, served = atml.load(export), Served("r", load(export))
    x = np.random.default_rng(0).normal(size=(5, model.leads, model.window))
    x[3] = 0
    found = json.loads(inference.answer(served, json.dumps({"inputs": [tensor(x)]}).encode()).body)
    logits, label, names, quality = (one["data"] for one in found["outputs"])
    with pytest.warns(UserWarning, match="1 is flat"):
        expected = model.logits(x)
    assert np.array_equal(np.array(logits, np.float32).reshape(5, 3), expected)
    good = [0, 1, 2, 4]
    assert [label[i] for i in good] == model.labels(x[good]).tolist()
    assert [names[i] for i in good] == model.predict(x[good]).tolist()
    assert (label[3], names[3], quality[3]) == (-1, "", "flat")


def test_its_configuration_for_triton(export: Path) -> None:
    text = triton.config("r", load(export))
    assert "dims: [ 3 ]" in text and "atml_threshold" not in text
    assert "the largest logit; of equal ones the first" in text
    assert "atml_after_beat_s" not in text
    assert "after_beat" not in protocol.metadata("r", load(export).task, {})["parameters"]


def test_windows_round_beats(beats: Path) -> None:
    model, served = atml.load(beats), Served("b", load(beats))
    assert model.task.around_beats
    x = np.random.default_rng(0).normal(size=(3, model.leads, model.window))
    found = json.loads(inference.answer(served, json.dumps({"inputs": [tensor(x)]}).encode()).body)
    logits = np.array(found["outputs"][0]["data"], np.float32).reshape(3, 3)
    assert np.array_equal(logits, model.logits(x))
    # Who asks is told where in a window its beat lies.
    assert protocol.metadata("b", model.task, {})["parameters"]["after_beat"] == model.task.after_beat
    text = triton.config("b", load(beats))
    assert f'"{model.task.after_beat:g}"' in text.split('"atml_after_beat_s"')[1].split("}")[0]
