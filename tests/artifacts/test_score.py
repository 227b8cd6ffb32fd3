import dataclasses
import json
import os
import shutil
import warnings

import numpy as np
import pytest
import scipy.io

from atml import data
from atml.artifacts.export import export
from atml.artifacts.model import infer
from atml.errors import DataError, ExportError, InputError, StudyError
from atml.evaluation import baselines
from atml.evaluation.baselines.out_of_fold import fit
from atml.metrics import confusion, counts, mean_subject_f_beta
from atml.scoring.evaluation import score_export
from atml.scoring.presentation import ordinal
from atml.scoring.rules import Judged, iesd2024
from atml.storage import Store
from tests.scoring import rhythm as three_classes


class Memory:
    """Evaluations kept in a list."""

    def __init__(self):
        self.kept = []

    def record(self, **evaluation):
        json.dumps(evaluation)  # a database would have to
        self.kept.append(evaluation)
        return sum(one["data_fingerprint"] == evaluation["data_fingerprint"] for one in self.kept)


def label(rhythm):
    return {"AFIB": 1, "N": 0}.get(rhythm)


def write_contest(folder, dataset, split="test_data"):
    (folder / split).mkdir(parents=True)
    for i, (x, name, subject) in enumerate(zip(dataset.x, dataset.rhythm, dataset.subject, strict=True)):
        np.savetxt(folder / split / f"{subject}-{name}-{i}.txt", x[0], fmt="%.6f")
    return folder


@pytest.fixture(scope="module")
def trained(make, tmp_path_factory):
    """An export trained on S0 to S7."""
    root = tmp_path_factory.mktemp("exports")
    return export(make.net(), make.record(), make.dataset().x, root=root)


@pytest.fixture
def exported(trained, tmp_path):
    return shutil.copytree(trained.folder, tmp_path / "exports" / trained.folder.name)


@pytest.fixture(scope="module")
def unseen(make, tmp_path_factory):
    dataset = make.dataset(subjects=6, each=12, seed=1)
    renamed = make.replace(dataset, subject=np.char.replace(dataset.subject, "S", "T"))
    return write_contest(tmp_path_factory.mktemp("data") / "waves", renamed)


def score(exported, unseen, evaluations=None, **options):
    return score_export(exported, unseen, label=label, evaluations=evaluations or Memory(), **options)


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
    assert (report.segments, report.subjects) == (72, 6)
    pooled = confusion(opened.y == 1, outputs[:, 1] >= outputs[:, 0])
    assert report.to_dict()["confusion"] == dataclasses.asdict(pooled)
    worst = [row["f_beta"] for row in report.to_dict()["subjects"]]
    assert worst == sorted(worst) and len(worst) == 6


def test_evaluations_are_counted_and_said(exported, unseen):
    evaluations = Memory()
    texts = [score(exported, unseen, evaluations).render() for _ in range(3)]
    assert "first evaluation of this test set\n" in texts[0]
    assert "second evaluation of this test set; a model chosen by earlier ones" in texts[1]
    assert "third evaluation of this test set" in texts[2]
    assert [one["rule"] for one in evaluations.kept] == ["iesd2024"] * 3
    assert evaluations.kept[0]["result"]["F"] == evaluations.kept[2]["result"]["F"]
    files = sorted(path.name for path in (exported / "scores").iterdir())
    assert files == [f"iesd2024-{n}.json" for n in (1, 2, 3)]
    written = json.loads((exported / "scores" / "iesd2024-3.json").read_text())
    assert written["look"] == 3 and written["F"] == evaluations.kept[2]["result"]["F"]


def test_a_report_never_replaces_another(exported, unseen):
    first = score(exported, unseen, Memory())
    second = score(exported, unseen, Memory())  # another database, which counts from one again
    assert first.evaluation == second.evaluation == 1
    assert (first.file.name, second.file.name) == ("iesd2024-1.json", "iesd2024-2.json")


