"""Pictures with their signals and no labels, as a contest on Kaggle has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import atml.data
from atml.data.formats.kaggle_pages import page_signals
from atml.errors import DataError
from atml.pages.twelve_leads import LEADS
from atml.tasks.task import Task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train" / "77").mkdir(parents=True)
    (tmp_path / "train.csv").write_text("id,fs,sig_len\n77,250,3\n")
    rows = [",".join(reversed(LEADS))]
    for row in range(3):
        values = [f"{number / 10 + row}" for number in range(12)]
        rows.append(",".join(["" if row else values[0], *values[1:]]))
    (tmp_path / "train" / "77" / "77.csv").write_text("\n".join(rows) + "\n")
    for number in (1, 3):
        (tmp_path / "train" / "77" / f"77-{number:04}.png").write_bytes(b"")
    return tmp_path


def test_each_picture_comes_with_the_signals(folder: Path) -> None:
    first, second = page_signals(folder)
    assert (first.name, first.subject, first.fs) == ("77-0001", "77", 250.0)
    assert second.picture == folder / "train" / "77" / "77-0003.png"
    assert first.signal.shape == (12, 3) and first.signal.dtype == np.float32
    # In the file the leads stand the other way round; its first column is of V6.
    np.testing.assert_allclose(first.signal[:, 0], np.arange(12)[::-1] / 10, atol=1e-6)
    assert np.isnan(first.signal[-1, 1:]).all() and np.isfinite(first.signal[:-1]).all()


def test_it_has_no_labels(folder: Path) -> None:
    task = Task(name="pages", kind="multilabel", classes=("AF", "PVC"), picture=(48, 64), leads=3)
    with pytest.raises(DataError, match=r"signals and no labels.*--task paper"):
        atml.data.open(folder, task=task, label={"AF": 1, "PVC": 2}.get)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("train.csv", "id,fs,sig_len\n77,250,4\n", "has 3 samples, .*train.csv says 4"),
        ("train.csv", "id,fs,sig_len\n78,250,4\n", "78.csv is not there, but .*train.csv names 78"),
        ("train.csv", "id,length\n77,4\n", "has no columns id and fs"),
        ("train.csv", "id,fs,sig_len\n77,fast,3\n", "line 2 is no record"),
        ("train/77/77.csv", "I,II\n1,2\n", "has no column III, aVR"),
        (
            "train/77/77.csv",
            ",".join(LEADS) + "\n" + ",".join("x" * 12) + "\n",
            "is damaged: could not convert",
        ),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, file: str, text: str, why: str) -> None:
    (folder / file).write_text(text)
    with pytest.raises(DataError, match=why) as error:
        list(page_signals(folder))
    assert "\n" not in str(error.value)
