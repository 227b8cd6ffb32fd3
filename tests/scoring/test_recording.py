"""Evaluations are on record before anyone sees a figure, and what can't be scored costs none."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from atml.artifacts.model import EVALUATIONS
from atml.errors import ExportError, InputError, StudyError
from atml.formatting import ordinal
from atml.storage import Store
from tests.scoring.exported import Memory, score, write_npz


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
    second = score(exported, unseen, Memory())  # another database; the export knows that it is the second
    assert (first.evaluation, second.evaluation) == (1, 2)
    assert (first.file.name, second.file.name) == ("iesd2024-1.json", "iesd2024-2.json")


def database(where: Path) -> Store:
    where.mkdir(exist_ok=True)
    return Store(f"sqlite:///{where / 'studies.db'}")


def test_the_count_travels_with_the_export(make, exported, unseen, tmp_path):
    """The same export in three folders, each with a database of its own, and copied to another machine."""
    stores = [database(tmp_path / name) for name in ("a", "b", "c")]
    assert [score(exported, unseen, store).evaluation for store in stores] == [1, 2, 3]
    moved = tmp_path / "elsewhere" / "model"
    shutil.copytree(exported, moved)
    shutil.rmtree(moved / "scores")
    there = database(tmp_path / "there")
    report = score(moved, unseen, there)
    assert report.evaluation == 4 and "fourth evaluation of this test set; " in report.render()
    # Back where it was first scored: that database did not know of the others, and knows them now.
    assert score(moved, unseen, stores[0]).evaluation == 5
    # Other data are another test set.
    other = write_npz(tmp_path / "more.npz", make.dataset(subjects=10, each=12, seed=5))
    assert score(moved, other, there).evaluation == 1
    for store in (*stores, there):
        store.close()


def test_another_model_is_scored_on_a_set_that_is_known_to_be_used(exported, unseen, tmp_path):
    """What an export brings into a database counts there for every model."""
    here, there = database(tmp_path / "here"), database(tmp_path / "there")
    second = tmp_path / "second"
    shutil.copytree(exported, second)
    assert [score(exported, unseen, here).evaluation for _ in range(2)] == [1, 2]
    assert score(exported, unseen, there).evaluation == 3
    assert score(second, unseen, there).evaluation == 4
    # It carries them all, those of the other model too.
    third = database(tmp_path / "third")
    assert score(second, unseen, third).evaluation == 5
    for store in (here, there, third):
        store.close()


def test_people_are_known_again_in_other_windows_and_not_named(make, exported, unseen, tmp_path):
    here, there = database(tmp_path / "here"), database(tmp_path / "there")
    more = write_npz(tmp_path / "more.npz", make.dataset(subjects=10, each=12, seed=5))
    both = score(exported, [unseen, more], here)
    kept = json.loads((exported / EVALUATIONS).read_text())["evaluations"]
    assert len(kept) == 1 and set(kept[0]["people"]) == {"more", "waves"}
    people = [mark for marks in kept[0]["people"].values() for mark in marks]
    assert people and all(re.fullmatch(r"sha256:[0-9a-f]{16}", mark) for mark in people)
    alone = score(exported, unseen, there)
    assert alone.data_fingerprint != both.data_fingerprint and alone.evaluation == 2
    for store in (here, there):
        store.close()


def test_a_damaged_count_is_said(exported, unseen, tmp_path):
    store = database(tmp_path / "a")
    (exported / EVALUATIONS).write_text('{"evaluations": [{"at": "today"}]}')
    report = score(exported, unseen, store)
    assert report.evaluation == 1
    assert any(f"{EVALUATIONS} is damaged: evaluations that it alone" in note for note in report.notes)
    store.close()
    assert score(exported, unseen, database(tmp_path / "b")).evaluation == 2


def test_an_export_of_before_carries_the_number_of_its_reports(exported, unseen, tmp_path):
    store = database(tmp_path / "a")
    for _ in range(2):
        score(exported, unseen, store)
    store.close()
    (exported / EVALUATIONS).unlink()
    again = database(tmp_path / "b")
    assert score(exported, unseen, again).evaluation == 3
    again.close()


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


def test_a_file_alone_is_scored_and_leaves_nothing(trained, unseen, tmp_path):
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(trained.model)
    report = score(alone, unseen)
    assert report.evaluation == 1 and report.file is None
    assert list(tmp_path.iterdir()) == [alone]
    assert "written to" not in report.render()


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
        ({"latency_ms": 0.0}, "latency 0 ms is not a measurement"),
        ({"latency_ms": 1.0, "size_kib": -1.0}, "size -1 KiB is not a measurement"),
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
