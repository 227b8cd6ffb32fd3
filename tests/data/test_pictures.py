"""Sets of pictures: opened at the task's size, with several labels at once, or refused in one line."""

from __future__ import annotations

import csv
import json
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import atml.data
from atml.data import pictures, resuming
from atml.data.formats import picture_set
from atml.data.formats.made_pages import kind_of_page
from atml.data.inspection import inspect
from atml.data.synthetic import drawn_pages
from atml.errors import DataError
from atml.tasks.task import Task

pytest.importorskip("PIL", reason="Pillow is not installed here; pip install 'atml[images]'")

from PIL import Image

SIZE = (48, 64)
NAMES = ("AF", "PVC", "RBBB")
TASK = Task(name="three", kind="multilabel", classes=NAMES, picture=SIZE, leads=3)
HAS = {"h0": "AF", "h1": "PVC", "h2": "AF+RBBB", "h3": "none"}
"""Labels of each subject, who has two pages each."""


def label(names: str) -> int | None:
    bits = 0
    for name in filter(None, names.split("+")):
        if name not in NAMES:
            return None
        bits |= 1 << NAMES.index(name)
    return bits


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A page of ruled paper with a trace that no other seed has, ``(rows, columns, 3)``."""
    rows, columns = size
    rgb = np.full((rows, columns, 3), (255, 240, 240), np.uint8)
    rgb[::8], rgb[:, ::8] = (240, 150, 150), (240, 150, 150)
    y = np.clip(rows / 2 + np.cumsum(np.random.default_rng(seed).normal(0, 2, columns)), 1, rows - 2)
    rgb[y.astype(int), np.arange(columns)] = 10
    return rgb


def flags(names: str) -> dict[str, str]:
    return {name: str(int(name in names.split("+"))) for name in NAMES}


def write_table(file: Path, lines: list[dict[str, Any]]) -> None:
    with file.open("w", newline="") as out:
        table = csv.DictWriter(out, list(lines[0]))
        table.writeheader()
        table.writerows(lines)


def made(folder: Path, *, table: bool = True, size: tuple[int, int] = SIZE) -> Path:
    """Pages as `atml data make pages` writes them, without masks and signals."""
    lines = []
    for subject, has in HAS.items():
        for version, kind in enumerate(("clean", "photo")):
            name = f"{subject}_v{version:02d}_3x4+1_{kind}"
            (folder / name).mkdir(parents=True)
            page = Image.fromarray(picture(len(lines), size))
            page.save(folder / name / f"{name}_dirty.png")
            known = {one: int(value) for one, value in flags(has).items()}
            about = {"subject": subject, "labels": known}
            (folder / name / f"{name}_metadata.json").write_text(json.dumps(about))
            lines.append({"folder": name, "subject": subject, "kind": kind, "speed_mm_s": "25", **flags(has)})
    if table:
        write_table(folder / "labels.csv", lines)
    return folder


def plain(folder: Path, **more: str) -> Path:
    """Pictures in a folder, and a table of them."""
    folder.mkdir(parents=True)
    lines = []
    for subject, has in HAS.items():
        for number in range(2):
            name = f"{subject}-{number}.png"
            Image.fromarray(picture(len(lines))).save(folder / name)
            lines.append({"file": name, "patient": subject, **flags(has), **more})
    write_table(folder / "pages.csv", lines)
    return folder


def headers(folder: Path, line: str = "Dx") -> Path:
    """WFDB headers that name pictures."""
    codes = {"AF": "164889003", "PVC": "427172004", "RBBB": "59118001", "none": "426783006"}
    for number, (subject, has) in enumerate(HAS.items()):
        (folder / "00000").mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(folder / "00000" / f"{subject}-0.png")
        said = ",".join(codes[one] for one in has.split("+")) if line == "Dx" else has.replace("+", ", ")
        (folder / "00000" / f"{subject}.hea").write_text(
            f"{subject} 12 500 5000\n# Image: {subject}-0.png\n# {line}: {said}\n"
        )
    return folder


def opened(path: Any, task: Task = TASK, **how: Any) -> atml.data.Dataset:
    return atml.data.open(path, task=task, label=label, **how)


def refused(path: Any, task: Task = TASK, **how: Any) -> str:
    with pytest.raises(DataError) as error:
        opened(path, task, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CACHE", str(tmp_path / "cache"))


def test_made_pages_open_with_their_labels_as_bits(tmp_path: Path) -> None:
    found = opened(made(tmp_path / "PAGES"))
    assert found.x.shape == (8, 3, *SIZE) and found.x.dtype == np.uint8 and found.labels == 3
    assert found.y.tolist() == [1, 1, 2, 2, 5, 5, 0, 0]
    assert found.rhythm.tolist()[::2] == ["AF", "PVC", "AF+RBBB", "none"]
    assert found.subject.tolist()[::2] == ["h0", "h1", "h2", "h3"]
    assert found.record is not None and found.record[1] == "h0_v01_3x4+1_photo"
    assert [kind_of_page(name) for name in found.record[:2]] == ["clean", "photo"]
    np.testing.assert_array_equal(found.x[3], picture(3).transpose(2, 0, 1))
    assert found.bare and "kinds of picture: clean 4, photo 4" in found.notes


def test_a_cached_copy_is_the_same_and_mapped(tmp_path: Path) -> None:
    folder = made(tmp_path / "PAGES")
    first, again = opened(folder), opened(folder)
    assert isinstance(again.x, np.memmap) and first.fingerprint == again.fingerprint
    np.testing.assert_array_equal(first.x, again.x)
    other = opened(folder, Task(**{**vars(TASK), "picture": (24, 32)}))
    assert other.x.shape == (8, 3, 24, 32) and other.fingerprint != first.fingerprint


def test_the_file_of_metadata_serves_where_there_is_no_table(tmp_path: Path) -> None:
    found = opened(made(tmp_path / "PAGES", table=False))
    assert found.y.tolist() == [1, 1, 2, 2, 5, 5, 0, 0] and "no labels.csv" in " ".join(found.notes)
    for file in (tmp_path / "PAGES").rglob("*_metadata.json"):
        file.write_text('{"fs": 500}')
    assert "without labels" in refused(tmp_path / "PAGES") and "--labels" in refused(tmp_path / "PAGES")
    (tmp_path / "PAGES" / "h0_v00_3x4+1_clean" / "h0_v00_3x4+1_clean_metadata.json").write_text("{")
    assert "_metadata.json is damaged" in refused(tmp_path / "PAGES")


def test_a_plain_folder_has_a_column_a_label_or_one_of_names(tmp_path: Path) -> None:
    first = opened(plain(tmp_path / "columns"))
    assert first.y.tolist() == [1, 1, 2, 2, 5, 5, 0, 0] and first.subject.tolist()[::2] == list(HAS)
    assert any("columns AF, PVC and RBBB" in note for note in first.notes)
    folder = plain(tmp_path / "names")
    lines = [f"{one}-{n};{has.replace('+', '|')}" for one, has in HAS.items() for n in (0, 1)]
    (folder / "pages.csv").write_text("\n".join(["image;labels", *lines]))
    second = opened(folder)
    assert second.y.tolist() == first.y.tolist() and second.rhythm.tolist() == first.rhythm.tolist()
    assert len(set(second.subject.tolist())) == 8
    assert any("each page is taken for one subject" in note for note in second.notes)
    third = opened(folder, subjects=r"(h\d)-\d")
    assert third.subject.tolist() == first.subject.tolist()


def test_a_table_elsewhere_and_pages_of_a_folder_each(tmp_path: Path) -> None:
    folder = made(tmp_path / "PAGES", table=False)
    lines = [{"folder": one.name, "labels": HAS[one.name[:2]]} for one in sorted(folder.iterdir())]
    write_table(tmp_path / "mine.csv", lines)
    assert opened(folder, labels=tmp_path / "mine.csv").y.tolist() == [1, 1, 2, 2, 5, 5, 0, 0]
    assert "no such file: --labels" in refused(folder, labels=tmp_path / "none.csv")


def test_a_table_may_tell_train_from_test(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    with (folder / "pages.csv").open() as file:
        lines = [
            {**line, "split": ("train", "test")[number % 2]}
            for number, line in enumerate(csv.DictReader(file))
        ]
    write_table(folder / "pages.csv", lines)
    found = opened(folder, split="test")
    assert found.record is not None and not found.bare
    assert found.record.tolist() == ["h0-1.png", "h1-1.png", "h2-1.png", "h3-1.png"]
    assert any("4 subjects are in train and in test" in note for note in found.notes)


@pytest.mark.parametrize("line", ["Dx", "Labels"])
def test_headers_name_pictures_and_what_they_show(tmp_path: Path, line: str) -> None:
    task = Task(name="two", kind="multilabel", classes=("AF", "PVC"), picture=SIZE, leads=3)
    known = {"AF": 1, "PVC": 2, "AF+PVC": 3}
    found = atml.data.open(headers(tmp_path / "set", line), task=task, label=known.get)
    assert found.y.tolist() == [1, 2, 1, 0] and found.rhythm.tolist() == ["AF", "PVC", "AF", "none"]
    assert found.subject.tolist() == [f"00000/{one}" for one in HAS]
    assert found.record is not None and found.record[0] == "00000/h0-0.png"
    (tmp_path / "set" / "00000" / "h1-0.png").unlink()
    assert "00000/h1-0.png: is not there, but 00000/h1.hea names it" in refused(tmp_path / "set")


def test_what_a_challenge_does_not_label_leaves_pages_out(tmp_path: Path) -> None:
    said = refused(headers(tmp_path / "set", "Labels"))
    assert "'AF+RBBB'" not in said and "RBBB?" in said


def test_sets_go_together_and_people_may_be_left_out(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), plain(tmp_path / "other")
    found = opened([one, other], leave_out=("one/h0",))
    assert found.x.dtype == np.uint8 and len(found) == 14 and found.name == "one+other"
    assert found.subject[0] == "one/h1" and found.subject[-1] == "other/h3"
    assert any("1 subjects left out, with 2 pages: one/h0" in note for note in found.notes)
    assert any("pages are the same in two sets" in note for note in found.notes)
    assert atml.data.places([one, other], task=TASK, label=label)[0] == "one/h0_v00_3x4+1_clean"


def test_pictures_of_another_shape_keep_it(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    Image.fromarray(picture(0, (200, 64))).save(folder / "h0-0.png")
    found = opened(folder)
    page = found.x[0]
    np.testing.assert_array_equal(page[:, :, 0], page[:, :, -1])  # the border's colour, left and right
    assert (page[:, :, 32].min(axis=1) < 200).any()
    assert any("higher than wide" in note and "h0-0.png" in note for note in found.notes)


def test_blank_pages_are_left_out_up_to_a_tenth(tmp_path: Path) -> None:
    folder = made(tmp_path / "PAGES")
    lines = (folder / "labels.csv").read_text().splitlines()
    for number in range(12):
        name = f"h9_v{number:02d}_3x4_clean"
        (folder / name).mkdir()
        Image.fromarray(picture(100 + number)).save(folder / name / f"{name}_dirty.png")
        lines.append(f"{name},h9,clean,25,1,0,0")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    empty = Image.new("RGB", SIZE[::-1], (250, 249, 248))
    empty.save(folder / "h9_v00_3x4_clean" / "h9_v00_3x4_clean_dirty.png")
    found = opened(folder)
    assert len(found) == 19 and any("1 of 20 pages left out, blank: h9_v00" in note for note in found.notes)
    for number in (1, 2):
        empty.save(folder / f"h9_v{number:02d}_3x4_clean" / f"h9_v{number:02d}_3x4_clean_dirty.png")
    assert "3 of 20 pages" in refused(folder) and "are blank" in refused(folder)


def test_one_picture_in_two_subjects_is_noted(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    shutil.copy(folder / "h0-0.png", folder / "h2-1.png")
    same = "1 pages are the same in two subjects, for example h0-0.png and h2-1.png"
    assert same in opened(folder).notes
    faults = inspect(folder, task=TASK, label=label).faults
    assert [(fault.kind, fault.file, fault.detail) for fault in faults] == [
        ("duplicate", "h2-1.png", "the same picture as h0-0.png")
    ]


def test_a_label_that_nobody_knows_leaves_its_pages_out(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    text = (folder / "pages.csv").read_text()
    (folder / "pages.csv").write_text(text.replace("h0-1.png,h0,1,0,0", "h0-1.png,h0,1,,0"))
    found = opened(folder)
    assert len(found) == 7 and any(
        "labels unknown to the task: 'AF+PVC?' (1)" in note for note in found.notes
    )
    (folder / "pages.csv").write_text(re.sub(r",[01]\r?$", ",", text, flags=re.MULTILINE))
    assert "says nothing of RBBB, which task 'three' asks about, only of AF, PVC" in refused(folder)


def test_labels_that_the_task_does_not_ask_about_are_told(tmp_path: Path) -> None:
    task = Task(name="one", kind="multilabel", classes=("AF",), picture=SIZE, leads=3)
    found = atml.data.open(plain(tmp_path / "set"), task=task, label={"AF": 1}.get)
    assert found.y.tolist() == [1, 1, 0, 0, 1, 1, 0, 0]
    assert any("are passed over: 'PVC' (2), 'RBBB' (2)" in note for note in found.notes)


def test_a_task_of_one_class_a_picture_takes_them_too(tmp_path: Path) -> None:
    task = Task(name="af", classes=("other", "AF"), positive=1, picture=SIZE, leads=3)
    folder = plain(tmp_path / "set")
    lines = [f"{one}-{n}.png,{'AF' if 'AF' in has else 'normal'}" for one, has in HAS.items() for n in (0, 1)]
    (folder / "pages.csv").write_text("\n".join(["file,label", *lines]))
    found = atml.data.open(folder, task=task, label={"AF": 1, "normal": 0}.get)
    assert found.y.tolist() == [1, 1, 0, 0, 1, 1, 0, 0] and found.labels == 0


def test_kinds_of_set_are_told_apart(tmp_path: Path) -> None:
    signals = Task(name="af", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
    for folder in (made(tmp_path / "PAGES"), plain(tmp_path / "set")):
        with pytest.raises(DataError, match="holds pictures of pages, and task 'af' is about signals"):
            atml.data.open(folder, task=signals, label=label)
    np.savez(
        tmp_path / "x.npz", x=np.zeros((2, 100), np.float32), y=np.array([0, 1]), subject=np.array(["a", "b"])
    )
    assert "x.npz holds signals, and task 'three' is about pictures" in refused(tmp_path / "x.npz")
    assert "no such file or folder" in refused(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert "holds no picture (.png," in refused(tmp_path / "empty")
    assert "is no folder" in refused(tmp_path / "set" / "h0-0.png")
    assert "--lead II is about signals" in refused(tmp_path / "set", leads=("II",))
    assert "--sampling-rate 250 is about signals" in refused(tmp_path / "set", sampling_rate=250)


def test_bad_pictures_are_refused_in_one_line(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    page = folder / "h1-0.png"
    whole = page.read_bytes()
    bad = {
        whole[: len(whole) // 2]: "is damaged or cut short",
        b"no picture at all": "is no picture that can be read",
        b"": "is empty",
        _huge(): "100 million are the most",
    }
    for content, why in bad.items():
        page.write_bytes(content)
        said = refused(folder)
        assert said.startswith(f"{page}: ") and why in said and "atml data inspect" in said, said
    found = inspect(folder, task=TASK, label=label)
    assert [fault.kind for fault in found.faults] == ["picture"] and found.splits[0].total.usable == 7


def _huge() -> bytes:
    """The head of a PNG of 20,000 x 10,000 pixels, 200 million, and none of its content."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20000, 10000, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = (head, data, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def test_pictures_of_other_depths_and_ways_up_are_pages_as_well(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    rgb = picture(5)
    grey = np.asarray(Image.fromarray(rgb).convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "h0-0.png")
    Image.fromarray(rgb).convert("CMYK").save(folder / "h0-1.jpg", quality=95)
    turned = Image.fromarray(rgb).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(folder / "h1-0.png", exif=exif)
    text = (folder / "pages.csv").read_text().replace("h0-1.png", "h0-1.jpg")
    (folder / "pages.csv").write_text(text)
    found = opened(folder)
    assert len(found) == 8 and not any("higher than wide" in note for note in found.notes)
    np.testing.assert_array_equal(found.x[0], np.stack([grey] * 3))
    assert np.abs(found.x[1].astype(int) - rgb.transpose(2, 0, 1)).mean() < 12
    np.testing.assert_array_equal(found.x[2], rgb.transpose(2, 0, 1))


