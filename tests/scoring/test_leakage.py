"""No subject that a model was trained on is scored, and no labels but those that it learned."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.io

from atml import data
from atml.artifacts.export import export
from atml.errors import DataError, ExportError
from tests.scoring.exported import Memory, label, score, write_contest, write_npz


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


def test_subject_names_are_compared_whole(make, exported, tmp_path):
    dataset = make.dataset(subjects=4, each=6, seed=3)
    near = make.replace(dataset, subject=np.char.add("S1", dataset.subject))  # S1S0 is neither S1 nor S0
    assert score(exported, write_contest(tmp_path / "near", near)).evaluation == 1


def test_of_a_bare_set_only_strangers_are_scored(make, exported, tmp_path):
    """S0 to S7 were trained on; of ten subjects two are left."""
    dataset = make.dataset(subjects=10, each=12, seed=5)
    report = score(exported, write_npz(tmp_path / "bare.npz", dataset))
    assert report.windows == 24 and report.subjects == 2
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


def test_the_training_data_themselves(make, trained, tmp_path, unseen):
    opened = data.open(unseen, task=make.task, label=label, split="test")
    record = make.record()
    record = make.replace(record, data=make.replace(record.data, fingerprint=opened.fingerprint))
    got = export(make.net(), record, opened.x, root=tmp_path)
    with pytest.raises(DataError, match="waves is what trial 7 was trained on"):
        score(got.folder, unseen)


def test_synthetic_subjects_are_nobody_elses(make, tmp_path, exported):
    """A generated S0 in training does not stand for the person S0 in the test set."""
    record = make.record(make.dataset(synthetic=True))
    got = export(make.net(), record, make.dataset().x, root=tmp_path / "exports")
    folder = write_contest(tmp_path / "people", make.dataset(seed=4))
    assert score(got.folder, folder).evaluation == 1
    with pytest.raises(DataError, match="S0, S1, S2, S3, S4, S5, S6, S7;"):
        score(exported, folder)


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


def test_a_file_alone_knows_whom_it_was_trained_on(make, trained, tmp_path):
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(trained.model)
    report = score(alone, write_npz(tmp_path / "bare.npz", make.dataset(subjects=10, each=12, seed=5)))
    assert sorted(row[0] for row in report.score.table("subjects").cells) == ["S8", "S9"]
    evaluations = Memory()
    folder = write_contest(tmp_path / "mixed", make.dataset(subjects=4, each=6, seed=2))
    with pytest.raises(DataError, match="trained on subjects of this test set: S0, S1, S2, S3;"):
        score(alone, folder, evaluations)
    assert evaluations.kept == []


def test_a_file_alone_knows_people_of_several_sets(make, tmp_path):
    got = trained_on_several(make, tmp_path / "exports")
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(got.model)
    bought = write_npz(tmp_path / "bought.npz", make.dataset(subjects=4, each=12, seed=5))
    two = write_npz(tmp_path / "two.npz", make.dataset(subjects=10, each=12, seed=6))
    report = score(alone, [bought, two])
    people = sorted(row[0] for row in report.score.table("subjects").cells)
    assert people == [f"two/S{i}" for i in (0, 1, 2, 3, 8, 9)]
    assert "S0, S1, S2, S3 of bought may be the same of one: left out" in report.notes


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
    assert "does not record its labels" in text and "first evaluation" in text


def test_people_are_told_apart_in_a_test_set_as_they_were_in_training(make, tmp_path):
    """Trained on S0 to S7; the set to score names sessions: S3_b is one of S3, T0_a of a stranger."""
    record = make.record()
    record = make.replace(record, data=make.replace(record.data, subjects_by=r"([ST]\d)_.*"))
    got = export(make.net(), record, make.dataset().x, root=tmp_path)
    assert got.subjects_by == r"([ST]\d)_.*"
    dataset = make.dataset(subjects=6, each=12, seed=2)
    names = np.char.add(np.char.replace(dataset.subject, "S", "T"), "_a")
    strangers = make.replace(dataset, subject=names)
    report = score(got.folder, write_npz(tmp_path / "strangers.npz", strangers))
    assert report.subjects == 6 and any(note.endswith("as in training") for note in report.notes)
    known = make.replace(dataset, subject=np.where(names == "T3_a", "S3_b", names))
    report = score(got.folder, write_npz(tmp_path / "known.npz", known))
    assert report.subjects == 5
    np.savez(
        tmp_path / "test.npz", x=known.x, y=known.y, subject=known.subject, split=["test"] * len(known.y)
    )
    with pytest.raises(DataError, match=r"trained on subjects of this test set: S3;"):
        score(got.folder, tmp_path / "test.npz")
    # By their names here, or as another pattern has it, nobody is called S3: it is the same recording.
    for other, name in (("data", "S3_b"), (r"[ST](\d)_.*", "3")):
        with pytest.raises(DataError, match=f"trained on subjects of this test set: {name};"):
            score(got.folder, tmp_path / "test.npz", subjects=other)
        report = score(got.folder, tmp_path / "known.npz", subjects=other)
        assert report.subjects == 5 and f"1 subjects left out, with 12 windows: {name}" in report.notes
    table = tmp_path / "people.csv"
    table.write_text("recording,subject\n" + "".join(f"{name},{name[:2]}\n" for name in set(known.subject)))
    by_table = make.replace(record, data=make.replace(record.data, subjects_by=str(table)))
    got = export(make.net(), by_table, make.dataset().x, root=tmp_path / "table")
    assert str(table).encode() not in got.model and b"people.csv" in got.model  # no folder of this machine
    with pytest.raises(DataError, match=r"trained on subjects of this test set: S3;"):
        score(got.folder, tmp_path / "test.npz")
    table.unlink()
    with pytest.raises(
        DataError, match=r"people\.csv'?: no such file; .* give --subjects, or --subjects data"
    ):
        score(got.folder, tmp_path / "test.npz")
    assert score(got.folder, tmp_path / "test.npz", subjects="data").subjects == 6
    evaluations = Memory()
    with pytest.raises(
        ExportError, match=r"by people\.csv, which is not there .*give that table with --subj"
    ):
        score(got.folder, tmp_path / "known.npz", evaluations, subjects="data")
    assert evaluations.kept == []


def test_a_mapping_that_the_training_did_not_have_hides_nobody(make, exported, tmp_path):
    """Trained on S0 to S7 by these names: a pattern that calls them 0 to 7 makes no strangers of them."""
    bare = write_npz(tmp_path / "bare.npz", make.dataset(subjects=10, each=12, seed=5))
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((exported / "model.onnx").read_bytes())
    for model in (exported, alone):
        report = score(model, bare, subjects=r"S(\d)")
        assert sorted(row[0] for row in report.score.table("subjects").cells) == ["8", "9"]
    folder = write_contest(tmp_path / "mixed", make.dataset(subjects=4, each=6, seed=2))
    with pytest.raises(DataError, match="trained on subjects of this test set: 0, 1, 2, 3;"):
        score(exported, folder, subjects=r"S(\d)-.*")


def test_data_are_opened_once(make, exported, tmp_path, monkeypatch):
    opened, times = data.open, []

    def counted(*paths, **options):
        times.append(paths)
        return opened(*paths, **options)

    monkeypatch.setattr(data, "open", counted)
    alone = tmp_path / "alone.onnx"
    alone.write_bytes((exported / "model.onnx").read_bytes())
    for model in (exported, alone):
        score(model, write_npz(tmp_path / "bare.npz", make.dataset(subjects=10, each=12, seed=5)))
    assert len(times) == 2
