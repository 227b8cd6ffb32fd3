from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import atml
from atml import DataError, ExportError
from atml.artifacts.bad_input import measured
from atml.artifacts.model import infer
from atml.library import decision_plot
from tests.library.conftest import MADE, environment
from tests.scoring import rhythm


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    """24 windows of both classes, ``(24, 1, 1250)``."""
    with np.load(MADE / "afib.npz") as held:
        x = held["x"].astype(np.float32)
    return x.reshape(len(x), 1, -1)[:24]


def test_decisions_and_scores_are_the_networks(model: atml.Model, ecg: np.ndarray) -> None:
    logits = infer(model.exported.model, ecg)
    np.testing.assert_array_equal(model.logits(ecg), logits)
    assert model.predict(ecg).tolist() == ["AF" if af >= other else "other" for other, af in logits]
    assert set(model.predict(ecg)) == {"other", "AF"}
    exact = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(ecg), exact, rtol=1e-12)
    assert model.labels(ecg).tolist() == [model.classes.index(name) for name in model.predict(ecg)]


def test_a_recording_is_decided_window_by_window(model: atml.Model, ecg: np.ndarray) -> None:
    recording = ecg.ravel()
    assert model.predict(recording).tolist() == model.predict(ecg).tolist()
    found = model.predict_recording(recording)
    assert found["decision"].tolist() == model.predict(ecg).tolist()
    assert found["start_s"].tolist() == [5.0 * number for number in range(24)]
    assert (found["end_s"] - found["start_s"] == 5.0).all()
    np.testing.assert_array_equal(found[["score_other", "score_AF"]], model.scores(ecg))
    half = model.predict_recording(recording, step=2.5)
    assert len(half) == 47
    assert half["decision"].tolist()[::2] == found["decision"].tolist()


def test_a_recording_at_another_rate_is_decided_alike(model: atml.Model, ecg: np.ndarray) -> None:
    from scipy.signal import resample_poly

    faster = resample_poly(ecg.ravel(), 36, 25)
    np.testing.assert_allclose(model.scores(faster, 360), model.scores(ecg), atol=0.1)
    assert (model.predict(faster, 360) == model.predict(ecg)).mean() > 0.9
    windows = faster.reshape(24, 1, 1800)
    assert (model.predict(windows, sampling_rate=360) == model.predict(ecg)).mean() > 0.9


