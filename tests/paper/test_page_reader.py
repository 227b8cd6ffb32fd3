"""`atml digitize --model` reads pages with an exported network, and names what is none."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from atml.artifacts.backends.onnx import Onnx
from atml.artifacts.model import describe
from atml.errors import DataError, ExportError
from atml.library.digitisation import digitize
from atml.library.page_reader import page_reader
from atml.models.network import Network
from atml.models.paper_config import PaperConfig
from atml.models.unet import UNet
from atml.paper.page_truth import Pages
from atml.paper.scores import lead_decibels
from atml.paper.weights_file import load
from atml.task_files import find
from tests.paper.test_search import WEIGHTS

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed here")

AFIB = Path(__file__).parents[1] / "fixtures" / "v0.1" / "exports" / "small" / "97-91-t0138"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config, task = PaperConfig(), find("paper").task
    net = UNet(config)
    load(net, WEIGHTS)
    about = describe(
        task=task,
        config=config,
        study="s",
        trial=0,
        offsets=(0.0,) * 12,
        data_name="d",
        data_fingerprint="f",
        synthetic=False,
        subjects=("h0000",),
    )
    file = tmp_path_factory.mktemp("model") / "model.onnx"
    file.write_bytes(Onnx().write(cast("Network", net.eval()), task, about))
    return file


def test_a_page_is_read_with_a_network(model: Path, pages: Pages, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    Image.fromarray(pages.rgb[0]).save(picture)
    speed, gain = (float(value) for value in pages.scale[0])
    found = digitize(picture, model=model, speed=speed, gain=gain, out=tmp_path / "out").pages[0]
    assert found.found.layout == "3x4+1" and np.median(lead_decibels(pages.signal[0], found.signal)) > 6
    # The overlay's traces lie on the ink of the picture.
    lead, x, y = found.found.paths[0]
    ink = (pages.who[0] == 1)[np.clip(y.astype(int), 0, 511), np.clip(x.astype(int), 0, 671)]
    assert lead == "I" and ink.mean() > 0.7
    assert {file.name for file in (tmp_path / "out").iterdir()} >= {"page.csv", "page_overlay.png"}
    assert abs(found.found.pixels_per_mm - 672 / 297) < 0.1


def test_what_is_no_page_is_refused(model: Path, tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (255, 255, 255)).save(tmp_path / "white.png")
    with pytest.raises(DataError, match=r"no trace of an ECG found|no grid found|rows of leads found"):
        digitize(tmp_path / "white.png", model=model)


def test_another_export_is_named() -> None:
    with pytest.raises(ExportError, match="which reads no leads off a page; give an export of"):
        page_reader(AFIB)