def test_evaluations_in_a_real_database(exported, unseen, tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    assert [score(exported, unseen, store).evaluation for _ in range(2)] == [1, 2]


def test_one_set_more_is_no_first_evaluation(make, exported, unseen, tmp_path):
    """Of "waves" and "more" together the fingerprint is another one, the people of "waves" are the same."""
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    more = write_npz(tmp_path / "more.npz", make.dataset(subjects=10, each=12, seed=5))
    first = score(exported, unseen, store)
    both = score(exported, [unseen, more], store)
    assert first.data_fingerprint != both.data_fingerprint and (first.evaluation, both.evaluation) == (1, 2)
    assert score(exported, more, store).evaluation == 2
    assert [score(exported, None, store).evaluation for _ in range(2)] == [1, 2]


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


def test_a_trained_subject_in_the_test_set(make, exported, tmp_path):
    dataset = make.dataset(subjects=9, each=6, seed=2)
    mixed = make.replace(
        dataset, subject=np.where(dataset.subject == "S3", "S3", np.char.add("X", dataset.subject))
    )
    folder = write_contest(tmp_path / "mixed", mixed)
    evaluations = Memory()
    with pytest.raises(DataError, match=r"trained on subjects of this test set: S3;"):
        score(exported, folder, evaluations)
    assert evaluations.kept == [] and not (exported / "scores").exists()


def write_npz(file, dataset):
    """A set that does not tell train from test."""
    np.savez(file, x=dataset.x, y=dataset.y, subject=dataset.subject)
    return file


def test_of_a_bare_set_only_strangers_are_scored(make, exported, tmp_path):
    """S0 to S7 were trained on; of ten subjects two are left."""
    dataset = make.dataset(subjects=10, each=12, seed=5)
    report = score(exported, write_npz(tmp_path / "bare.npz", dataset))
    assert report.segments == 24 and report.subjects == 2
    assert [row[0] for row in sorted(report.score.table("subjects").cells)] == ["S8", "S9"]
    assert any("8 subjects left out" in note for note in report.notes)


def test_a_bare_set_with_nobody_left(make, exported, tmp_path):
    evaluations = Memory()
    file = write_npz(tmp_path / "known.npz", make.dataset(subjects=8, each=12, seed=5))
    with pytest.raises(DataError, match=r"trained on every subject of known; .*--hold-out"):
        score(exported, file, evaluations)
    assert evaluations.kept == []


def test_several_sets_are_scored_together(make, exported, tmp_path):
    """Names carry their set then; "S3" in training is "one/S3" here."""
    one = write_npz(tmp_path / "one.npz", make.dataset(subjects=9, each=12, seed=5))
    two = write_npz(tmp_path / "two.npz", make.dataset(subjects=10, each=12, seed=6))
    report = score(exported, [one, two])
    assert sorted(row[0] for row in report.score.table("subjects").cells) == ["one/S8", "two/S8", "two/S9"]


def trained_on_several(make, root):
    """An export trained on S0 to S7 of two sets, four of each."""
    dataset = make.dataset()
    of = np.where(np.isin(dataset.subject, [f"S{i}" for i in range(4)]), "one/", "two/")
    dataset = make.replace(dataset, subject=np.char.add(of, dataset.subject), name="one+two")
    return export(make.net(), make.record(dataset), dataset.x, root=root)


def test_a_folder_by_another_name_makes_no_strangers(make, tmp_path):
    """S0 to S3 are of "one", which is called "bought" here; S4 is of the other set."""
    got = trained_on_several(make, tmp_path / "exports")
    bought = write_npz(tmp_path / "bought.npz", make.dataset(subjects=4, each=12, seed=5))
    two = write_npz(tmp_path / "two.npz", make.dataset(subjects=10, each=12, seed=6))
    report = score(got.folder, [bought, two])
    # S0 to S3 of "two" are others than those of "one": that set was trained on by its own name.
    people = sorted(row[0] for row in report.score.table("subjects").cells)
    assert people == [f"two/S{i}" for i in (0, 1, 2, 3, 8, 9)]
    assert "S0, S1, S2, S3 of bought may be the same of one: left out" in report.notes


def test_one_person_by_another_name_is_told_alone(make, tmp_path):
    got = trained_on_several(make, tmp_path / "exports")
    dataset = make.dataset(subjects=2, each=12, seed=5)
    dataset = make.replace(dataset, subject=np.char.replace(dataset.subject, "S1", "X"))
    bought = write_npz(tmp_path / "bought.npz", dataset)
    two = write_npz(tmp_path / "two.npz", make.dataset(subjects=10, each=12, seed=6))
    assert "S0 of bought may be S0 of one: left out" in score(got.folder, [bought, two]).notes


def test_a_test_split_with_people_by_another_name_is_refused(make, tmp_path):
    got = trained_on_several(make, tmp_path / "exports")
    evaluations = Memory()
    bought = write_contest(tmp_path / "bought", make.dataset(subjects=4, each=12, seed=5))
    two = write_npz(tmp_path / "two.npz", make.dataset(subjects=10, each=12, seed=6))
    with pytest.raises(DataError, match=r"of this test set: bought/S0 \(may be one/S0\), bought/S1 "):
        score(got.folder, [bought, two], evaluations)
    assert evaluations.kept == []


def test_another_baseline_is_left_away_and_told(exported, unseen):
    record = json.loads((exported / "config.json").read_text())
    record["baseline"]["version"] = 99
    (exported / "config.json").write_text(json.dumps(record))
    report = score(exported, unseen)
    assert report.baseline is None and "baseline" not in report.to_dict() and report.evaluation == 1
    assert any(note.startswith("scored without its baseline: baseline 'peak") for note in report.notes)
    assert "scored without its baseline" in report.render()


def test_patients_of_a_matlab_file_may_be_those_of_the_training_sets(make, tmp_path):
    dataset = make.replace(make.dataset(), name="vfdb")
    got = export(make.net(), make.record(dataset), dataset.x, root=tmp_path / "exports")
    other = make.dataset(subjects=4, each=12, seed=5)
    kind = [(field, "O") for field in ("pat_ID", "name", "s_ns", "r_type", "s_ecg", "source")]
    data = np.zeros((1, len(other)), dtype=kind)
    for i, (x, y, name) in enumerate(zip(other.x, other.y, other.rhythm, strict=True)):
        long = np.repeat(x[0], 5).astype(np.float64)[None]  # the file is of 250 Hz
        data[0, i] = (100.0 + i % 4, f"p{i % 4}", float(y), name, long, "vfdb" if i % 2 else "AHADB")
    scipy.io.savemat(tmp_path / "cut.mat", {"data": data})
    notes = score(got.folder, tmp_path / "cut.mat").notes
    assert [note for note in notes if "same patients" in note] == [
        "segments of vfdb may be of the same patients as vfdb, that the model was trained on:"
        " they have other names there and can't be matched"
    ]


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


def long_segments(make, seconds=5.0, subjects=4):
    """Segments longer than a window, in a set that tells their rate."""
    rng = np.random.default_rng(8)
    n, samples = 4 * subjects, round(seconds * make.task.sampling_rate)
    y = np.tile([0, 1, 1, 0], subjects)
    time = np.arange(samples) / make.task.sampling_rate
    x = np.sin(2 * np.pi * (1 + 2 * y[:, None]) * time + rng.uniform(0, 6, (n, 1)))[:, None]
    return {"x": x.astype(np.float32), "y": y, "subject": np.repeat([f"L{i}" for i in range(subjects)], 4)}


def exported_baseline(folder):
    return json.loads((folder / "config.json").read_text())["baseline"]


def test_time_to_decision_where_episodes_are_longer_than_a_window(make, trained, exported, tmp_path):
    arrays = long_segments(make)
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
    assert "before 11 of the 16 lies nothing of another class" in some.render()
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


def test_rule_aed_on_an_export(exported, unseen):
    report = score(exported, unseen, rule="aha-aed", options={"vt_rate": 180})
    text = report.render()
    assert "rule aha-aed on waves" in text and "VT rapid above 180 a minute" in text
    assert "AF, SB, SVT, block, idioventricular, PVC" in text and "not assessable" in text
    assert "total" not in text
    written = json.loads(report.file.read_text())
    assert written["options"] == {"vf_amplitude": 0.2, "vt_rate": 180}
    assert {row["verdict"] for row in written["categories"]} <= {"not assessable", "report only", "failed"}


def test_subject_names_are_compared_whole(make, exported, tmp_path):
    dataset = make.dataset(subjects=4, each=6, seed=3)
    near = make.replace(dataset, subject=np.char.add("S1", dataset.subject))  # S1S0 is neither S1 nor S0
    assert score(exported, write_contest(tmp_path / "near", near)).evaluation == 1


def test_the_training_data_themselves(make, trained, tmp_path, unseen):
    opened = data.open(unseen, task=make.task, label=label, split="test")
    record = make.record()
    record = make.replace(record, data=make.replace(record.data, fingerprint=opened.fingerprint))
    got = export(make.net(), record, opened.x, root=tmp_path)
    with pytest.raises(DataError, match="waves is what trial 7 was trained on"):
        score(got.folder, unseen)


def test_synthetic_is_said(make, tmp_path, unseen, exported):
    record = make.record(make.dataset(synthetic=True))
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    assert (
        "synthetic model: these figures say nothing about real recordings"
        in score(got.folder, unseen).render()
    )
    text = score(exported, None).render()
    assert "synthetic test data: these figures say nothing" in text and "on synthetic (synthetic)" in text


def test_synthetic_subjects_are_nobody_elses(make, tmp_path, exported):
    """A generated S0 in training does not stand for the person S0 in the test set."""
    record = make.record(make.dataset(synthetic=True))
    got = export(make.net(), record, make.dataset().x, root=tmp_path / "exports")
    folder = write_contest(tmp_path / "people", make.dataset(seed=4))
    assert score(got.folder, folder).evaluation == 1
    with pytest.raises(DataError, match="S0, S1, S2, S3, S4, S5, S6, S7;"):
        score(exported, folder)


def test_a_file_alone_is_scored_and_leaves_nothing(trained, unseen, tmp_path):
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(trained.model)
    report = score(alone, unseen)
    assert report.evaluation == 1 and report.file is None
    assert list(tmp_path.iterdir()) == [alone]
    assert "written to" not in report.render()


def test_a_file_that_can_not_say_its_subjects(make, tmp_path, unseen):
    dataset = make.dataset(subjects=300, each=2)
    names = np.repeat([f"patient{i:05d}" for i in range(300)], 2)
    dataset = make.replace(dataset, subject=names, y=np.tile([0, 1], 300))
    got = export(make.net(), make.record(dataset), dataset.x, root=tmp_path / "exports")
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(got.model)
    assert "does not list its training subjects" in score(alone, unseen).render()
    assert "does not list its training subjects" not in score(got.folder, unseen).render()
    evaluations = Memory()
    bare = write_npz(tmp_path / "bare.npz", make.dataset(subjects=4, each=12, seed=5))
    for paths in (bare, [unseen, bare]):
        with pytest.raises(ExportError, match=r"and bare does not tell train from test, .* export folder"):
            score(alone, paths, evaluations)
    assert evaluations.kept == [] and score(got.folder, [unseen, bare]).evaluation == 1


def test_no_figure_without_a_record(exported, unseen):
    class Locked:
        def record(self, **evaluation):
            raise StudyError("studies.db is locked")

    with pytest.raises(StudyError):
        score(exported, unseen, Locked())
    assert not (exported / "scores").exists()


def test_no_evaluation_when_the_report_can_not_be_written(exported, unseen):
    (exported / "scores").write_text("in the way")
    evaluations = Memory()
    with pytest.raises(ExportError, match=r"scores can't be written: .*; nothing was scored"):
        score(exported, unseen, evaluations)
    assert evaluations.kept == []
    if os.getuid() != 0:
        (exported / "scores").unlink()
        exported.chmod(0o500)
        with pytest.raises(ExportError, match="Permission denied"):
            score(exported, unseen, evaluations)
        exported.chmod(0o700)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "iesd2023"}, "no scoring rule 'iesd2023'; known: .*iesd2024"),
        ({"latency_ms": 0.0}, "latency 0 ms is no measurement"),
        ({"latency_ms": 1.0, "size_kib": -1.0}, "size -1 KiB is no measurement"),
        ({"options": {"vt_rate": 180.0}}, "rule iesd2024 has no option 'vt_rate'; it has none"),
        ({"rule": "aha-aed", "options": {"vt_rate": -1.0}}, "option vt_rate of rule aha-aed is -1"),
        ({"rule": "aha-aed", "size_kib": 30.0}, "aha-aed awards nothing for latency or size"),
        ({"rule": "cinc2017"}, "cinc2017 judges the classes Normal, AF and Other"),
    ],
)
def test_bad_options_cost_no_evaluation(exported, unseen, options, message):
    evaluations = Memory()
    with pytest.raises(InputError, match=message):
        score(exported, unseen, evaluations, **options)
    assert evaluations.kept == []


