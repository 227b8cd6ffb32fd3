"""Archives and folders, through atml.data.open and alone."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

import atml.data
from atml.data.file_tree import find
from atml.errors import DataError

TARS = {".tar": "w", ".tar.gz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


@pytest.fixture
def opened(task, label, tmp_path):
    def call(path, split="train", **options):
        return atml.data.open(path, task=task, label=label, split=split, cache=tmp_path / "cache", **options)

    return call


def packed(contest, ending, top="set", order=sorted):
    """Pack a folder; order is that of members in a tar."""
    path = contest.parent / f"packed{ending}"
    files = order(path for path in contest.rglob("*") if path.is_file())
    if ending == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(
                    file, f"{top}/{file.relative_to(contest)}" if top else file.relative_to(contest)
                )
    else:
        with tarfile.open(path, TARS[ending]) as archive:
            for file in files:
                archive.add(file, f"{top}/{file.relative_to(contest)}")
    return path


@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_an_archive_is_the_same_data_as_the_folder(contest, opened, ending):
    archive = packed(contest, ending)
    for split in ("train", "test"):
        found = opened(archive, split)
        assert found.fingerprint == opened(contest, split).fingerprint
        assert found.name == "packed"


def test_the_order_in_a_tar_does_not_matter(contest, opened):
    archive = packed(
        contest, ".tar", top=".", order=lambda files: sorted(files, key=lambda path: path.name[::-1])
    )
    found, folder = opened(archive), opened(contest)
    np.testing.assert_array_equal(found.x, folder.x)
    assert found.fingerprint == folder.fingerprint


def test_a_zip_with_the_split_folders_at_the_top(contest, opened):
    assert opened(packed(contest, ".zip", top="")).fingerprint == opened(contest).fingerprint


# A plain tar ends in padding, and is whole without some of it.
@pytest.mark.parametrize(
    ("ending", "share"),
    [
        (ending, share)
        for ending in [".zip", *TARS]
        for share in (0.0, 0.5, 0.98)
        if (ending, share) != (".tar", 0.98)
    ],
)
def test_a_truncated_archive_is_one_line(contest, opened, ending, share):
    archive = packed(contest, ending)
    raw = archive.read_bytes()
    archive.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(DataError, match=r"packed\.") as caught:
        opened(archive)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_a_file_that_only_claims_to_be_an_archive_is_one_line(tmp_path, opened, ending):
    path = tmp_path / f"odd{ending}"
    path.write_text("hello " * 1000)
    with pytest.raises(DataError, match=r"can't read .*odd\..*; is it complete\?"):
        opened(path)


def test_a_damaged_member_of_a_zip_is_named(contest, opened):
    archive = packed(contest, ".zip")
    with zipfile.ZipFile(archive) as held:
        info = held.getinfo("set/train_data/S11-N-2.txt")
    raw = bytearray(archive.read_bytes())
    at = info.header_offset + 30 + len(info.filename) + 20
    raw[at : at + 8] = b"\0" * 8
    archive.write_bytes(raw)
    with pytest.raises(DataError, match=r"set/train_data/S11-N-2\.txt: "):
        opened(archive)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.zip", "a\nb"])
def test_a_missing_path_is_named(tmp_path, opened, name):
    with pytest.raises(DataError, match="no such file or folder"):
        opened(tmp_path / name)


def test_what_is_neither_folder_nor_archive_is_named(tmp_path, opened):
    path = tmp_path / "data.rar"
    path.write_text("Rar!")
    with pytest.raises(DataError, match=r"data\.rar: not a folder, \.zip, \.tar"):
        opened(path)


def test_an_empty_folder_is_named(tmp_path, opened):
    (tmp_path / "empty" / "train_data").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no segment files \(SUBJECT-LABEL-INDEX.txt\) in .*empty"):
        opened(tmp_path / "empty")


def test_a_folder_that_holds_the_archive_says_so(contest, opened, tmp_path):
    (tmp_path / "outer").mkdir()
    shutil.move(packed(contest, ".zip"), tmp_path / "outer")
    with pytest.raises(DataError, match=r"no segment files .* it holds packed\.zip: give that"):
        opened(tmp_path / "outer")


def test_a_file_name_need_not_be_text(contest, opened):
    odd = os.fsencode(contest / "train_data") + b"/S\xff-N-1.txt"
    with open(odd, "wb") as file:  # noqa: PTH123 - a Path can't hold it
        file.write((contest / "train_data" / "S1-N-0.txt").read_bytes())
    found = opened(contest)
    assert len(found) == 25 and len(np.unique(found.subject)) == 4
    assert opened(contest).fingerprint == found.fingerprint


@pytest.mark.parametrize("ending", [".zip", *TARS])
def test_indices_are_found_in_an_archive(contest, opened, ending):
    (contest / "data_indices").mkdir()
    for split in ("train", "test"):
        (contest / f"{split}_data").rename(contest / f"all_{split}")  # two folders of segments will do
        lines = [f"{int('AFIB' in path.name)},{path.name}" for path in (contest / f"all_{split}").iterdir()]
        (contest / "data_indices" / f"{split}_indice.csv").write_text("label,Filename\n" + "\n".join(lines))
    archive = packed(contest, ending)
    assert (len(opened(archive)), len(opened(archive, "test"))) == (24, 8)


@pytest.mark.parametrize("ending", TARS)
def test_a_tar_that_was_parsed_before_is_not_unpacked_again(contest, opened, ending, monkeypatch):
    archive = packed(contest, ending)
    first = opened(archive)

    def unpacked(*args):
        raise AssertionError("unpacked a second time")

    monkeypatch.setattr(tarfile, "open", unpacked)
    again = opened(archive)
    assert again.fingerprint == first.fingerprint and again.notes == first.notes


def test_a_path_may_be_a_string(contest, opened):
    assert len(opened(str(contest))) == 24


def test_a_link_that_leads_back_is_passed_over_and_no_file_is_too_deep(contest, opened):
    before = opened(contest)
    (contest / "train_data" / "again").symlink_to(contest, target_is_directory=True)
    assert len(opened(contest)) == len(before)
    deep = contest / "train_data" / "/".join("abcdefghijklm")
    deep.mkdir(parents=True)
    with pytest.raises(DataError, match=r"is more than 12 folders down"):
        opened(contest)


def test_a_folder_changes_its_identity_with_its_files(contest):
    before = find(contest).identity
    assert find(contest).identity == before
    victim = contest / "train_data" / "S1-N-0.txt"
    victim.write_text(victim.read_text())  # the same text at another time may be another text
    changed = find(contest).identity
    assert changed != before
    victim.unlink()
    assert find(contest).identity not in (before, changed)


def test_an_archive_changes_its_identity_with_its_bytes(contest):
    path = packed(contest, ".zip")
    before = find(path).identity
    (contest / "train_data" / "S1-N-0.txt").write_text("1.0\n")
    assert find(packed(contest, ".zip")).identity != before


def test_data_are_named_by_file_or_folder(contest, opened):
    assert opened(contest).name == "contest"
    assert opened(contest / "train_data").name == "contest"
    shutil.move(contest / "train_data", contest / "recordings")
    assert opened(contest / "recordings").name == "recordings"


def test_names_that_are_no_utf8_are_those_of_a_list_in_latin_1(contest, opened, tmp_path):
    """One person by two encodings is one; the set is called by what its bytes mean."""
    place = tmp_path / os.fsdecode(b"caf\xe9")
    contest.rename(place)
    for old, new in (("S1-N-0.txt", b"S\xe9-N-1.txt"), ("S1-AFIB-1.txt", "S\xe9-AFIB-2.txt".encode())):
        (place / "train_data" / old).rename(place / "train_data" / os.fsdecode(new))
    found = opened(place)
    assert found.name == "caf\xe9" and sorted(set(found.subject.tolist())) == ["S1", "S11", "S2", "S\xe9"]
    assert (found.subject == "S\xe9").sum() == 2
    (tmp_path / "people.csv").write_bytes("train_data/S\xe9-N-1,A\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"has no line for 'train_data/S1-AFIB-3'"):
        opened(place, subjects=tmp_path / "people.csv")
    one_group = opened(place, subjects=os.fsdecode(b".*/S(\xe9|.*)-.*"))
    assert "\xe9" in one_group.subject.tolist()


def tar_of(contest, ending, change):
    """Pack the set, each member changed by a function that returns those to write in its place."""
    path = contest.parent / f"changed{ending}"
    with tarfile.open(path, f"w:{ending.rpartition('.')[2]}") as archive:
        for file in sorted(contest.rglob("*.txt")):
            name, text = file.relative_to(contest).as_posix(), file.read_bytes()
            for member, body in change(archive, name, text):
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
    return path


def linked(kind):
    """Let the first file be a link to one that lies elsewhere in the archive."""

    def change(archive, name, text):
        if name != "test_data/S3-AFIB-1.txt":
            return [(tarfile.TarInfo(name), text)]
        link = tarfile.TarInfo(name)
        link.type, link.linkname = kind, "store/a" if kind == tarfile.LNKTYPE else "../store/a"
        return [(tarfile.TarInfo("store/a"), text), (link, b"")]

    return change


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE])
def test_a_link_in_a_tar_is_the_file_that_it_leads_to(contest, opened, kind):
    path = tar_of(contest, ".tar.gz", linked(kind))
    assert opened(path, split="test").fingerprint == opened(contest, split="test").fingerprint


def test_a_link_out_of_a_tar_is_named(contest, opened):
    def change(archive, name, text):
        member = tarfile.TarInfo(name)
        if name.endswith("S3-AFIB-1.txt"):
            member.type, member.linkname, text = tarfile.SYMTYPE, "/etc/hostname", b""
        return [(member, text)]

    with pytest.raises(DataError, match=r"S3-AFIB-1\.txt: is a link that leads nowhere"):
        opened(tar_of(contest, ".tar.xz", change), split="test")


@pytest.mark.parametrize(
    ("again", "says"),
    [
        ("test_data/S3-AFIB-1.txt", r"holds test_data/S3-AFIB-1\.txt twice: unpack it"),
        ("./test_data/./S3-AFIB-1.txt", r"holds test_data/S3-AFIB-1\.txt twice: unpack it"),
        ("test_data\\S3-AFIB-1.txt", r"holds test_data/S3-AFIB-1\.txt twice: unpack it"),
        ("../test_data/S3-AFIB-1.txt", r"holds \.\./test_data/S3-AFIB-1\.txt, a place outside of it"),
        ("train_data/../test_data/S3-AFIB-1.txt", r"a place outside of it: pack the folder itself"),
    ],
)
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_a_file_that_is_twice_in_an_archive_or_outside_of_it_is_refused(contest, opened, ending, again, says):
    """Which one counts differs from one program to the next."""
    if ending == ".zip":
        path = packed(contest, ".zip", top="")
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")  # of a name that is there twice
            archive.writestr(again, "0.5\n")
    else:
        twice = {"test_data/S3-AFIB-1.txt": [tarfile.TarInfo(again)]}
        path = tar_of(
            contest,
            ending,
            lambda _, name, text: [(one, text) for one in [tarfile.TarInfo(name), *twice.get(name, [])]],
        )
    with pytest.raises(DataError, match=says):
        opened(path)
