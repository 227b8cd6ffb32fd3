"""Sets of pictures: opened at the task's size, with several labels at once, or refused in one line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atml.data
from atml.data.formats.made_pages import kind_of_page
from atml.errors import DataError
from atml.tasks.task import Task

pytest.importorskip("PIL", reason="Pillow is not installed here; pip install 'atml[images]'")

from PIL import Image

SIZE = (48, 64)
NAMES = ("AF", "PVC", "RBBB")
TASK = Task(name="three", kind="multilabel", classes=NAMES, picture=SIZE, leads=3)
HAS = {"h0": "AF", "h1": "PVC", "h2": "AF+RBBB", "h3": "none"}
"""Labels of each subject, who has two pages each."""


def label(names: str) -> int | None:
    bits = 0
    for name in filter(None, names.split("+")):
        if name not in NAMES:
            return None
        bits |= 1 << NAMES.index(name)
    return bits


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A page of ruled paper with a trace that no other seed has, ``(rows, columns, 3)``."""
    rows, columns = size
    rgb = np.full((rows, columns, 3), (255, 240, 240), np.uint8)
    rgb[::8], rgb[:, ::8] = (240, 150, 150), (240, 150, 150)
    y = np.clip(rows / 2 + np.cumsum(np.random.default_rng(seed).normal(0, 2, columns)), 1, rows - 2)
    rgb[y.astype(int), np.arange(columns)] = 10
    return rgb


def flags(names: str) -> dict[str, str]:
    return {name: str(int(name in names.split("+"))) for name in NAMES}


def write_table(file: Path, lines: list[dict[str, Any]]) -> None:
    with file.open("w", newline="") as out:
        table = csv.DictWriter(out, list(lines[0]))
        table.writeheader()
        table.writerows(lines)


def made(folder: Path, *, table: bool = True, size: tuple[int, int] = SIZE) -> Path:
    """Pages as `atml data make pages` writes them, without masks and signals."""
    lines = []
    for subject, has in HAS.items():
        for version, kind in enumerate(("clean", "photo")):
            name = f"{subject}_v{version:02d}_3x4+1_{kind}"
            (folder / name).mkdir(parents=True)
            page = Image.fromarray(picture(len(lines), size))
            page.save(folder / name / f"{name}_dirty.png")
            known = {one: int(value) for one, value in flags(has).items()}
            about = {"subject": subject, "labels": known}
            (folder / name / f"{name}_metadata.json").write_text(json.dumps(about))
            lines.append({"folder": name, "subject": subject, "kind": kind, "speed_mm_s": "25", **flags(has)})
    if table:
        write_table(folder / "labels.csv", lines)
    return folder


def plain(folder: Path, **more: str) -> Path:
    """Pictures in a folder, and a table of them."""
    folder.mkdir(parents=True)
    lines = []
    for subject, has in HAS.items():
        for number in range(2):
            name = f"{subject}-{number}.png"
            Image.fromarray(picture(len(lines))).save(folder / name)
            lines.append({"file": name, "patient": subject, **flags(has), **more})
    write_table(folder / "pages.csv", lines)
    return folder


def headers(folder: Path, line: str = "Dx") -> Path:
    """WFDB headers that name pictures."""
    codes = {"AF": "164889003", "PVC": "427172004", "RBBB": "59118001", "none": "426783006"}
    for number, (subject, has) in enumerate(HAS.items()):
        (folder / "00000").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(folder / "00000" / f"{subject}-0.png")
        said = ",".join(codes[one] for one in has.split("+")) if line == "Dx" else has.replace("+", ", ")
        (folder / "00000" / f"{subject}.hea").write_text(
            f"{subject} 12 500 5000\n# Image: {subject}-0.png\n# {line}: {said}\n"
        )
    return folder


def opened(path: Any, task: Task = TASK, **how: Any) -> atml.data.Dataset:
    return atml.data.open(path, task=task, label=label, **how)


def refused(path: Any, task: Task = TASK, **how: Any) -> str:
    with pytest.raises(DataError) as error:
        opened(path, task, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))


def test_made_pages_open_with_their_labels_as_bits(tmp_path: Path) -> None:
    found = opened(made(tmp_path / "PAGES"))
    assert found.x.shape == (8, 3, *SIZE) and found.x.dtype == np.uint8 and found.labels == 3
    assert found.y.tolist() == [1, 1, 2, 2, 5, 5, 0, 0]
    assert found.rhythm.tolist()[::2] == ["AF", "PVC", "AF+RBBB", "none"]
    assert found.subject.tolist()[::2] == ["h0", "h1", "h2", "h3"]
    assert found.record is not None and found.record[1] == "h0_v01_3x4+1_photo"
    assert [kind_of_page(name) for name in found.record[:2]] == ["clean", "photo"]
    np.testing.assert_array_equal(found.x[3], picture(3).transpose(2, 0, 1))
    assert found.bare and "kinds of picture: clean 4, photo 4" in found.notes


def test_a_cached_copy_is_the_same_and_mapped(tmp_path: Path) -> None:
    folder = made(tmp_path / "PAGES")
    first, again = opened(folder), opened(folder)
    assert isinstance(again.x, np.memmap) and first.fingerprint == again.fingerprint
    np.testing.assert_array_equal(first.x, again.x)
    other = opened(folder, Task(**{**vars(TASK), "picture": (24, 32)}))
    assert other.x.shape == (8, 3, 24, 32) and other.fingerprint != first.fingerprint