def test_a_rule_and_a_model_that_do_not_fit(tmp_path, unseen):
    three = three_classes.exported(tmp_path)
    with pytest.raises(ExportError, match=r"iesd2024 judges 2 classes.*'O'"):
        score(three.folder, unseen)


def test_other_labels_are_refused(make, tmp_path, unseen):
    record = make.replace(make.record(), objective_hash="f" * 16, labels_hash="0123456789abcdef")
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    assert got.labels_hash == "0123456789abcdef" and got.objective_hash == "f" * 16
    assert json.loads((got.folder / "config.json").read_text())["labels_hash"] == got.labels_hash
    evaluations = Memory()
    with pytest.raises(
        ExportError, match=r"model\.onnx was trained with other labels .*'tiny'; .*--objective"
    ):
        score(got.folder, unseen, evaluations, labels_hash="f" * 16)
    assert evaluations.kept == []
    for labels_hash in ("0123456789abcdef", None):
        assert "by which labels" not in score(got.folder, unseen, labels_hash=labels_hash).render()


def test_an_older_model_can_not_tell_its_labels_and_is_scored(make, tmp_path, unseen):
    record = make.replace(make.record(), objective_hash="0123456789abcdef")
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    text = score(got.folder, unseen, labels_hash="f" * 16).render()
    assert "can't be told whether they are still the same" in text and "first evaluation" in text


def test_no_test_data(exported, tmp_path):
    with pytest.raises(DataError):
        score(exported, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("n", "word"),
    [
        (1, "first"),
        (3, "third"),
        (12, "twelfth"),
        (13, "13th"),
        (21, "21st"),
        (22, "22nd"),
        (103, "103rd"),
        (111, "111th"),
    ],
)
def test_ordinals(n, word):
    assert ordinal(n) == word


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
