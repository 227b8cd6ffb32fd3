"""What is looked at before a search, on tiny data: levels, exit codes, the forecast; nothing is left."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.cli import run
from atml.data.dataset import Dataset, DataSource
from atml.errors import InputError
from atml.preflight import data_checks, environment
from atml.preflight.checks import Preflight, check, fast
from atml.preflight.finding import Level
from atml.searching.plan import prepare
from atml.searching.search_options import Options
from tests import tiny
from tests.beats import BEATS


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.folder(tmp_path_factory.mktemp("preflight") / "work", steps=12)


@pytest.fixture(scope="module")
def whole(small: Path) -> Preflight:
    definition = task_files.find("afib", cwd=small)
    origin = DataSource(paths=(small / "data.npz",))
    storage = f"sqlite:///{small / 'studies.db'}"
    return check(definition, origin, storage=storage, workers=3, folds=3, trials=1000)


def changed(small: Path, where: Path, **arrays: np.ndarray) -> Path:
    with np.load(small / "data.npz") as kept:
        np.savez(where, **{**kept, **arrays})
    return where


def test_three_trainings_and_what_they_tell_of_a_search(whole: Preflight) -> None:
    assert [one.name for one in whole.rehearsals] == ["DEFAULT", "draw 1", "draw 2"]
    # So short a training is done whole; a trial has all three folds.
    for one in whole.rehearsals:
        assert (one.steps, one.of) == (12, 12) and not one.diverged
        assert one.trial_s > 3 * 12 * one.step_ms / 1000 > 0
    made = whole.forecast
    assert made is not None
    assert made.seconds_a_trial == pytest.approx(sum(one.trial_s for one in whole.rehearsals) / 3)
    assert made.trials_an_hour * made.seconds_a_trial == pytest.approx(3 * 3600)
    assert made.hours * made.trials_an_hour == pytest.approx(1000)
    # 20 KB a trial and 72 windows of two classes; each process has torch in memory.
    assert made.database_gb == pytest.approx(0.0204, rel=0.01)
    assert made.memory_gb > 4 * 0.1
    assert whole.data is not None
    assert whole.data.windows == {"other": 36, "AF": 36} and whole.data.people == {"other": 9, "AF": 9}


def test_machine_and_data_are_told(whole: Preflight, small: Path) -> None:
    assert {"python", "torch", "optuna"} <= set(whole.versions)
    (locks,) = [one for one in whole.findings if one.what == "locks"]
    assert locks.level == Level.FINE and str(small) in locks.text
    texts = " / ".join(one.text for one in whole.findings if one.level == Level.WARNING)
    assert "'AF' is seen in 9 subjects" in texts
    assert whole.level == Level.WARNING
    assert sorted(path.name for path in small.iterdir()) == ["data.npz", "objectives", "search_spaces"]
    assert json.loads(json.dumps(whole.to_dict()))["level"] == "warning"


def test_faults_of_the_data_and_exit_codes(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small)
    with np.load(small / "data.npz") as kept:
        x, y = kept["x"].copy(), kept["y"].copy()
    x[8] = x[0]
    twice = changed(small, tmp_path / "twice.npz", x=x)
    with np.load(twice) as kept:
        np.savez(tmp_path / "bare.npz", **{name: kept[name] for name in ("x", "y", "subject")})
    bare = str(tmp_path / "bare.npz")
    assert run(["check", "--data", bare, "--folds", "2", "--hold-out", "S1,S10"]) == 1
    said = capsys.readouterr()
    assert "1 fault (duplicate): " in said.out and said.err == ""
    assert "held out: S1, S10" in said.out and "bare: 10 subjects" in said.out
    # What a search would refuse: one person in train and test, by --subjects; a fold for each set, of one.
    ways = {r"S\d*(\d)": "is of '0' by --subjects", r"(S\d*)": "holds out whole sets, and twice is one"}
    for pattern, says in ways.items():
        assert run(["check", "--data", str(twice), "--subjects", pattern, "--fold-by", "set"]) == 2
        assert says in capsys.readouterr().out
    assert run(["check", "--data", str(twice), "--fold-by", "record"]) == 2
    assert "--fold-by 'record' is unknown: subject or set" in capsys.readouterr().err
    y[:72] = 0
    one_class = changed(small, tmp_path / "one_class.npz", y=y)
    assert run(["check", "--data", str(one_class), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["level"] == "refused" and found["forecast"] is None and found["rehearsals"] == []
    with pytest.raises(InputError, match="only 'other'"):
        task_files.find("afib").open(DataSource(paths=(one_class,)))
    assert run(["check", "--data", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().out
    assert run(["check", "--data", str(twice), "--subjects", "nobody_(.*)"]) == 2
    assert "--subjects 'nobody_(.*)' does not fit" in capsys.readouterr().out.replace("\n", " ")


def test_a_search_says_only_what_is_wrong(small: Path, tmp_path: Path) -> None:
    with np.load(small / "data.npz") as kept:
        x = kept["x"].copy()
    x[:10, :700] = 0.5
    source = changed(small, tmp_path / "flat.npz", x=x)
    definition = task_files.find("afib", cwd=small)
    dataset = definition.open(DataSource(paths=(source,)))
    storage = f"sqlite:///{tmp_path / 'studies.db'}"
    texts = [one.text for one in fast(dataset, definition, storage)]
    assert (
        "of 72 windows 10 have a flat lead and 0 one at its rail: there is no heart in them to learn from"
        in texts
    )
    assert not any("free for" in text or "locks" in text for text in texts)
    said: list[str] = []
    files = {"space": definition.space_path, "objective": definition.objective_path}
    prepare(Options(data=(source,), storage=storage, folds=3, **files), said.append).store.close()
    assert set(texts) <= set(said)


def test_one_person_who_is_most_of_a_class_and_a_rare_class(small: Path) -> None:
    definition = task_files.find("afib", cwd=small)
    dataset = definition.open(DataSource(paths=(small / "data.npz",)))
    rows = np.flatnonzero((dataset.y == 0) | np.isin(dataset.subject, ["S0", "S1"]))
    texts = [one.text for one in data_checks.fast(dataset.take(rows[:-1]), definition.task)]
    assert "'AF' is seen in 2 subjects: figures will say little about others" in texts
    many = np.r_[np.repeat(np.flatnonzero(dataset.y == 0), 9), np.flatnonzero(dataset.y == 1)[:6]]
    texts = [one.text for one in data_checks.fast(dataset.take(many), definition.task)]
    assert "S0 has 67% of the windows of 'AF'" in texts
    assert "'AF' is rare: 6 of 330 windows" in texts


def test_a_folder_that_can_not_be_written_is_refused() -> None:
    found = environment.locks(Path("/proc/nothing/studies.db"))
    assert found.level == Level.REFUSED and "/proc can't be written" in found.text
    assert environment.locks(Path("/dev/shm/studies.db")).level == Level.FINE


UNLOCKED = """
import ctypes, errno, os, sys
from pathlib import Path
from atml.preflight import environment

