"""A study whose folds hold out whole sets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from atml.errors import DataError, StudyError
from atml.searching.plan import prepare, reopen
from atml.searching.search_options import Options
from atml.storage import Store
from tests.searching.studies import Space


def say(line: str) -> None:
    """Print nothing."""


@pytest.fixture
def options(small: Path, space: Space, tmp_path: Path, url: str) -> Options:
    """Options of a search on two sets."""
    with np.load(small) as held:
        train = held["split"] == "train"
        half = np.isin(held["subject"], np.unique(held["subject"][train])[::2])
        for name, rows in (("one", train & half), ("two", train & ~half)):
            # A set of its own has both classes.
            y = np.arange(rows.sum()) % 2
            np.savez(tmp_path / f"{name}.npz", x=held["x"][rows], y=y, subject=held["subject"][rows])
    data = (tmp_path / "one.npz", tmp_path / "two.npz")
    return Options(study="s", storage=url, data=data, space=space(), fold_by="set")


def test_a_study_keeps_what_its_folds_hold_out(options: Options, url: str) -> None:
    made = prepare(options, say)
    held_out = [{str(s)[:4] for s in made.dataset.subject[fold.held_out]} for fold in made.folds]
    assert held_out == [{"one/"}, {"two/"}] and made.fold_by == "set"
    made.store.close()
    # Whoever goes on with it or joins it gets the same folds, without having to say so.
    again = prepare(dataclasses.replace(options, fold_by=None), say)
    assert again.fold_by == "set" and len(again.folds) == 2
    again.store.close()
    store = Store(url)
    joined = reopen(store, "s")
    for one, other in zip(made.folds, joined.folds, strict=True):
        np.testing.assert_array_equal(one.held_out, other.held_out)
    store.close()
    with pytest.raises(StudyError) as refused:
        prepare(dataclasses.replace(options, fold_by="subject"), say)
    assert "another kind of folds (set before, subject now); its trials" in str(refused.value)


def test_what_can_not_be_folded_so_is_refused_before_anything_is_written(
    options: Options, tmp_path: Path
) -> None:
    for change, kind, says in (
        ({"data": options.data[:1]}, DataError, "--fold-by set holds out whole sets, and one is one"),
        ({"folds": 5}, DataError, "--folds 5 with --fold-by set: .* each of the 2 sets; leave --folds out"),
        ({"fold_by": "record"}, DataError, "--fold-by 'record' is unknown: subject or set"),
    ):
        with pytest.raises(kind, match=says):
            prepare(dataclasses.replace(options, **change), say)
    assert not (tmp_path / "studies.db").exists()
