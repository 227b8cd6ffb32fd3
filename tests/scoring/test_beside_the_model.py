"""What stands beside a model's figures: its baseline, and the time to decision."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from atml import data
from atml.artifacts.model import infer
from atml.evaluation import baselines
from atml.evaluation.baselines.out_of_fold import fit
from atml.metrics import confusion, mean_subject_f_beta
from tests.scoring.exported import Memory, label, score


def test_another_baseline_is_left_away_and_told(exported, unseen):
    record = json.loads((exported / "config.json").read_text())
    record["baseline"]["version"] = 99
    (exported / "config.json").write_text(json.dumps(record))
    report = score(exported, unseen)
    assert report.baseline is None and "baseline" not in report.to_dict() and report.evaluation == 1
    assert any(note.startswith("scored without its baseline: baseline 'peak") for note in report.notes)
    assert "scored without its baseline" in report.render()


def test_the_baseline_is_judged_beside_the_model(make, exported, unseen, tmp_path):
    dataset = make.dataset()
    baseline = fit("peak_count", dataset.x, dataset.y, dataset.subject, make.task, mean_subject_f_beta)
    record = json.loads((exported / "config.json").read_text())
    record["baseline"] = baseline.to_dict()
    (exported / "config.json").write_text(json.dumps(record))
    evaluations = Memory()
    report = score(exported, unseen, evaluations, latency_ms=5.0, size_kib=100)
    assert len(evaluations.kept) == 1
    opened = data.open(unseen, task=make.task, label=label, split="test")
    called = baseline.decide(opened.x, make.task.sampling_rate)
    found = report.to_dict()["baseline"]
    assert found["confusion"] == dataclasses.asdict(confusion(opened.y == 1, called == 1))
    assert found["name"] == "peak_count" and found["is"] == baseline.describe()
    assert found["total"] is None and report.to_dict()["total"] is not None
    text = report.render()
    assert f"baseline {baseline.title}: {baseline.describe()}" in text
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines["specificity"].endswith(f"{found['specificity']:.4f}")
    worst = report.score.table("subjects").cells[0][0]
    theirs = {row["subject"]: row["f_beta"] for row in found["subjects"]}
    assert next(line for line in text.splitlines() if line.startswith(f"{worst} ")).endswith(
        f"{theirs[worst]:.4f}"
    )


def test_no_baseline_no_column(exported, unseen):
    record = json.loads((exported / "config.json").read_text())
    (exported / "config.json").write_text(json.dumps({**record, "baseline": None}))
    report = score(exported, unseen)
    assert "  baseline" not in report.render() and "baseline" not in report.to_dict()


def long_recordings(make, seconds=5.0, subjects=4):
    """Recordings longer than a window, in a set that tells their rate."""
    rng = np.random.default_rng(8)
    n, samples = 4 * subjects, round(seconds * make.task.sampling_rate)
    y = np.tile([0, 1, 1, 0], subjects)
    time = np.arange(samples) / make.task.sampling_rate
    x = np.sin(2 * np.pi * (1 + 2 * y[:, None]) * time + rng.uniform(0, 6, (n, 1)))[:, None]
    return {"x": x.astype(np.float32), "y": y, "subject": np.repeat([f"L{i}" for i in range(subjects)], 4)}


def exported_baseline(folder):
    return json.loads((folder / "config.json").read_text())["baseline"]


def test_time_to_decision_where_episodes_are_longer_than_a_window(make, trained, exported, tmp_path):
    arrays = long_recordings(make)
    np.savez(tmp_path / "long.npz", **arrays, sampling_rate=make.task.sampling_rate)
    report = score(exported, tmp_path / "long.npz")
    found = report.streaming[0]
    assert found.name == "AF" and found.episodes == (8, 8) and found.subjects == (4, 4)
    asked = {m.seconds: m for m in found.positive if m.episodes}
    assert list(asked) == [2, 3, 4, 5]
    window, rate = make.task.window, make.task.sampling_rate
    for seconds, moment in asked.items():
        end = round(seconds * rate)
        logits = infer(trained.model, arrays["x"][arrays["y"] == 1][:, :, end - window : end])
        assert moment.called == pytest.approx((logits[:, 1] >= logits[:, 0]).mean())
    text = report.render()
    assert "time to decision, windows of 2 s: 8 episodes of 'AF', 4 subjects, 8 others of 4" in text
    assert "s into the episode" in text and "after onset" not in text
    assert "when these rhythms began is not known" in text
    some = make.replace(report, streaming=[make.replace(part, onsets=(3, 2)) for part in report.streaming])
    assert "s after onset" in some.render()
    assert "before 11 of the 16 there is nothing of another class" in some.render()
    written = json.loads(report.file.read_text())
    assert written["time_to_decision"]["episodes"] == [8, 8]
    baseline = baselines.from_dict(exported_baseline(exported))
    last = arrays["x"][arrays["y"] == 1][:, :, -window:]
    theirs = written["baseline"]["time_to_decision"]["positive"]
    called = next(m["called"] for m in theirs if m["seconds"] == 5)
    assert called == pytest.approx((baseline.decide(last, rate) == 1).mean())
    assert "called then  by then  baseline  others" in text


def test_no_time_to_decision_of_single_windows(exported, unseen):
    report = score(exported, unseen)
    assert report.streaming == () and "time_to_decision" not in report.to_dict()
    assert "time to decision" not in report.render()


def test_a_binary_export_is_scored_by_record(make, exported, unseen):
    dataset = make.dataset()
    baseline = fit("peak_count", dataset.x, dataset.y, dataset.subject, make.task, mean_subject_f_beta)
    record = json.loads((exported / "config.json").read_text())
    (exported / "config.json").write_text(json.dumps({**record, "baseline": baseline.to_dict()}))
    report = score(exported, unseen, rule="records")
    opened = data.open(unseen, task=make.task, label=label, split="test")
    called = baseline.decide(opened.x, make.task.sampling_rate)
    names = np.unique(opened.subject)
    true = [np.bincount(opened.y[opened.subject == name], minlength=2).argmax() for name in names]
    voted = [np.bincount(called[opened.subject == name], minlength=2) for name in names]
    # Of equally many votes the positive class wins.
    theirs = [int(votes[1] >= votes[0]) for votes in voted]
    assert report.baseline["accuracy"] == pytest.approx(np.mean(np.equal(true, theirs)))
    assert report.score.records == 6 and report.to_dict()["baseline"]["unit"] == "record"
    text = report.render()
    assert "6 records, 72 test windows of 6 subjects" in text
    assert "; a record is what most of its windows are called" in text
    assert "records have windows of more than one class" in text