OFD, POSIX, ALLOW, ANSWER = 37, 6, 0x7FFF0000, 0x00050000

class Step(ctypes.Structure):
    byte = ctypes.c_ubyte
    _fields_ = [("code", ctypes.c_ushort), ("yes", byte), ("no", byte), ("k", ctypes.c_uint)]

class Filter(ctypes.Structure):
    _fields_ = [("steps", ctypes.c_ushort), ("first", ctypes.POINTER(Step))]

def answer(command, code):  # the kernel answers every fcntl(file, command) so
    steps = ((0x20, 0, 0, 0), (0x15, 0, 3, 72), (0x20, 0, 0, 24), (0x15, 0, 1, command))
    program = (Step * 6)(*(Step(*step) for step in steps), Step(6, 0, 0, ANSWER | code), Step(6, 0, 0, ALLOW))
    libc = ctypes.CDLL(None)
    assert not libc.prctl(38, 1, 0, 0, 0) and not libc.prctl(22, 2, ctypes.byref(Filter(6, program)), 0, 0)

for command, code in ((OFD, errno.ENOLCK), (OFD, 0), (POSIX, errno.ENOLCK)):
    child = os.fork()
    if not child:
        answer(command, code)
        found = environment.locks(Path(sys.argv[1]) / "studies.db")
        os.write(1, f"{found.level.name} {found.text}\\n".encode())
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="a system call by its number there"
)
def test_places_without_locks_are_told(tmp_path: Path) -> None:
    """The kernel answers as file systems do that have no locks, or that grant a lock and keep nobody out."""
    done = subprocess.run(
        [sys.executable, "-c", UNLOCKED, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    if "AssertionError" in done.stderr:
        pytest.skip("no system call filters here")
    none, again, sqlite = done.stdout.splitlines()
    end = "two processes on one study would spoil it: give --storage on a local disk, or PostgreSQL"
    assert none == f"WARNING {tmp_path}: files can't be locked (No locks available); {end}"
    assert again == f"WARNING {tmp_path}: a locked file can be locked again; {end}"
    assert sqlite.startswith(f"WARNING {tmp_path}: SQLite can't write (") and sqlite.endswith(end)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_before_a_recording_is_not_a_lead_that_is_off() -> None:
    """The first beats' windows reach back before the recording and hold its first sample there."""
    wave = np.random.default_rng(0).normal(size=(9, 1, BEATS.window)).astype(np.float32)
    wave[0, 0, :280] = wave[0, 0, 280]  # padded
    wave[1, 0, 60:360] = 0.5  # a lead that was off
    wave[2] = 0.5
    dataset = Dataset(
        x=wave,
        y=np.arange(9) % 3,
        subject=np.array([f"S{i}" for i in range(9)]),
        rhythm=np.array(["N", "A", "V"] * 3),
        sampling_rate=BEATS.sampling_rate,
        fingerprint="",
        name="beats",
        synthetic=True,
    )
    texts = [one.text for one in data_checks.fast(dataset, BEATS)]
    assert any(text.startswith("of 9 beats 2 have a flat lead and 0 one at its rail") for text in texts), (
        texts
    )
