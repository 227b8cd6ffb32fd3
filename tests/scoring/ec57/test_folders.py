"""Folders of annotations compared by the command line: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.data.formats.annotation_writing import to_bytes
from atml.data.formats.annotations import Marks
from tests.scoring.ec57.oracle import FOLDER, SETS, printed
from tests.terminal import run

REPORTS = ("lines_beats", "lines_shutdown", "sumstats_beats", "sumstats_shutdown", "matrices")


def marks(times, rate, symbols=None):
    at = np.round(np.array(times) * rate).astype(np.int64)
    return Marks(at, symbols or "N" * len(at), np.zeros(len(at), np.int64), [""] * len(at))


TIMES = np.arange(1.0, 600.0, 0.8)


def record(folder, name="r1", rate=250, *, test=TIMES, test_rate=None, stated=None, symbols=None, length=600):
    """Write a record of 10 minutes with a beat every 0.8 s, and the beats that a program found."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.hea").write_text(f"{name} 1 {rate} {round(rate * length)}\n{name}.dat 16 200\n")
    (folder / f"{name}.atr").write_bytes(to_bytes(marks(TIMES, rate, symbols)))
    (folder / f"{name}.tst").write_bytes(to_bytes(marks(test, test_rate or rate), rate=stated))
    return folder


def refused(where, *words):
    done = run(where, "ec57", *words)
    assert done.returncode == 2 and not done.stdout, done.stdout
    assert done.stderr.startswith("atml: ") and done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("of", SETS)
def test_files_are_those_of_the_comparator(tmp_path, of):
    done = run(tmp_path, "ec57", FOLDER / of, "--reference", "atr", "--test", "tst", "--out", "made/here")
    assert done.returncode == 0, done.stderr
    for name in REPORTS:
        assert (tmp_path / "made" / "here" / f"{name}.txt").read_text() == printed(of, name)
    others = {path.stem for path in (tmp_path / "made" / "here").iterdir()} - set(REPORTS)
    assert others == {"lines_beats_escapes_as_n", "sumstats_beats_escapes_as_n"}
    for name in ("sumstats_beats", "sumstats_shutdown"):
        assert printed(of, name) in done.stdout + "\n"
    assert "non-standard" not in done.stdout


def test_every_record_has_its_matrix_and_the_figures_their_intervals(tmp_path):
    shown = run(tmp_path, "ec57", FOLDER / "mitdb", "--test", "tst").stdout
    assert shown.count("Beat-by-beat comparison results for record") == 22
    assert " V |   36   23  727   21   17   38    0\n" not in shown.split("record 209")[1]
    whole = shown.split("All 22 records, gross")[1]
    assert " S |   35  811    8    9   15   46    0\n" in whole.split("Beats, the standard's")[0]
    assert "SVEB positive predictivity:  43.30% (811/1873)" in whole
    row = next(line for line in whole.splitlines() if line.startswith("VEB sensitivity"))
    assert row.split()[2] == "88.86" and "to" in row and row.split()[6] == "91.30"
    assert "95% intervals over 22 people" in whole
    assert "e, j) as N: not the standard's" in shown and "Total SVEBs: 894" in shown


def test_json_has_it_all(tmp_path):
    done = run(tmp_path, "ec57", FOLDER / "edge_360", "--test", "tst", "--json")
    found = json.loads(done.stdout)
    assert found["standard"] and found["rows"] == list("NSVFQOX")
    assert found["official"]["records"]["same"]["matrix"][0][0] == 138
    assert found["official"]["records"]["empty_test"]["figures"]["RR err"] is None
    assert round(found["official"]["gross"]["Q Se"], 2) == 79.02
    ends = found["official"]["intervals"]["gross"]["Q Se"]
    assert ends["low"] < found["official"]["gross"]["Q Se"] < ends["high"]
    assert found["official"]["matrix"] != found["escapes_as_n"]["matrix"] and "against" not in found


