"""`atml annotate` on files of every kind and on standard input: the same signal, the same beats."""

from __future__ import annotations

import csv
import datetime
import functools
import io
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.annotating.lines import Lines
from atml.artifacts.export import onnx_bytes
from atml.errors import DataError
from atml.library.annotation import annotate_lines
from atml.models.config import ModelConfig
from atml.tasks.task import Task
from tests.annotating import made
from tests.annotating.made import RATE, ecg, times, write_record
from tests.library.conftest import environment
from tests.lively import lively
from tests.terminal import run

TEXT = "NNNNVNNNSNNVNVNVNNVVNNNVVVVNNNN_NNNNNNNN"


def text_of(x: np.ndarray) -> bytes:
    return b"".join(b"%.6f,%.6f\n" % (first, second) for first, second in x.T)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WFDB record that began at ten to midnight."""
    pytest.importorskip("wfdb")
    start = datetime.datetime(2026, 11, 30, 23, 59, 50)
    return write_record(tmp_path_factory.mktemp("records"), "one", ecg(TEXT), start=start)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "beats.csv").read_text(encoding="utf-8"))))


def test_a_record_becomes_annotations_a_table_a_summary_and_a_page(export, record, tmp_path):
    done = run(tmp_path, "annotate", export, record, "--out", "found")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "found"
    assert sorted(file.name for file in folder.iterdir()) == [
        "beats.csv",
        "index.html",
        "one.atml",
        "summary.json",
    ]
    letters = TEXT.replace("_", "")
    table = rows(folder)
    assert "".join(row["symbol"] for row in table) == "".join(row["class"] for row in table) == letters
    assert table[0]["clock"].startswith("2026-11-30 23:59:50.") and table[-1]["clock"].startswith(
        "2026-12-01"
    )
    assert table[0]["rr_before_s"] == "" and float(table[1]["rr_before_s"]) == pytest.approx(0.8, abs=0.02)
    assert all(
        sum(float(row[f"score_{name}"]) for name in "NSV") == pytest.approx(1, abs=1e-3) for row in table
    )
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    assert summary["beats"] == len(letters) and summary["by_class"]["V"] == letters.count("V")
    assert summary["ventricular"]["runs"] == 1 and summary["ventricular"]["couplets"] == 1
    assert summary["ventricular"]["bigeminy"] == 1 and summary["start"] == "2026-11-30 23:59:50.000"
    assert [hour["clock"] for hour in summary["hours"]] == ["23:59:50", "00:00:00"]
    said = " ".join(done.stdout.split())
    for words in (" VEB 10: ", " SVEB 1: ", "one, 34 s from 2026-11-30 23:59:50", "wrote found: "):
        assert words in said, done.stdout
    wfdb = pytest.importorskip("wfdb")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        found = wfdb.rdann(str(folder / "one"), "atml")
    assert "".join(found.symbol) == letters and found.fs == RATE
    assert found.sample.tolist() == [int(row["sample"]) for row in table]


def test_the_standard_comparison_reads_it(export, tmp_path):
    pytest.importorskip("wfdb")
    from atml.data.formats.annotation_writing import to_bytes
    from atml.data.formats.annotations import Marks

    text = "NNNVNNSN" * 60  # 6 minutes: the first 5 are for learning
    record = write_record(tmp_path / "records", "r", ecg(text))
    at = np.round(times(text) * RATE).astype(np.int64)
    marks = Marks(at, list(text.replace("S", "A")), np.zeros(len(at), np.int64), [""] * len(at))
    (tmp_path / "records" / "r.atr").write_bytes(to_bytes(marks))
    assert run(tmp_path, "annotate", export, record, "--out", "found", "--extension", "tst").returncode == 0
    done = run(tmp_path, "ec57", "records", "--test", "tst", "--test-folder", "found", "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["official"]["records"]["r"]["figures"]
    del figures["RR err"]
    assert figures == dict.fromkeys(("Q Se", "Q +P", "V Se", "V +P", "S Se", "S +P"), 100.0)


def test_every_kind_of_file_has_the_same_beats(export, record, tmp_path):
    x = ecg(TEXT)
    np.save(tmp_path / "array.npy", x)
    (tmp_path / "plain.txt").write_bytes(text_of(x))
    table = np.column_stack([np.arange(x.shape[1]) / RATE, *x])
    np.savetxt(tmp_path / "table.csv", table, fmt="%.6f", delimiter=",", header="time,MLII,V1", comments="")
    wanted = atml.annotate(export, record).found.beats
    for name, rate in (("array.npy", RATE), ("plain.txt", RATE), ("table.csv", None)):
        found = atml.annotate(export, tmp_path / name, sampling_rate=rate).found.beats
        assert (
            found.sample.tolist() == wanted.sample.tolist() and found.label.tolist() == wanted.label.tolist()
        )
    assumed = atml.annotate(export, tmp_path / "array.npy").summary
    assert any("doesn't state its rate: 125 Hz, the model's, is assumed" in note for note in assumed.notes)


@pytest.mark.parametrize("rate", [128, 250, 500])
def test_other_rates_are_resampled_and_said(export, tmp_path, rate):
    pytest.importorskip("wfdb")
    record = write_record(tmp_path, "r", ecg(TEXT, rate), rate)
    found = atml.annotate(export, record)
    assert "".join(found.found.symbols) == TEXT.replace("_", "")
    assert np.abs(found.found.beats.sample / rate - times(TEXT)).max() < 0.03
    assert f"resampled from {rate} Hz to 125 Hz" in found.summary.notes


def test_standard_input_gives_the_beats_of_the_file(export, record, tmp_path):
    wanted = atml.annotate(export, record)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "atml",
            "annotate",
            str(export),
            "-",
            "--sampling-rate",
            str(RATE),
            "--out",
            "live",
        ],
        cwd=tmp_path,
        input=text_of(ecg(TEXT)),
        capture_output=True,
        check=False,
        env=environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    beats, _, rest = done.stdout.decode().partition("\n\n")
    lines = [line.split() for line in beats.splitlines()]
    assert [int(sample) for sample, _, _ in lines] == wanted.found.beats.sample.tolist()
    assert [symbol for *_, symbol in lines] == wanted.found.symbols
    assert [float(at) for _, at, _ in lines] == pytest.approx(wanted.events.seconds.tolist(), abs=1e-3)
    said = " ".join(rest.split())
    assert said.startswith("recording standard input, 34 s analysed") and " VEB 10: " in said
    assert len(rows(tmp_path / "live")) == len(lines)
    assert (tmp_path / "live" / "stream.atml").is_file()
    assert "The signal of a stream is not kept" in (tmp_path / "live" / "index.html").read_text()


def test_ctrl_c_ends_a_stream_with_its_summary(export, tmp_path):
    data = text_of(ecg(TEXT))
    # What starts tests in the background has Ctrl-C ignored, and a child would inherit that.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    words = [
        sys.executable,
        "-m",
        "atml",
        "annotate",
        str(export),
        "-",
        "--sampling-rate",
        str(RATE),
        "--json",
    ]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words,
        cwd=tmp_path,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=environment(),
        preexec_fn=heard,
        bufsize=0,
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(data[: len(data) // 2])
        process.stdin.flush()
        first = [json.loads(process.stdout.readline()) for _ in range(15)]  # beats come while more is awaited
        assert first[4] == {"sample": pytest.approx(times(TEXT)[4] * RATE, abs=4), "symbol": "V"} | {
            "time_s": first[4]["time_s"]
        }
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    last = json.loads(rest.splitlines()[-1])["summary"]
    assert last["beats"] == 15 + len(rest.splitlines()) - 1
    assert 11 < last["duration_s"] < 18.5  # what was taken when it was pressed


def test_a_stream_in_the_library_says_beats_as_they_are_decided(export):
    data = text_of(ecg(TEXT))
    found: list[str] = []
    chunks = (data[at : at + 4000] for at in range(0, len(data), 4000))
    whole = annotate_lines(
        export, chunks, sampling_rate=RATE, on_beats=lambda some: found.extend(some.symbols)
    )
    assert "".join(found) == TEXT.replace("_", "") == "".join(whole.found.symbols)
    assert whole.beats["symbol"].tolist() == found


def bad_stream(monkeypatch, where, export, data, *options):
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
    return run(where, "annotate", export, "-", *options)


def test_bad_streams_are_one_line(export, tmp_path, monkeypatch):
    rate = ("--sampling-rate", RATE)
    for data, options, says in (
        (b"1,2\n", (), "a stream doesn't tell its sampling rate: give --sampling-rate HZ"),
        (b"1,2\n3,x\n", rate, "line 2 holds 'x', which is no number"),
        (b"1,2,3\n", rate, "line 1 has 3 columns (0, 1, 2), the model takes 2 lead(s): choose with --lead"),
        (b"a,b,c\n1,2,3\n", (*rate, "--lead", "a", "--lead", "d"), "line 1 has no column 'd'"),
    ):
        done = bad_stream(monkeypatch, tmp_path, export, data, *options)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not done.stdout
    done = bad_stream(monkeypatch, tmp_path, export, b"", *rate)
    assert done.returncode == 0 and "none found" in done.stdout


def test_bad_input_is_one_line(export, record, tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("x")
    (tmp_path / "text.csv").write_text("a,b\n1,2\nx,y\n")
    write_record(tmp_path / "two", "a", ecg("NNN"))
    write_record(tmp_path / "two", "b", ecg("NNN"))
    for words, says in (
        ((record.parent / "missing",), "missing"),
        ((record, "--lead", "MLII", "--lead", "aVF"), "has no lead 'aVF'; its leads are 0 MLII, 1 V1"),
        ((record, "--lead", "MLII"), "names 1 leads, the model takes 2"),
        ((record, "--out", "full"), "full is there already and not empty"),
        ((record, "--out", "text.csv"), "text.csv is there already and not empty"),
        ((record, "--extension", "hea"), "the extension 'hea' is none for annotations"),
        ((record, "--extension", "a/b"), "the extension 'a/b' is none for annotations"),
        ((record, "--pause", "0"), "a pause longer than 0 s can't be"),
        ((record, "--sampling-rate", "360"), "tells 250 Hz; leave out --sampling-rate 360"),
        (("two",), "two holds several recordings, a and b among them: name one of them"),
        (("text.csv",), "'x' is no number"),
    ):
        done = run(tmp_path, "annotate", export, *words)
        assert done.returncode == 2 and says in done.stderr and done.stderr.count("\n") == 1, (
            words,
            done.stderr,
        )
    assert sorted(file.name for file in (tmp_path / "full").iterdir()) == ["kept"]
    assert not list(tmp_path.glob(".full*"))


def test_a_model_of_another_task_is_refused(record, tmp_path):
    task = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
    config = ModelConfig(channels=(4,), kernels=(5,), strides=(2,))
    (tmp_path / "m.onnx").write_bytes(onnx_bytes(lively(config, task), task, made.properties(task, config)))
    done = run(tmp_path, "annotate", "m.onnx", record)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "is a model of task 'afib', which decides on windows of 2 s and not on beats" in done.stderr


def test_a_recording_without_beats_is_no_mistake(export, tmp_path):
    pytest.importorskip("wfdb")
    record = write_record(tmp_path, "flat", np.zeros((2, 5000)))
    done = run(tmp_path, "annotate", export, record, "--out", "found")
    assert done.returncode == 0, done.stderr
    assert " none found\n" in done.stdout and "not: a lead flat 20 s" in done.stdout
    assert "no beat was found in flat: is it an ECG" in done.stdout
    assert rows(tmp_path / "found") == []
    assert json.loads((tmp_path / "found" / "summary.json").read_text())["beats"] == 0
    short = write_record(tmp_path, "short", ecg("N")[:, :60])
    assert run(tmp_path, "annotate", export, short).returncode == 0


def test_leads_go_by_name_whatever_their_order(tmp_path, record):
    pytest.importorskip("wfdb")
    swapped = write_record(tmp_path, "swapped", ecg(TEXT)[::-1], leads=("V1", "MLII"))
    file = tmp_path / "named.onnx"
    properties = made.properties(made.TASK, made.CONFIG, lead_choice=("MLII", "V1"))
    import onnx

    model = onnx.load_model_from_string(made.exported())
    onnx.helper.set_model_props(model, properties)
    file.write_bytes(model.SerializeToString())
    wanted = atml.annotate(file, record).found.symbols
    assert atml.annotate(file, swapped).found.symbols == wanted
    assert atml.annotate(file, swapped, lead=("V1", "MLII")).found.symbols != wanted


def test_paced_records_are_said(export, tmp_path):
    pytest.importorskip("wfdb")
    header = write_record(
        tmp_path, "a", ecg("NNN"), comments=["The rhythm is paced with a demand pacemaker."]
    )
    said = run(tmp_path, "annotate", export, header).stdout
    assert "PACED: its header says 'The rhythm is paced with a demand pacemaker.'" in said
    from atml.data.formats.annotation_writing import to_bytes
    from atml.data.formats.annotations import Marks

    marked = write_record(tmp_path, "b", ecg("NNN"), comments=["No pacemaker"])
    assert "PACED" not in run(tmp_path, "annotate", export, marked).stdout
    marks = Marks(np.array([100, 300]), ["/", "f"], np.zeros(2, np.int64), ["", ""])
    (tmp_path / "b.atr").write_bytes(to_bytes(marks))
    assert "PACED: b.atr marks 2 paced beats or spikes" in run(tmp_path, "annotate", export, marked).stdout
    (tmp_path / "b.atr").write_bytes(b"\1")
    assert "PACED" not in run(tmp_path, "annotate", export, marked).stdout


def test_edf_tells_its_start(export, tmp_path):
    edfio = pytest.importorskip("edfio")
    x = ecg(TEXT)[:, : 30 * RATE]
    signals = [
        edfio.EdfSignal(row.astype(np.float64), RATE, label=name, physical_dimension="mV")
        for row, name in zip(x, ("ECG II", "ECG V1"), strict=True)
    ]
    day, at = datetime.date(2024, 2, 29), datetime.time(8, 5, 9)
    edfio.Edf(signals, recording=edfio.Recording(startdate=day), starttime=at).write(tmp_path / "a.edf")
    edfio.Edf(signals, starttime=at).write(tmp_path / "b.edf")
    assert atml.annotate(export, tmp_path / "a.edf").summary.start == "2024-02-29 08:05:09.000"
    assert atml.annotate(export, tmp_path / "b.edf").summary.start == "08:05:09.000"


def test_nothing_is_half_written(export, record, tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    try:
        done = run(tmp_path, "annotate", export, record, "--out", "locked/found")
    finally:
        (tmp_path / "locked").chmod(0o700)
    if done.returncode == 0:
        pytest.skip("this user may write anywhere")
    assert done.returncode == 2 and "can't be written" in done.stderr
    assert list((tmp_path / "locked").iterdir()) == []


def test_a_stream_of_a_day_is_read_as_fast_as_it_is_piped():
    """Lines of one column are taken many at once: a hundred thousand in no time."""
    data = b"0.125\n" * 100_000
    lines, start = Lines(1), time.monotonic()
    assert lines.push(data).shape == (1, 100_000)
    assert time.monotonic() - start < 20
    with pytest.raises(DataError):
        lines.push(b"x\n")


def test_the_page_is_read_on_a_phone_and_in_the_dark(export, record, tmp_path, browser):
    from tests.browser import visit

    assert run(tmp_path, "annotate", export, record, "--out", "found").returncode == 0
    for width, dark in ((390, True), (1280, False)):
        with visit(browser, f"file://{tmp_path}/found/index.html", width=width, dark=dark) as seen:
            seen.walk()
            assert seen.overflow() <= 0 and not seen.troubles
            assert all(request.startswith("file:") for request in seen.requests)
            strips = seen.page.locator(".sheet")
            assert strips.count() >= 6
            size = float(
                strips.nth(1).evaluate("(one) => one.querySelector('text').getBoundingClientRect().height")
            )
            assert size >= 9  # px: words on strips can be read
    shutil.rmtree(tmp_path / "found")


DOCS = Path(atml.__file__).parents[1] / "docs" / "beats.md"


def test_what_the_docs_show_is_run(export, tmp_path, monkeypatch):
    text = DOCS.read_text(encoding="utf-8").split("## A recording beat by beat")[1]
    part = text.split("\n## ")[0]
    shutil.copy(export, tmp_path / "EXPORT")
    record = write_record(tmp_path, "RECORD", ecg(TEXT))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)
    commands = [line for kind, block in blocks if not kind for line in block.splitlines()]
    assert len(commands) == 3 and all(line.startswith("atml annotate EXPORT RECORD") for line in commands)
    for line in commands:
        done = run(tmp_path, *shlex.split(line)[1:])
        assert done.returncode == 0, done.stderr
    streams = re.findall(r"^    amplifier \| atml (annotate .*)$", part, re.MULTILINE)
    assert len(streams) == 2
    shutil.rmtree("found")
    for words, data in zip(streams, (text_of(ecg(TEXT)), b"II,V1\n" + text_of(ecg(TEXT))), strict=True):
        monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(data)))
        done = run(tmp_path, *shlex.split(words))
        assert done.returncode == 0, done.stderr
    (python,) = (block for kind, block in blocks if kind == "python")
    names: dict[str, object] = {}
    exec(python, names)
    assert isinstance(names["found"], atml.Annotation) and record.with_suffix(".hea").is_file()
