"""Folds that hold out whole sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atml.data import set_folds
from atml.data.dataset import Dataset
from atml.errors import DataError


def sets(**classes: list[int]) -> Dataset:
    """Sets by name, each with one subject of five windows for every class that it lists."""
    names = sorted(classes)
    y = np.array([label for name in names for label in classes[name] for _ in range(5)], np.int64)
    subject = [f"{name}/S{i}" for name in names for i in range(len(classes[name])) for _ in range(5)]
    return Dataset(
        x=np.zeros((len(y), 1, 10), np.float32),
        y=y,
        subject=np.array(subject),
        rhythm=np.full(len(y), "N"),
        sampling_rate=100,
        fingerprint="",
        name="+".join(names),
    )


def paths(*names: str) -> list[Path]:
    return [Path("/data") / name for name in names]


def test_each_set_is_held_out_once_whole() -> None:
    # The name of one set begins with that of another.
    data = sets(vf=[0, 1], vfdb=[0, 0, 1], mitdb=[1, 0])
    folds = set_folds(data, paths("vfdb", "vf", "mitdb"))
    assert len(folds) == 3
    for fold, name in zip(folds, ("mitdb", "vf", "vfdb"), strict=True):
        assert {str(s).split("/")[0] for s in data.subject[fold.held_out]} == {name}
        assert sorted([*fold.train, *fold.held_out]) == list(range(len(data)))
        assert name not in {str(s).split("/")[0] for s in data.subject[fold.train]}


def test_one_set_alone_is_refused() -> None:
    says = "--fold-by set holds out whole sets, and vfdb is one: add another --data, or leave --fold-by out"
    with pytest.raises(DataError, match=says):
        set_folds(sets(vfdb=[0, 1]), paths("vfdb"))
    with pytest.raises(DataError, match="vfdb is one"):
        set_folds(sets(vfdb=[0, 1]), [])


def test_a_set_without_a_class_is_named() -> None:
    with pytest.raises(
        DataError, match="--fold-by set: b has no window of class 2, and each fold needs every"
    ):
        set_folds(sets(a=[0, 1, 2], b=[0, 1], c=[2, 1, 0]), paths("a", "b", "c"))