def test_the_library_has_the_same(tmp_path):
    found = atml.compare_beats(FOLDER / "mitdb", test="tst", against=FOLDER / "gqrs" / "lines_beats.txt")
    assert (
        str(found) + "\n"
        == run(
            tmp_path,
            "ec57",
            FOLDER / "mitdb",
            "--test",
            "tst",
            "--against",
            FOLDER / "gqrs" / "lines_beats.txt",
        ).stdout
    )
    assert found.official.gross["V Se"] == pytest.approx(88.8612, abs=1e-4)
    assert found.official.average["RR err"] == pytest.approx(237.42, abs=0.005)


def test_what_is_not_standard_is_marked_wherever_it_is_shown(tmp_path):
    words = ["ec57", FOLDER / "edge_250", "--test", "tst", "--learning", "0", "--window", "100"]
    done = run(tmp_path, *words, "--out", "out", "--against", FOLDER / "edge_250" / "lines_beats.txt")
    mark = "non-standard: learning period 0 s, not 300 s, matching window 100 ms, not 150 ms"
    headings = [
        line for line in done.stdout.splitlines() if line.startswith(("Beat", "All ", "Shut", "Against"))
    ]
    headings = [line for line in headings if not line.startswith("Beats missed")]
    assert len(headings) == 18 + 1 + 4 + 1 + 1 and all(mark in line for line in headings)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(files) == 7 and all(name.endswith(".nonstandard.txt") for name in files)
    for name in ("sumstats_beats", "sumstats_shutdown", "matrices"):
        assert mark in (tmp_path / "out" / f"{name}.nonstandard.txt").read_text()
    # What other programs read has nothing in it that they don't know.
    lines = (tmp_path / "out" / "lines_beats.nonstandard.txt").read_text()
    assert lines.splitlines()[0] == printed("edge_250", "lines_beats").splitlines()[0]
    assert len(lines.splitlines()) == 19
    found = json.loads(run(tmp_path, *words, "--json").stdout)
    assert not found["standard"] and found["settings"] == {"learning_s": 0.0, "window_ms": 100.0}
    again = run(tmp_path, *words, "--against", "out/sumstats_beats.nonstandard.txt")
    assert "0 of 18 records that both have differ" in again.stdout


def test_differences_from_an_earlier_report(tmp_path):
    words = ("ec57", FOLDER / "mitdb", "--test", "tst", "--against")
    same = run(tmp_path, *words, FOLDER / "mitdb" / "sumstats_beats.txt").stdout
    assert "0 of 22 records that both have differ" in same
    other = run(tmp_path, *words, FOLDER / "gqrs" / "sumstats_beats.txt").stdout
    assert "VEB sensitivity            V Se 0.00 -> 88.86 (+88.86)" in other
    assert "22 of 22 records that both have differ:" in other
    (tmp_path / "team.txt").write_text(
        "Gross 99.16 99.26 79.70 93.70 88.19 75.99\nAverage 99.19 99.26 81.71 95.62 92.73 79.73\n"
    )
    team = run(tmp_path, *words, "team.txt", "--json")
    assert json.loads(team.stdout)["against"]["gross"]["V Se"] == {"before": 79.7, "now": 88.86}