@pytest.mark.parametrize("kind", ["afib", "defib", "three classes"])
def test_bad_input_is_refused_or_marked_by_every_kind_of_export(
    earlier: Path, tmp_path: Path, kind: str
) -> None:
    """What the file makes of it is on its card; what holds no heart gets no class without a word."""
    made = {"afib": "small/97-91-t0138", "defib": "shock/100-87-t0000"}
    three = rhythm.exported(tmp_path).folder if kind == "three classes" else None
    model = atml.load(three or earlier / "exports" / made[kind])
    found = measured(model.exported.model, model.task)
    if three:
        assert f"A flat window (a lead is off): called {found.flat!r}." in model.card
        assert "all logits of that window are NaN" in model.card
    time = np.arange(4 * model.window) / model.sampling_rate
    good = np.sin(12 * time + 3 * np.sin(time)).reshape(4, 1, model.window)
    for value in (np.nan, np.inf, -np.inf, 1e30):
        x = good.copy()
        x[1, 0, 5] = value
        if abs(value) != 1e30:
            logits = infer(model.exported.model, x.astype(np.float32))
            assert np.isnan(logits).all(axis=1).tolist() == [False, found.marks, False, False]
        with pytest.raises(DataError, match="window 1 of x has the sample"):
            model.predict(x)
        with pytest.raises(DataError, match="missing samples in the window at"):
            model.predict(x.reshape(1, -1))
        decisions = model.predict_recording(x.reshape(1, -1))["decision"]
        assert decisions.isna().tolist() == [False, True, False, False]
    assert model.predict(good[:0]).tolist() == [] and model.logits(good[:0]).shape == (0, len(model.classes))
    for x in (good[0, :, :0], good[0, :, :-1], good[:, :, :0], good[:, :, :-1]):
        with pytest.raises(DataError, match=r"the model (needs|takes)"):
            model.predict(x)
    good[1], good[2] = 0.0, good[2].clip(-0.5, 0.5)
    with pytest.warns(UserWarning, match=r"of 4 windows 1 is flat .*, 1 saturated .*: no decision on them"):
        assert model.predict(good)[1] == found.flat
    good[2, 0, : model.window // 10] = 1.2  # a rail is the recording's
    with pytest.warns(
        UserWarning, match=r"of 4 windows 1 is flat .*, 1 saturated .*: they are left undecided"
    ):
        decisions = model.predict_recording(good.reshape(1, -1))["decision"]
    assert decisions.isna().tolist() == [False, True, True, False]


def test_windows_with_a_gap_are_left_undecided(model: atml.Model, ecg: np.ndarray) -> None:
    recording = ecg.ravel().copy()
    recording[3 * 1250 + 10] = np.nan
    found = model.predict_recording(recording)
    assert found.index[found["decision"].isna()].tolist() == [3]
    assert found["score_AF"].isna().tolist() == found["decision"].isna().tolist()
    whole = model.predict(ecg).tolist()
    assert found["decision"].tolist()[4:] == whole[4:]
    with pytest.raises(DataError, match="missing samples in the window at 15 s"):
        model.predict(recording)


def test_what_is_no_signal_is_refused_in_one_line(model: atml.Model) -> None:
    for given, words in (
        (np.array(["a"]), "not numbers"),
        ([[1.0, 2.0], [1.0]], "not an array"),
        (np.zeros((2, 3, 4, 5)), r"shape \(2, 3, 4, 5\)"),
        (np.zeros((3, 1250)), "windows"),
        (np.zeros(1250, bool), "not numbers"),
    ):
        with pytest.raises(DataError, match=words) as told:
            model.predict(given)
        assert "\n" not in str(told.value)
    assert model.predict(np.zeros((0, 1, 1250))).shape == (0,)
    assert model.scores(np.zeros((0, 1, 1250))).shape == (0, 2)


def test_a_model_says_what_it_is(model: atml.Model, earlier: Path, tmp_path: Path) -> None:
    assert (model.classes, model.sampling_rate, model.window, model.leads) == (("other", "AF"), 250, 1250, 1)
    assert model.size_bytes == model.path.stat().st_size
    assert model.card == (earlier / "exports/small/97-91-t0138/MODEL_CARD.md").read_text(encoding="utf-8")
    assert model.metrics["F1"] == pytest.approx(0.9437, abs=1e-4)
    assert "97-91-t0138" in repr(model) and len(repr(model)) < 300
    shutil.copy(model.path, tmp_path / "alone.onnx")
    alone = atml.load(str(tmp_path / "alone.onnx"))
    assert alone.classes == model.classes
    with pytest.raises(ExportError, match=r"outside its export folder, which has MODEL_CARD\.md"):
        _ = alone.card
    with pytest.raises(ExportError, match="does not exist"):
        atml.load(tmp_path / "nothing")


def test_a_plot_shows_signal_decisions_and_scores(model: atml.Model, ecg: np.ndarray) -> None:
    recording = ecg.ravel().copy()
    recording[5:20] = np.nan
    figure = model.plot(recording, step=2.5)
    names = [trace.name for trace in figure.data]
    assert names == ["lead 0", "other", "AF", decision_plot.UNDECIDED, "score other", "score AF"]
    assert max(x for x in figure.data[0].x) == pytest.approx(120, abs=0.01)
    part = model.plot(recording, start=10, end=30)
    assert min(part.data[0].x) == 10.0 and min(part.data[-1].x) == 10.0
    with pytest.raises(DataError, match="there is no signal from start"):
        model.plot(recording, start=30, end=10)


def test_runs_end_where_the_next_window_begins() -> None:
    import pandas as pd

    found = pd.DataFrame(
        {
            "start_s": [0.0, 2.0, 4.0, 6.0, 20.0],
            "end_s": [5.0, 7.0, 9.0, 11.0, 25.0],
            "decision": ["AF", "AF", "N", None, "AF"],
        }
    )
    assert decision_plot.runs(found, "AF") == [(0.0, 4.0), (20.0, 25.0)]
    assert decision_plot.runs(found, "N") == [(4.0, 6.0)]
    assert decision_plot.runs(found, decision_plot.UNDECIDED) == [(6.0, 11.0)]


def test_loading_and_predicting_needs_no_torch(earlier: Path) -> None:
    code = (
        "import sys, atml, numpy as np; model = atml.load('exports/small/97-91-t0138');"
        "model.predict(np.sin(np.arange(1250) / 9));"
        "sys.exit(str({'torch', 'optuna', 'sqlalchemy', 'pandas'} & set(sys.modules) or 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=earlier,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() in ("", "0"), done.stderr
