"""Exports of known skill, trained on S0 to S7, and sets of other people."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from atml.artifacts.export import export
from tests.artifacts import conftest as make
from tests.comparison.test_comparing import OBJECTIVE, SPACE, write

SKILLS = {"good": (1, 0.0), "twin": (1, 1e-5), "fair": (3, 0.0), "bad": (5, 0.0)}
"""Seed of random weights and a shift of the decision, by the name of the export: 96, 96, 85 and 59% right."""


def made_export(root: Path, seed: int, shift: float, trial: int, dataset: Any = None) -> Path:
    """Export a net that decides where half of the windows are positive."""
    dataset = dataset or make.make_dataset()
    record = make.make_finding(dataset, trial=trial)
    net = make.make_net(seed=seed).eval()
    with torch.no_grad():
        out = net(torch.from_numpy(np.array(make.make_dataset(subjects=14, each=12, seed=1).x))).numpy()
        offsets = record.result.offsets
        net.head.bias[1] += offsets[1] - offsets[0] + shift - float(np.median(out[:, 1] - out[:, 0]))
    made = export(net, record, dataset.x, root=root).folder
    assert made is not None
    return made


def people(file: Path, letter: str, subjects: int = 9, split: str | None = None, **fields: Any) -> Path:
    """Write a set of so many people, each called ``letter`` and a number."""
    dataset = make.make_dataset(subjects=subjects, each=12, **{"seed": ord(letter), **fields})
    return write(file, dataset, np.char.replace(dataset.subject, "S", letter), split=split)


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exports of `SKILLS`, a frozen test set and a set of new people."""
    folder = tmp_path_factory.mktemp("promotion")
    for kind, text in (("search_spaces", SPACE), ("objectives", OBJECTIVE)):
        (folder / kind).mkdir()
        (folder / kind / "tiny.py").write_text(text)
    for trial, (name, (seed, shift)) in enumerate(SKILLS.items()):
        made_export(folder / "made", seed, shift, trial).rename(folder / name)
    shutil.rmtree(folder / "made")
    people(folder / "frozen.npz", "T", split="test")
    people(folder / "new.npz", "U", subjects=8)
    return folder


@pytest.fixture
def here(clinic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(clinic, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained_on(here: Path) -> Callable[..., Path]:
    """Make a good export that was trained on the people of a set, by their names there."""

    def made(name: str, *letters: str, **fields: Any) -> Path:
        dataset = make.make_dataset(subjects=8)
        parts = np.array_split(np.unique(dataset.subject), len(letters))
        names = {who: who.replace("S", letters[at]) for at, part in enumerate(parts) for who in part.tolist()}
        other = dataclasses.replace(
            dataset,
            subject=np.array([names[who] for who in dataset.subject.tolist()]),
            fingerprint="7" * 64,
            **fields,
        )
        folder = here / name
        made_export(here / "made", 1, 0.001, 8, other).rename(folder)
        return folder

    return made
