"""Several sets opened as one, and subjects left out of sets that tell no split."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import atml.data
from atml.data import matching, same_subject
from atml.errors import DataError


@pytest.fixture
def bare(tmp_path, put):
    """Write a folder of segments that tells no split: subjects S1 and S9, 5 segments each."""

    def write(name="bare", people=("S1", "S9"), rhythms=("N", "AFIB")):
        for subject in people:
            for number in range(5):
                put(tmp_path / name, f"{subject}-{rhythms[number % len(rhythms)]}-{number}{len(name)}.txt")
        return tmp_path / name

    return write


def test_each_set_keeps_its_subjects_apart(contest, bare, opened):
    found = opened(contest, bare())
    assert set(found.subject) == {"contest/S1", "contest/S11", "contest/S2", "bare/S1", "bare/S9"}
    assert found.x.shape == (34, 1, 100) and found.name == "contest+bare" and not found.bare
    assert isinstance(found.x, np.memmap) and not found.x.flags.writeable
    parts = {path.name: opened(path) for path in (contest, bare())}
    for name, part in parts.items():
        mine = np.char.startswith(found.subject, f"{name}/")
        np.testing.assert_array_equal(found.x[mine], part.x)
        np.testing.assert_array_equal(found.y[mine], part.y)
        np.testing.assert_array_equal(found.rhythm[mine], part.rhythm)
        assert found.subject[mine].tolist() == [f"{name}/{subject}" for subject in part.subject]
    assert found.notes == tuple(f"bare: {note}" for note in parts["bare"].notes)


def test_the_order_in_which_sets_are_given_changes_no_row(contest, bare, opened):
    one, other = opened(contest, bare()), opened(bare(), contest)
    assert one.fingerprint == other.fingerprint
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.subject, other.subject)


def test_one_set_in_a_list_is_that_set(contest, opened, task, label, tmp_path):
    alone = atml.data.open(contest, task=task, label=label, cache=tmp_path / "cache")
    listed = opened(contest)
    assert listed.fingerprint == alone.fingerprint and set(listed.subject) == {"S1", "S11", "S2"}
    assert opened().synthetic  # none at all


def test_a_change_in_one_set_is_seen(contest, bare, opened, put):
    before = opened(contest, bare())
    put(bare(), "S9-N-77.txt", np.arange(100))
    after = opened(contest, bare())
    assert len(after) == len(before) + 1 and after.fingerprint != before.fingerprint


def test_one_class_in_one_set_is_no_fault_of_the_whole(contest, bare, opened):
    only = bare("only", rhythms=("N",))
    with pytest.raises(DataError, match="only 'other'"):
        opened(only)
    found = opened(contest, only)
    assert len(found) == 34 and set(found.y[np.char.startswith(found.subject, "only/")]) == {0}
    with pytest.raises(
        DataError, match=r"only and .*too \(train\) holds only 'other' of the classes other, AF"
    ):
        opened(only, bare("too", rhythms=("N", "T")))


def test_a_set_of_unknown_rhythms_adds_nothing_and_is_refused(contest, bare, opened):
    strange = bare("strange", rhythms=("X", "Y"))
    message = r"strange \(train\) holds no class of the classes other, AF, rhythms unknown .* are 'X', 'Y'"
    for paths in ((strange,), (contest, strange)):
        with pytest.raises(DataError, match=message):
            opened(*paths)


def test_a_set_given_twice_is_refused(contest, opened, tmp_path):
    (tmp_path / "link").symlink_to(contest)
    for again in (contest, f"{contest}/", tmp_path / "link"):
        with pytest.raises(DataError, match="is given twice: leave one out"):
            opened(contest, again)


def test_two_sets_of_one_name_are_refused(contest, opened, tmp_path):
    shutil.copytree(contest, tmp_path / "other" / "contest")
    with pytest.raises(DataError, match=r"are both called 'contest', .*: rename one"):
        opened(contest, tmp_path / "other" / "contest")


def test_a_fault_in_one_set_names_its_file(contest, bare, opened, put):
    put(bare(), "S9-N-77.txt", "x\n")
    with pytest.raises(DataError, match=r"bare/S9-N-77\.txt: line 1: 'x' is not a number"):
        opened(contest, bare())


def test_the_same_samples_in_two_sets_are_told(contest, bare, opened):
    shutil.copy(contest / "train_data" / "S1-AFIB-1.txt", bare() / "S9-AFIB-88.txt")
    notes = opened(contest, bare()).notes
    assert notes[-1].startswith("1 windows are the same in two sets, for example bare/S9-AFIB-88.txt and ")
    assert notes[-1].endswith("contest/train_data/S1-AFIB-1.txt")


def test_an_npz_joins_in(contest, opened, tmp_path, signal):
    x = np.stack([signal(7, row) for row in range(6)])
    np.savez(tmp_path / "more.npz", x=x, y=np.arange(6) % 2, subject=np.repeat(["a", "b"], 3))
    found = opened(contest, tmp_path / "more.npz")
    assert len(found) == 30 and {"more/a", "more/b"} < set(found.subject)
    np.testing.assert_array_equal(found.y[24:], np.arange(6) % 2)


def test_all_sets_need_the_split(contest, bare, opened):
    assert len(opened(contest, bare(), split="test")) == 8 + 10
    shutil.rmtree(contest / "test_data")
    with pytest.raises(DataError, match="no test split"):
        opened(contest, bare(), split="test")


def test_without_a_cache_all_is_kept_in_memory(contest, bare, opened, tmp_path):
    (tmp_path / "file").write_text("")
    found = opened(contest, bare(), cache=tmp_path / "file" / "cache")
    assert not isinstance(found.x, np.memmap)
    assert found.fingerprint == opened(contest, bare()).fingerprint
    assert any("kept in memory" in note for note in found.notes)


def test_a_bare_set_leaves_out_who_was_named(bare, opened):
    whole, rest = opened(bare()), opened(bare(), leave_out=["S1", "S7"])
    assert whole.bare and rest.bare
    keep = whole.subject == "S9"
    np.testing.assert_array_equal(rest.x, whole.x[keep])
    assert set(rest.subject) == {"S9"} and rest.fingerprint != whole.fingerprint
    assert "1 subjects left out, with 5 windows: S1" in rest.notes
    assert isinstance(rest.x, np.memmap)


def test_who_is_left_out_may_carry_a_set(contest, bare, opened):
    assert set(opened(bare(), leave_out=["bare/S1"]).subject) == {"S9"}
    found = opened(contest, bare(), leave_out=["contest/S9", "bare/S1"])  # the other S9 stays
    assert set(found.subject[np.char.startswith(found.subject, "bare/")]) == {"bare/S9"}


def test_a_set_with_splits_of_its_own_leaves_nobody_out(contest, bare, opened):
    found = opened(contest, bare(), leave_out=["S1", "S2"])
    assert set(found.subject) == {"contest/S1", "contest/S11", "contest/S2", "bare/S9"}
    assert opened(contest, leave_out=["S1"]).fingerprint == opened(contest).fingerprint


def test_nobody_left_is_an_error(bare, opened):
    with pytest.raises(
        DataError, match=r"\(test, 2 subjects left out\) holds no class of the classes other, AF"
    ):
        opened(bare(), split="test", leave_out=["S1", "S9"])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("418", "418", True),
        ("418", "vfdb/418", True),
        ("vfdb/418", "vfdb/418", True),
        ("vfdb/418", "mitdb/418", False),
        ("18", "vfdb/418", False),
        ("a/1", "set/a/1", True),
        ("S1", "S11", False),
    ],
)
def test_names_with_and_without_a_set(first, second, same):
    assert same_subject(first, second) is same_subject(second, first) is same
    assert matching(np.array([first, "other", first]), [second]).tolist() == [same, False, same]


def test_nobody_matches_nothing():
    assert matching([], ["a"]).tolist() == [] and matching(["a"], []).tolist() == [False]
