"""An export scored: its figures are those of the rule, and what the text says."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest

from atml import data
from atml.artifacts.export import export
from atml.artifacts.model import infer
from atml.errors import DataError, ExportError
from atml.metrics import confusion, counts
from atml.scoring.rules import Judged, iesd2024
from tests.scoring import rhythm as three_classes
from tests.scoring.exported import label, score, write_contest, write_npz


def test_figures_are_those_of_the_rule_on_the_outputs(make, trained, exported, unseen):
    report = score(exported, unseen)
    opened = data.open(unseen, task=make.task, label=label, split="test")
    outputs = infer(trained.model, opened.x)
    called = np.where(outputs[:, 0] > outputs[:, 1], 0, 1)
    judged = Judged(
        task=make.task,
        y_true=opened.y,
        y_pred=called,
        subject=opened.subject,
        rhythm=opened.rhythm,
        x=opened.x,
    )
    assert report.score == iesd2024.score(judged, {})
    assert report.score["F"] == pytest.approx(counts(opened.y, called, opened.subject).f_beta().mean())
    assert report.score.total.value is None
    assert (report.windows, report.subjects) == (72, 6)
    pooled = confusion(opened.y == 1, outputs[:, 1] >= outputs[:, 0])
    assert report.to_dict()["confusion"] == dataclasses.asdict(pooled)
    worst = [row["f_beta"] for row in report.to_dict()["subjects"]]
    assert worst == sorted(worst) and len(worst) == 6


def test_total_with_latency_and_size(exported, unseen):
    report = score(exported, unseen, latency_ms=5.0, size_kib=180)
    expected = iesd2024.points(report.score["F"], report.score["G"], 5.0, 180)
    assert report.score.total.value == sum(expected.values()) == report.to_dict()["total"]
    text = report.render()
    assert f"total {report.score.total.value:.3f} of 80 = F {expected['F']:.3f} + G" in text
    assert "latency 5 ms and size 180 KiB are your figures" in text
    assert "needs --latency-ms and --size-kib" in score(exported, unseen, latency_ms=5.0).render()


def test_text_names_what_was_scored(exported, unseen):
    text = score(exported, unseen).render()
    assert "rule iesd2024 on waves: 72 test windows of 6 subjects" in text
    assert str(exported) in text and "trial 7 of study waves" in text
    assert "synthetic" not in text
    for key in (
        "F, mean F-beta",
        "G, share",
        "F1",
        "accuracy",
        "precision (PPV)",
        "recall",
        "specificity",
        "NPV",
    ):
        assert key in text
    assert f"written to {exported / 'scores' / 'iesd2024-1.json'}" in text
    assert max(map(len, text.splitlines()[5:-2])) <= 100


def test_rule_aed_on_an_export(exported, unseen):
    report = score(exported, unseen, rule="aha-aed", options={"vt_rate": 180})
    text = report.render()
    assert "rule aha-aed on waves" in text and "VT rapid above 180 a minute" in text
    assert "AF, SB, SVT, block, idioventricular, PVC" in text and "not assessable" in text
    assert "total" not in text
    written = json.loads(report.file.read_text())
    assert written["options"] == {"vf_amplitude": 0.2, "vt_rate": 180}
    assert {row["verdict"] for row in written["categories"]} <= {"not assessable", "report only", "failed"}


def test_synthetic_is_said(make, tmp_path, unseen, exported):
    record = make.record(make.dataset(synthetic=True))
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    assert (
        "synthetic model: these figures say nothing about real recordings"
        in score(got.folder, unseen).render()
    )
    text = score(exported, None).render()
    assert "synthetic test data: these figures say nothing" in text and "on synthetic (synthetic)" in text


def test_a_rule_and_a_model_that_do_not_fit(tmp_path, unseen):
    three = three_classes.exported(tmp_path)
    with pytest.raises(ExportError, match=r"iesd2024 judges 2 classes.*'O'"):
        score(three.folder, unseen)


def test_no_test_data(exported, tmp_path):
    with pytest.raises(DataError):
        score(exported, tmp_path / "nowhere")


def test_the_lead_of_the_training_is_the_lead_that_is_scored(make, tmp_path):
    folder = tmp_path / "waves"
    folder.mkdir()
    samples = make.task.window * 6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, at how wfdb uses it
        import wfdb

        for name in ("t1", "t2"):
            x = np.random.default_rng(len(name)).normal(size=(samples, 2)) * [1.0, 3.0]
            rate = make.task.sampling_rate
            wfdb.wrsamp(
                name, rate, ["mV"] * 2, ["I", "II"], p_signal=x, fmt=["16"] * 2, write_dir=str(folder)
            )
            wfdb.wrann(
                name,
                "atr",
                np.array([1, samples // 2]),
                ["+", "+"],
                aux_note=["(N", "(AFIB"],
                write_dir=str(folder),
            )
    record = make.record()
    record = make.replace(record, data=make.replace(record.data, leads=("II",)))
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    assert got.lead_choice == ("II",)
    untold, told, other = (score(got.folder, folder, leads=leads) for leads in ((), ("II",), ("I",)))
    assert untold.data_fingerprint == told.data_fingerprint != other.data_fingerprint
    assert "lead II, as in training" in untold.notes
    assert "scored on lead I, but the model was trained on II" in other.notes
    assert not any("lead" in note for note in told.notes)
    # A set whose leads can't be chosen is not asked for one.
    renamed = make.replace(make.dataset(seed=1), subject=np.char.add("U", make.dataset(seed=1).subject))
    score(got.folder, write_contest(tmp_path / "texts", renamed))


def test_another_unit_is_told(make, exported, tmp_path):
    """The same windows in mV and in microvolts: the export knows how large signals were in training."""
    dataset = make.dataset(subjects=10, each=6, seed=5)
    large = make.replace(dataset, x=dataset.x * 1000)
    large.x[-1] = large.x[-1].clip(-500, 500)
    notes = {
        name: score(exported, write_npz(tmp_path / f"{name}.npz", found)).notes
        for name, found in (("same", dataset), ("large", large))
    }
    assert not any("another unit?" in note for note in notes["same"])
    (line,) = (note for note in notes["large"] if "another unit?" in note)
    assert line.startswith("signals range over 2") and "\n" not in line
    assert not any("saturated" in note for note in notes["same"])
    rail = "of 12 windows 1 is saturated (at the rail): they are scored like all others"
    assert rail in notes["large"]
