"""The other lead of recordings: cut round the same beats, and seen in training alone."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest

from atml import data
from atml.data.dataset import Dataset, Fold, OtherLead, Rows
from atml.data.synthetic import ectopy
from atml.models.config import ModelConfig
from atml.training import cross_validation, loop
from tests.beats import BEATS, label, write


@pytest.fixture(scope="module")
def hearts():
    """Two recordings of two leads, of which the second is the first upside down, with a flat stretch."""
    found = []
    for one in islice(ectopy.recordings(BEATS, "train"), 2):
        x = np.concatenate([one.x, -one.x])
        x[1, 1250:3750] = 0.5
        found.append(dataclasses.replace(one, x=x))
    return found


def test_windows_in_the_other_lead_are_round_the_same_beats(hearts, tmp_path):
    folder = write(tmp_path / "set", hearts)
    how = {"task": BEATS, "label": label, "cache": tmp_path / "cache"}
    plain = data.open(folder, **how)
    found = data.open(folder, **how, other_lead=True)
    assert plain.other is None
    assert (found.x == plain.x).all(), "one lead is judged"
    other = found.other
    there = other.at >= 0
    assert other.x.shape[1:] == found.x.shape[1:] and 0 < (~there).sum() < 60, "a flat lead is no lead"
    seen = other.x[other.at[there]]
    assert ((np.abs(seen + found.x[there]) < 2e-3) | (np.abs(seen - 0.5) < 2e-3)).all()
    assert f"training sees {there.sum():,} of the beats in another lead too" in found.notes
    second = data.open(folder, **how, leads=["V1"], other_lead=True)
    assert np.abs(second.x[:5] + second.other.x[second.other.at[:5]]).max() < 2e-3, "then it is the first"


def test_a_study_notices_that_the_other_lead_changed(hearts, tmp_path):
    how = {"task": BEATS, "label": label, "cache": tmp_path / "cache"}
    folders = [write(tmp_path / name, hearts) for name in ("one", "same")]
    moved = [dataclasses.replace(one, x=np.add(one.x, [[0], [0.1]])) for one in hearts]
    folders.append(write(tmp_path / "moved", moved))
    plain = [data.open(folder, **how).fingerprint for folder in folders]
    both = [data.open(folder, **how, other_lead=True).fingerprint for folder in folders]
    assert plain[0] == plain[1] == plain[2]
    assert both[0] == both[1] != both[2]
    assert both[0] != plain[0]


def test_a_set_with_one_lead_is_trained_on_as_it_is(hearts, tmp_path):
    folder = write(tmp_path / "set", [dataclasses.replace(one, x=one.x[:1]) for one in hearts])
    found = data.open(folder, task=BEATS, label=label, cache=tmp_path / "cache", other_lead=True)
    assert found.other is None
    assert any(note.startswith("training sees one lead alone: ") for note in found.notes)


def test_synthetic_ecg_has_no_other_lead(tmp_path):
    assert data.open(None, task=BEATS, label=label, cache=tmp_path, other_lead=True).other is None


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 1, BEATS.window)).astype(np.float32)
    at = np.arange(60)
    at[::3] = -1
    return Dataset(
        x=x,
        y=np.arange(60) % 3,
        subject=np.array([f"S{i // 10}" for i in range(60)]),
        rhythm=np.array(["N"] * 60),
        sampling_rate=125,
        fingerprint="0",
        name="noise",
        other=OtherLead(2 * x, at),
    )


def test_rows_of_both_come_in_order_whatever_the_pieces(dataset):
    rows = np.array([3, 4, 5, 7])
    x, y, subject = dataset.training(rows)
    want = np.concatenate([dataset.x[rows], 2 * dataset.x[[4, 5, 7]]])
    assert len(x) == len(y) == len(subject) == 7
    for size in (1, 2, 3, 4, 5, 7, 10):
        got = np.concatenate([x[at : at + size] for at in range(0, len(x), size)])
        assert (got == want).all()
    assert len(x[7:9]) == 0 and y.tolist() == [0, 1, 2, 1, 1, 2, 1]


def test_a_part_of_a_set_keeps_the_other_lead_of_its_own(dataset):
    part = dataset.take(np.array([59, 3, 4]))
    assert part.other.at.tolist() == [59, -1, 4]
    x, y, _ = part.training()
    assert (x[3:5] == 2 * dataset.x[[59, 4]]).all() and y.tolist() == [2, 0, 1, 2, 1]


def test_a_fold_is_trained_on_both_and_judged_on_one(dataset):
    config = ModelConfig(channels=(3,), kernels=(5,), strides=(4,), batch=8, steps=5)
    task = dataclasses.replace(BEATS, name="b")
    rows = np.arange(60)
    fold = Fold(train=rows[:40], held_out=rows[40:])
    value = lambda predictions: float(len(predictions.y))  # noqa: E731
    found = cross_validation.run(config, task, dataset, [fold], value, seed=3)
    assert found.rows.tolist() == fold.held_out.tolist() and found.value == 20
    x, y, subject = dataset.training(fold.train)
    both = loop.fit(config, task, x, y, subject, seed=3).model
    one = loop.fit(
        config, task, Rows(dataset.x, fold.train), y[:40], dataset.subject[fold.train], seed=3
    ).model
    wanted, other = (loop.predict(model, dataset.x[40:]) for model in (both, one))
    assert (found.predictions.logits == wanted).all() and not np.allclose(wanted, other)