def test_annotations_in_two_folders_and_at_two_rates(tmp_path):
    record(tmp_path / "a", rate=360)
    (tmp_path / "b").mkdir()
    shutil.move(tmp_path / "a" / "r1.tst", tmp_path / "b" / "r1.tst")
    words = ("ec57", "a", "--test", "tst", "--test-folder", "b", "--json")
    assert "a/r1.tst is not there; 1 record of 1 lack annotator 'tst': r1" in refused(
        tmp_path, "a", "--test", "tst"
    )

    def counts():
        done = run(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    first = counts()
    beats = first["official"]["matrix"][0][0]
    assert beats == sum(TIMES >= 300)
    # The file states its rate, or a header beside it does.
    (tmp_path / "b" / "r1.tst").write_bytes(to_bytes(marks(TIMES, 250), rate=250))
    second = counts()
    assert second["official"]["matrix"][0][0] == beats
    assert "r1.tst counts in 250 Hz, taken to 360 Hz" in second["notes"]
    record(tmp_path / "b", rate=250)
    assert counts()["official"]["matrix"][0][0] == beats
    (tmp_path / "b" / "r1.hea").unlink()
    assert counts()["official"]["matrix"][0][0] < beats


def test_paced_records_are_left_out_and_two_records_are_of_one_person(tmp_path):
    for name in ("102", "104", "201", "202", "203"):
        record(tmp_path / "db", name, 360)
    done = run(tmp_path, "ec57", "db", "--test", "tst", "--json")
    found = json.loads(done.stdout)
    assert list(found["official"]["records"]) == ["201", "202", "203"]
    assert "paced records left out, as EC57 has it: 102, 104" in found["notes"]
    assert "records 201 and 202 are of one person" in found["notes"]
    assert found["official"]["records"]["202"]["subject"] == "201"
    shown = run(tmp_path, "ec57", "db", "--test", "tst").stdout
    assert "note: paced records left out" in shown and "95% intervals over 2 people" in shown
    for name in ("201", "202", "203"):
        (tmp_path / "db" / f"{name}.hea").unlink()
    assert "paced records alone (102 and 104), which EC57 leaves out" in refused(
        tmp_path, "db", "--test", "tst"
    )
    # Of another rate they are other people's records.
    record(tmp_path / "mine", "102", 250)
    assert run(tmp_path, "ec57", "mine", "--test", "tst").returncode == 0


def test_paced_beats_elsewhere_are_said(tmp_path):
    record(tmp_path / "a", symbols="/" * len(TIMES))
    assert "note: paced beats in r1 count as Q" in run(tmp_path, "ec57", "a", "--test", "tst").stdout


def test_a_test_without_beats_is_compared(tmp_path):
    record(tmp_path / "a", test=[])
    assert (tmp_path / "a" / "r1.tst").read_bytes() == b"\0\0"
    shown = run(tmp_path, "ec57", "a", "--test", "tst").stdout
    assert "QRS sensitivity:   0.00% (0/" in shown and "QRS positive predictivity:      -  (0/0)" in shown
    assert "95% intervals over one person, who can't be resampled" in shown


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: shutil.rmtree(a), "a: no such folder; name one with WFDB records"),
        (lambda a: (shutil.rmtree(a), a.write_text("x")), "a: is no folder; name one"),
        (lambda a: [file.unlink() for file in a.iterdir()], "a holds no WFDB record"),
        (lambda a: (a / "r1.tst").unlink(), "a/r1.tst is not there; 1 record of 1 lack annotator 'tst': r1"),
        (lambda a: (a / "r1.atr").unlink(), "a/r1.atr is not there"),
        (lambda a: (a / "RECORDS").write_text("r1\nr2\n"), "a/r2.hea is not there, and RECORDS lists it"),
        (lambda a: (a / "RECORDS").write_text("\n"), "RECORDS lists no record"),
        (lambda a: (a / "r1.tst").write_bytes(b""), "a/r1.tst has 0 bytes: it was not written to its end"),
        (lambda a: (a / "r1.atr").write_bytes(b""), "a/r1.atr has 0 bytes"),
        (lambda a: (a / "r1.atr").write_bytes(b"\0\0"), "a/r1.atr has no beats; is 'atr' the annotator"),
        (lambda a: cut(a / "r1.tst", 40), "a/r1.tst can't be used: 40 bytes without the mark of the end"),
        (lambda a: (a / "r1.tst").write_bytes(BACKWARDS), "its times run backwards"),
        (lambda a: (a / "r1.hea").write_text("nonsense\n"), "a/r1.hea is no WFDB header"),
        (lambda a: (a / "r1.hea").write_text("r1 1 -5 100\n"), "a/r1.hea says '-5' Hz"),
        (lambda a: (a / "r1.hea").write_text("r1 1 250 many\n"), "a/r1.hea says 'many' samples"),
        (
            lambda a: record(a, length=200),
            "record r1: 200 s long, which ends within the learning period of 300 s",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path, change, said):
    change(record(tmp_path / "a"))
    assert said in refused(tmp_path, "a", "--test", "tst", "--out", "out")
    assert not (tmp_path / "out").exists()