def test_a_file_of_several_pages_gives_each(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    pages = [Image.fromarray(picture(seed)) for seed in (50, 51, 52)]
    pages[0].save(folder / "h0-0.tiff", save_all=True, append_images=pages[1:])
    text = (folder / "pages.csv").read_text().replace("h0-0.png", "h0-0.tiff")
    (folder / "pages.csv").write_text(text)
    found = opened(folder)
    assert len(found) == 10 and found.y.tolist()[:4] == [1, 1, 1, 1]
    assert any("8 files hold 10 pages" in note for note in found.notes)
    pytest.importorskip("pypdfium2", reason="pypdfium2 is not installed here; pip install 'atml[pdf]'")
    pages[0].save(folder / "h0-0.pdf", save_all=True, append_images=pages[1:])
    (folder / "pages.csv").write_text(text.replace("h0-0.tiff", "h0-0.pdf"))
    assert len(opened(folder)) == 10


def test_labels_without_pictures_and_pictures_without_labels(tmp_path: Path) -> None:
    folder = plain(tmp_path / "set")
    (folder / "h2-0.png").rename(tmp_path / "away.png")
    said = refused(folder)
    assert "h2-0.png: is not there, but line 6 of pages.csv names it" in said and "put it back" in said
    (tmp_path / "away.png").rename(folder / "h2-0.png")
    Image.fromarray(picture(99)).save(folder / "more.png")
    assert any("1 picture not in pages.csv and left out: more.png" in note for note in opened(folder).notes)
    (folder / "pages.csv").unlink()
    assert "holds 9 pictures and no table that names them" in refused(folder)
    write_table(folder / "pages.csv", [{"file": "h0-0.png", "age": 47}])
    assert "has no labels" in refused(folder)
    write_table(folder / "pages.csv", [{"file": "h0-0.png", **flags("AF")}] * 2)
    assert "lines 2 and 3 both name h0-0.png" in refused(folder)
    made_set = made(tmp_path / "PAGES")
    shutil.rmtree(made_set / "h1_v00_3x4+1_clean")
    assert "h1_v00_3x4+1_clean: has no h1_v00_3x4+1_clean_dirty.png" in refused(made_set)


def test_inspection_counts_labels_kinds_and_sizes(tmp_path: Path) -> None:
    split = inspect(made(tmp_path / "PAGES"), task=TASK, label=label).splits[0]
    assert split.total.windows == split.total.classes == {"AF": 4, "PVC": 2, "RBBB": 2, "none": 2}
    assert split.total.kinds == {"clean": 4, "photo": 4} and split.total.sizes == {"48x64": 8}
    assert split.total.lengths == {} and [part.name for part in split.subjects] == list(HAS)
    assert split.notes == opened(tmp_path / "PAGES").notes


def test_an_interrupted_reading_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_set, "TOGETHER", 2)
    monkeypatch.setattr(resuming, "EVERY", 0.0)
    folder, whole, calls = made(tmp_path / "PAGES"), pictures.make, []

    def make(files: Any, size: tuple[int, int]) -> Any:
        calls.append(len(files))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(files, size)

    monkeypatch.setattr(pictures, "make", make)
    with pytest.raises(KeyboardInterrupt):
        opened(folder)
    found = opened(folder)
    assert calls == [2, 2, 2, 2, 2]  # two that were whole are not read again
    np.testing.assert_array_equal(found.x, [picture(seed).transpose(2, 0, 1) for seed in range(8)])
    assert found.x.dtype == np.uint8


