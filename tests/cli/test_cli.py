"""Whatever a person gets wrong: one line that names it and the way out, exit code 2, nothing half written."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import typer
from onnx import TensorProto, helper

from atml import cli
from atml.cli.values import duration

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def contest(tmp_path: Path) -> Path:
    """A good contest set: 6 subjects of 4 segments, as a folder."""
    folder = tmp_path / "contest" / "train_data"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for subject in range(6):
        for index in range(4):
            values = "\n".join(f"{v:.4f}" for v in random.normal(size=1250))
            (folder / f"S{subject}-{'AFIB' if index % 2 else 'N'}-{index}.txt").write_text(values + "\n")
    return folder.parent


def fails(capture: Capture, folder: Path, *arguments: object, code: int = 2) -> str:
    before = sorted(folder.rglob("*"))
    assert cli.run([str(a) for a in arguments]) == code
    error = capture.readouterr().err
    assert error.startswith("atml: ")
    assert len(error.strip().splitlines()) == 1, error
    assert "Traceback" not in error
    assert sorted(folder.rglob("*")) == before, "something was written"
    return error


def one(folder: Path) -> Path:
    return folder / "train_data" / "S3-AFIB-1.txt"


SPOILED: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "not there": (shutil.rmtree, ["contest", "no such"]),
    "empty": (lambda f: (shutil.rmtree(f), f.mkdir()), ["contest"]),
    "not numeric": (lambda f: one(f).write_text("0.1\nabc\n" * 625), ["S3-AFIB-1.txt", "abc"]),
    "short": (lambda f: one(f).write_text("0.1\n0.2\n" * 100), ["S3-AFIB-1.txt", "200", "1250"]),
    "empty file": (lambda f: one(f).write_text(""), ["S3-AFIB-1.txt"]),
    "binary": (lambda f: one(f).write_bytes(bytes(range(256)) * 40), ["S3-AFIB-1.txt"]),
    "a name that can't be split": (lambda f: one(f).rename(one(f).with_name("S3.txt")), ["S3.txt"]),
    "nothing but nan": (
        lambda f: [p.write_text("nan\n" * 1250) for p in f.rglob("*.txt")],
        ["not finite", "S0-AFIB-1.txt"],
    ),
    "nothing but flat lines": (
        lambda f: [p.write_text("0.5\n" * 1250) for p in f.rglob("*.txt")],
        ["flat"],
    ),
    "one class": (lambda f: [p.unlink() for p in f.rglob("*AFIB*")], ["AF"]),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_data_that_cannot_be_used(capsys: Capture, here: Path, contest: Path, spoil: str) -> None:
    how, says = SPOILED[spoil]
    how(contest)
    error = fails(capsys, here, "search", "--data", contest, "--trials", 1)
    for word in says:
        assert word.lower() in error.lower(), error


def test_an_archive_that_is_damaged(capsys: Capture, here: Path, contest: Path, tmp_path: Path) -> None:
    path = Path(shutil.make_archive(str(tmp_path / "set"), "zip", contest))
    path.write_bytes(path.read_bytes()[:3000])
    assert "set.zip" in fails(capsys, here, "search", "--data", path)
    (tmp_path / "set.rar").write_bytes(b"Rar!")
    assert "set.rar" in fails(capsys, here, "search", "--data", tmp_path / "set.rar")


def test_fewer_subjects_than_folds(capsys: Capture, here: Path, contest: Path) -> None:
    error = fails(capsys, here, "search", "--data", contest, "--folds", 7)
    assert "7" in error and "6" in error and "--folds" in error


def test_unknown_words(capsys: Capture, here: Path) -> None:
    assert "'afibb'" in fails(capsys, here, "search", "--task", "afibb")
    assert "--timeout soon: must be seconds" in fails(capsys, here, "search", "--timeout", "soon")
    assert "'tpu'" in fails(capsys, here, "search", "--device", "tpu")
    assert "--triles" in fails(capsys, here, "search", "--triles", 3)
    assert "--trials 0: must be" in fails(capsys, here, "search", "--trials", 0)
    assert "--seed 4294967296: must be" in fails(capsys, here, "search", "--seed", 2**32)
    assert "frobnicate" in fails(capsys, here, "frobnicate")
    assert "gone.py" in fails(capsys, here, "search", "--space", "gone.py")
    assert "'nowhere'" in fails(capsys, here, "search", "--storage", "nowhere")


def test_a_space_that_raises(capsys: Capture, here: Path, contest: Path) -> None:
    (here / "space.py").write_text("DEFAULT = {}\ndef suggest(trial):\n    return 1 / 0\n")
    error = fails(capsys, here, "search", "--data", contest, "--space", "space.py", "--folds", 2)
    assert "space.py, line 3" in error and "ZeroDivisionError" in error


def test_studies_that_are_not_there(capsys: Capture, here: Path) -> None:
    for command in (["status"], ["best"], ["best", "export"]):
        assert "no studies.db here" in fails(capsys, here, *command)
    (here / "studies.db").write_text("my notes\n")
    assert "is not a study database" in fails(capsys, here, "status")


def test_exports_that_are_not_ours(capsys: Capture, here: Path) -> None:
    assert "nothing_here" in fails(capsys, here, "score", "nothing_here")
    (here / "model.onnx").write_bytes(b"not a model")
    assert "model.onnx" in fails(capsys, here, "score", here)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), here / "other.onnx")
    assert "other.onnx" in fails(capsys, here, "score", "other.onnx")


def test_a_full_disk(here: Path, contest: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a disk that is full: SQLite meets it as it writes."""
    limit = 64 * 1024
    done = subprocess.run(
        [sys.executable, "-m", "atml", "search", "--data", str(contest), "--folds", "2", "--trials", "2"],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 2, done.stderr
    assert "studies.db" in done.stderr and "disk" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_inspect_lists_what_is_wrong(capsys: Capture, here: Path, contest: Path) -> None:
    one(contest).write_text("0.5\n" * 1250)
    (contest / "train_data" / "S9.txt").write_text("1\n")
    assert cli.run(["data", "inspect", str(contest)]) == 2
    shown, error = capsys.readouterr()
    assert error.startswith("atml: `atml search` would refuse it: ") and len(error.splitlines()) == 1
    assert "S3-AFIB-1.txt" in shown and "flat" in shown and "S9.txt" in shown
    assert cli.run(["data", "inspect", str(contest), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert {fault["kind"] for fault in found["faults"]} >= {"flat", "name"}
    assert "Labels were not checked: a search would refuse the data." in shown
    assert found["labels"]["not_checked"] == "a search would refuse the data"
    assert "no such" in fails(capsys, here, "data", "inspect", "gone").lower()


def test_inspect_lists_labels_that_the_rule_contradicts(capsys: Capture, here: Path) -> None:
    """The labels of one person are exchanged; AF is irregular in this set, all else is regular."""
    random = np.random.default_rng(0)
    people, each = 6, 24
    subject, y = np.repeat(np.arange(people), each), np.tile([0, 1], people * each // 2)
    x = random.normal(0, 0.01, (len(y), 1250))
    for row, af in zip(x, y, strict=True):
        spread = 0.25 if af else 0.01
        at = np.cumsum(250 * random.uniform(0.8 - spread, 0.8 + spread, 8)).astype(int)
        row[at[at < 1245]] += 1.0
    labels = np.where(subject == 3, 1 - y, y)
    np.savez("swapped.npz", x=x, y=labels, subject=subject, rhythm=np.where(labels == 1, "AFIB", "N"))
    assert cli.run(["data", "inspect", "swapped.npz", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["labels"]
    assert found["detector"] == "irregular RR intervals" and found["not_checked"] == ""
    assert {(one["subject"], one["label"], one["called"]) for one in found["doubts"]} == {
        ("3", "AF", "other"),
        ("3", "other", "AF"),
    }
    assert cli.run(["data", "inspect", "swapped.npz"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Labels that irregular RR intervals alone contradicts" in shown and "3 N other 12 AF" in shown


def test_tasks_and_their_check(capsys: Capture, here: Path) -> None:
    assert cli.run(["tasks"]) == 0
    assert "afib" in capsys.readouterr().out
    assert cli.run(["tasks", "check"]) == 0
    assert "FAILED" not in capsys.readouterr().out
    (here / "search_spaces").mkdir()
    (here / "search_spaces" / "afib.py").write_text("DEFAULT = {}\n")
    assert cli.run(["tasks", "check", "afib"]) == 2
    captured = capsys.readouterr()
    assert "FAILED" in captured.out and "has no suggest" in captured.out
    assert "check(s) failed" in captured.err
    assert "'nope'" in fails(capsys, here, "tasks", "check", "nope")


@pytest.mark.parametrize(
    ("text", "value"),
    [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("3600", 3600), ("1.5H", 5400)],
)
def test_durations(text: str, value: float) -> None:
    assert duration(text) == value


@pytest.mark.parametrize("text", ["", "soon", "-3m", "0", "0h", "1h30x", "h"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="must be seconds, or a time"):
        duration(text)


def test_a_fault_of_ours_shows_its_traceback(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("atml.cli.tasks.rows", broken)
    assert cli.run(["tasks"]) == 1
    error = capsys.readouterr().err
    assert "RuntimeError: a bug" in error and "fault in atml" in error


def test_zip_and_folder_are_the_same_data(capsys: Capture, contest: Path, tmp_path: Path, here: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in contest.rglob("*.txt"):
            archive.write(file, file.relative_to(contest))
    found = []
    for source in (contest, path):
        assert cli.run(["data", "inspect", str(source), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["splits"])
    assert found[0] == found[1]


def test_a_terminal_that_lacks_a_character(here: Path) -> None:
    (here / "search_spaces").mkdir()
    (here / "search_spaces" / "gemäß.py").write_text("DEFAULT = {}\n")

    def atml(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONIO"))}
        return subprocess.run(
            [sys.executable, "-m", "atml", *words],
            cwd=here,
            env=environment | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
            capture_output=True,
            encoding="ascii",
            check=False,
        )

    shown = atml("tasks")
    assert shown.returncode == 0, shown.stderr
    assert "gem\\" in shown.stdout
    refused = atml("tasks", "check", "Aufgabe-für-später")
    assert refused.returncode == 2
    assert "Aufgabe-f\\" in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_a_place_that_may_not_be_written(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "reports")

    monkeypatch.setattr("atml.cli.tasks.rows", refused)
    assert "reports: Permission denied" in fails(capsys, here, "tasks")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("search --trials 0", "--trials 0: must be 1 or more"),
        ("search --trials=abc", "--trials abc: must be a whole number"),
        ("search --seed -1", "--seed -1: must be 0 or more"),
        ("search --max-size 30KiB", "--max-size 30KiB: must be a number"),
        ("show best", "did you mean `atml best show`?"),
        ("export best", "did you mean `atml best export`?"),
        ("best small export", "did you mean `atml best export`?"),
        ("studdy", "Did you mean 'study'?"),
        ("nothing", "there are annotate, bench, best, check, compare, dashboard"),
        ("search afib", "'afib' is not an option; write for example --task NAME"),
        ("search --lead V99 --trials 1", "--lead V99 is about files, and synthetic ECG has none: add --data"),
        ("search --sampling-rate 100", "--sampling-rate 100 is about files"),
    ],
)
def test_a_mistyped_line_is_told_with_its_value(capsys: Capture, here: Path, line: str, said: str) -> None:
    assert said in fails(capsys, here, *line.split())


def test_the_version_is_that_of_the_package(capsys: Capture) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"atml {importlib.metadata.version('atml')}\n"


def test_usage_errors_are_told_from_others() -> None:
    """`usage_error` was read in typer 0.29 and click 8; this fails where another version differs."""
    version = importlib.metadata.version("typer")
    kind = cli.usage_error()
    assert issubclass(typer.BadParameter, kind), version
    assert not issubclass(typer.Abort, kind) and not issubclass(typer.Exit, kind), version
    with pytest.raises(kind) as caught:
        cli.app(args=["search", "--nonsense"], standalone_mode=False)
    assert "--nonsense" in caught.value.format_message(), version
    assert caught.value.ctx.command_path.endswith("search"), version
