"""What a person gets wrong on the way to a defibrillator: one line, exit code 2, nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from atml import cli
from tests.cli.test_cli import Capture, fails
from tests.waves import write_wfdb


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    """Eight records of 80 s."""
    return write_wfdb(tmp_path / "waves", range(500, 508))


def defib(*arguments: object) -> list[object]:
    return ["search", "--task", "defib", *arguments]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--window", "9"], ["--window 9", "1 to 8 s"]),
        (["--window", "0.5"], ["--window 0.5", "1 to 8 s"]),
        (["--window", "nan"], ["--window nan", "must be a number"]),
        (["--window", "inf"], ["--window inf", "must be a number"]),
        (["--objective", "best"], ["'best'", "aed", "balanced"]),
        (["--objective", "gone.py:aed"], ["gone.py"]),
        (["--hold-out", "1.5"], ["--hold-out 1.5", "up to 0.5"]),
        (["--hold-out", "500,999"], ["no subject 999", "500, 501"]),
        (["--lead", "V9"], ["V9", "ECG"]),
        (["--lead", "3"], ["3", "ECG"]),
        (["--folds", "12"], ["12", "8", "--folds"]),
    ],
)
def test_options_that_can_not_be(
    capsys: Capture, here: Path, waves: Path, arguments: list[str], says: list[str]
) -> None:
    error = fails(capsys, here, *defib("--data", waves, *arguments))
    for word in says:
        assert word in error, error


def test_a_window_of_another_task(capsys: Capture, here: Path) -> None:
    assert "task 'afib' has a window of 5 s" in fails(capsys, here, "search", "--window", 4)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


SPOILED: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "signal cut short": (lambda f: cut(f / "503.dat"), ["503"]),
    "no signal": (lambda f: (f / "503.dat").unlink(), ["503"]),
    "no annotations": (lambda f: (f / "503.atr").unlink(), ["503", ".atr"]),
    "no header": (lambda f: (f / "503.hea").unlink(), ["503"]),
    "empty header": (lambda f: (f / "503.hea").write_text(""), ["503"]),
    "header of another length": (
        lambda f: (f / "503.hea").write_text((f / "503.hea").read_text().replace("20000", "30000", 1)),
        ["503"],
    ),
    "rhythms that no list knows": (
        lambda f: write_wfdb(f, range(500, 508), names=("(XYZ", "(ABC") * 2),
        ["'XYZ'", "'ABC'"],
    ),
    "one class": (lambda f: write_wfdb(f, range(500, 508), names=("(N", "(NSR") * 2), ["no shock"]),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_wfdb_folders_that_can_not_be_used(capsys: Capture, here: Path, waves: Path, spoil: str) -> None:
    how, says = SPOILED[spoil]
    how(waves)
    error = fails(capsys, here, *defib("--data", waves))
    for word in says:
        assert word in error, error


def test_one_unknown_rhythm_is_left_out_and_said(capsys: Capture, here: Path, tmp_path: Path) -> None:
    folder = write_wfdb(tmp_path / "some", range(500, 504), names=("(N", "(VF", "(XYZ", "(VF"))
    line = ["data", "inspect", str(folder), "--task", "defib"]
    # As many folds as a search deals by itself are too many for four records, and so says an inspection.
    assert cli.run(line) == 2
    assert "4 subjects are too few for 5 folds: give --folds 4" in capsys.readouterr().err
    assert cli.run([*line, "--folds", "4"]) == 0
    said = capsys.readouterr().out
    assert "rhythm 'XYZ' unknown" in said
    assert "20 windows left out, of rhythms unknown to the task: 'XYZ' (20)" in said


def test_the_same_folder_twice(capsys: Capture, here: Path, waves: Path) -> None:
    assert "waves" in fails(capsys, here, *defib("--data", waves, "--data", waves))


def test_a_struct_whose_labels_contradict_its_rhythms(capsys: Capture, here: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    kind = [("pat_ID", object), ("name", object), ("s_ns", object), ("r_type", object), ("s_ecg", object)]
    data = np.empty((1, 8), dtype=[*kind, ("source", object)])
    for i in range(8):
        shock = i % 2
        data[0, i] = (i, f"r{i}", shock, "VF" if shock else "NSR", random.normal(size=(1, 1000)), "x")
    data[0, 5]["r_type"] = "NSR"
    path = tmp_path / "cut.mat"
    scipy.io.savemat(path, {"data": data})
    error = fails(capsys, here, *defib("--data", path))
    assert "cut.mat" in error and "NSR" in error


def test_what_to_fetch(capsys: Capture, here: Path) -> None:
    error = fails(capsys, here, "data", "fetch", "vfdbb")
    assert "vfdbb" in error and "cudb" in error


def test_wfdb_is_an_extra(waves: Path, here: Path) -> None:
    code = (
        "import sys; sys.modules['wfdb'] = None; from atml.cli import run;"
        f"sys.exit(run(['search', '--task', 'defib', '--data', {str(waves)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "pip install 'atml[wfdb]'" in done.stderr
    assert list(here.iterdir()) == []