BACKWARDS = np.array([1 << 10 | 100, 59 << 10, 0xFFFF, 0x10000 - 50, 1 << 10, 0], "<u2").tobytes()
"""A beat at sample 100 and one 50 samples before it."""


def cut(file, length):
    file.write_bytes(file.read_bytes()[:length])


def test_bad_values_are_one_line(tmp_path):
    record(tmp_path / "a")
    for words, said in (
        (("--test", "../x"), "annotator '../x' is no ending of a file's name"),
        (("--test", "tst", "--learning", "-1"), "must be 0 or more"),
        (("--test", "tst", "--learning", "soon"), "must be a number"),
        (("--test", "tst", "--window", "0"), "a matching window of 0 ms can't be"),
        (("--test", "tst", "--test-folder", "b"), "b: no such folder"),
        (("--test", "tst", "--against", "none.txt"), "none.txt can't be read: No such file or directory"),
        (("--test", "tst", "--against", "a/r1.hea"), "a/r1.hea is no report of beats by EC57"),
        (("--test", "tst", "--against", "a"), "a can't be read: Is a directory"),
        (("--test", "tst", "--out", "a/r1.hea"), "a/r1.hea can't be written"),
    ):
        assert said in refused(tmp_path, "a", *words), words
    no_test = run(tmp_path, "ec57", "a")
    assert no_test.returncode == 2 and "--test" in no_test.stderr


def test_nothing_half_written_is_left(tmp_path):
    record(tmp_path / "a")
    (tmp_path / "out" / ".matrices.txt.new").mkdir(parents=True)
    assert "out can't be written" in refused(tmp_path, "a", "--test", "tst", "--out", "out")
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_file()] == []


def test_a_header_without_a_rate_or_a_length(tmp_path):
    record(tmp_path / "a")
    (tmp_path / "a" / "r1.hea").write_text("r1 1\n")
    shown = run(tmp_path, "ec57", "a", "--test", "tst").stdout
    assert "note: r1.hea states no sampling rate: 250 Hz, as WFDB takes it" in shown
    (tmp_path / "a" / "r1.hea").write_text("# made\nr1/2 1 250/1000(5) \n")
    assert run(tmp_path, "ec57", "a", "--test", "tst").returncode == 0


def test_examples_in_docstrings(tmp_path, monkeypatch):
    import doctest

    from atml.library import beat_comparison

    (tmp_path / "ec57").symlink_to(FOLDER)
    monkeypatch.chdir(tmp_path)
    done = doctest.testmod(beat_comparison)
    assert done.attempted and not done.failed


def test_real_references_are_those_of_the_data(real_data):
    """The references beside the signals are those that the comparator was given."""
    found = 0
    for name in (FOLDER / "mitdb" / "RECORDS").read_text().split():
        for folder in ("mitdb", "mitdb_ds1_rest"):
            if (file := real_data / folder / f"{name}.atr").is_file():
                assert file.read_bytes() == (FOLDER / "mitdb" / f"{name}.atr").read_bytes()
                found += 1
    assert found == 22


DOCS = Path(atml.__file__).parents[1] / "docs" / "beats.md"
LINES = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("atml ec57")]


def test_commands_and_code_of_the_docs(tmp_path, monkeypatch):
    shutil.copytree(FOLDER / "mitdb", tmp_path / "BEATS")
    shutil.copytree(FOLDER / "gqrs", tmp_path / "FOUND")
    assert len(LINES) == 4
    for line in LINES:
        done = run(tmp_path, *line.split()[1:])
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    code = re.search(
        r"^```python\n(import atml\n\nfound = atml.compare_beats.*?)^```",
        DOCS.read_text("utf-8"),
        re.M | re.S,
    )
    exec(code[1], {})