def test_pages_are_drawn_where_no_data_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_pages, "HEARTS", {"train": range(12), "test": range(60, 72)})
    monkeypatch.setattr(drawn_pages, "PAGES", 1)
    train, test = opened(None), opened(None, split="test")
    assert train.x.shape == (12, 3, *SIZE) and train.x.dtype == np.uint8 and train.synthetic
    assert not set(train.subject.tolist()) & set(test.subject.tolist())
    assert all(name in " ".join(train.rhythm.tolist()) for name in NAMES)
    assert opened(None).fingerprint == train.fingerprint != opened(None, seed=1).fingerprint
    other = Task(name="o", kind="multilabel", classes=("AF", "mine"), picture=SIZE, leads=3)
    with pytest.raises(DataError, match=r"no synthetic pages for task 'o'.* as 'mine'; give --data"):
        atml.data.open(None, task=other, label={"AF": 1, "mine": 2}.get)


@pytest.mark.parametrize("seed", range(5))
def test_damaged_tables_and_headers_are_read_or_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    junk = [b",", b"\n", b'"', b"\x00", b"\xff", b"+", b"?", b"[", b"{", b"\r", b";"]
    for number, write in enumerate((made, plain, headers) * 3):
        folder = write(tmp_path / f"set{number}")
        files = [file for file in folder.rglob("*") if file.suffix in (".csv", ".hea")]
        file = files[int(random.integers(len(files)))]
        content = bytearray(file.read_bytes())
        at = int(random.integers(len(content)))
        content[at : at + int(random.integers(12))] = junk[int(random.integers(len(junk)))]
        file.write_bytes(bytes(content))
        try:
            assert len(opened(folder)) <= 8
        except DataError as error:
            assert "\n" not in str(error)


def test_a_grid_is_looked_for(tmp_path: Path) -> None:
    """Of a photograph of a cat nothing else is known: pages are looked at, a few of them, and named."""
    gradient = np.tile(np.linspace(0, 255, 300, dtype=np.uint8)[None, :, None], (200, 1, 3))
    for name, rgb in (("page", picture(1, (224, 320))), ("cat", gradient)):
        Image.fromarray(rgb).save(tmp_path / f"{name}.png")
    lines = [{"file": "page.png", **flags("AF+PVC+RBBB")}, {"file": "cat.png", **flags("none")}]
    write_table(tmp_path / "t.csv", lines)
    notes = atml.data.open(tmp_path, task=TASK, label=label, cache=tmp_path / "cache", split="train").notes
    told = [note for note in notes if "grid" in note]
    assert told == ["no grid was found on 1 of 2 pages looked at, which may be no ECG on paper: cat.png"]
    assert picture_set.has_grid(picture(1))  # too small to see one
