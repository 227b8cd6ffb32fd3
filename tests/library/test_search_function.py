from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import atml
from atml import InputError, Interrupted, StudyError, TaskFileError
from atml.library.search_function import _held_out, duration
from atml.searching import trial_log
from atml.searching.search_options import Options
from tests import terminal
from tests.library.conftest import environment
from tests.searching.studies import Told

QUICK: dict[str, Any] = {"folds": 2, "finalists": 1, "repeats": 1, "workers": 1}

SCRIPT = """
import atml

result = atml.search(
    "afib", data="data.npz", trials={trials}, folds=2, finalists=1, repeats=1, workers=2, study="s"
)
print("best:", result.best.trial, len(result.exports))
"""


def test_a_search_from_end_to_end(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, logged = Told(), []
    keep = lambda study, trial: logged.append((study.study_name, trial.number, trial.value))  # noqa: E731
    monkeypatch.setitem(trial_log.LOGGERS, "here", lambda: lambda study: (keep, "a list"))
    result = atml.search("afib", Path("data.npz"), trials=2, study="s", log_to="here", progress=told, **QUICK)
    assert result.study == "s" and not result.synthetic and told.lines
    assert result.best is not None and result.best.export == result.exports[0]
    assert result.best.load().classes == ("other", "AF")
    rows = result.trials
    assert logged == [("s", number, rows["value"][number]) for number in (0, 1)]
    assert rows["role"].tolist() == ["search", "search", "finalist"]
    assert rows["of"].dropna().tolist() == [result.best.trial]
    assert (rows["value"] > -1).all() and (rows["seconds"] > 0).all()
    assert rows["param_width"].dropna().isin([4, 8]).all()
    assert "out of fold" in str(result) and result.summary["study"] == "s"
    # The same call again has nothing to do, and the command line goes on with the same study.
    again = atml.search("afib", "data.npz", trials=2, study="s", progress=False, **QUICK)
    assert again.exports == result.exports and len(again.trials) == 3
    more = terminal.run(
        small, "search", "--data", "data.npz", "--study", "s", "--trials", 3, "--folds", 2, "--workers", 1,
        "--finalists", 1, "--repeats", 1,
    )  # fmt: skip
    assert more.returncode == 0 and "3/3" in more.stdout, more.stderr
    scored = atml.score(result.exports[0], "data.npz")
    assert scored.subjects["subject"].tolist() == ["S10", "S11", "S9"]


def test_ctrl_c_leaves_a_study_that_the_same_call_goes_on_with(small: Path) -> None:
    text = SCRIPT.format(trials=500).replace("result = ", "try:\n  result = ")
    text = text.replace('print("best', "except KeyboardInterrupt as error:\n  print(type(error), error)\n#")
    with subprocess.Popen(
        [sys.executable, "-"],
        cwd=small,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(text)
            process.stdin.close()
            said = []
            for line in process.stdout:
                said.append(line)
                if "/500  trial" in line and not any("/500  trial" in one for one in said[:-1]):
                    process.send_signal(signal.SIGINT)
            process.wait(60)
        finally:
            process.kill()
    assert "atml.errors.Interrupted" in said[-1], said
    assert process.returncode == 0
    result = atml.search("afib", "data.npz", trials=2, study="s", progress=False, **QUICK)
    states = result.trials.query("role == 'search'")["state"]
    assert states.isin(["complete", "pruned", "waiting"]).all() and len(result.exports) == 1


def test_an_interruption_is_a_keyboard_interrupt_and_one_of_ours() -> None:
    assert issubclass(Interrupted, KeyboardInterrupt) and issubclass(Interrupted, atml.AtmlError)
    assert Interrupted.exit_code == 130


def test_a_task_may_lie_in_another_folder(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    asked = {"data": small / "data.npz", "trials": 1, "study": "f", "progress": False, **QUICK}
    result = atml.search("afib", task_folder=small, **asked)
    assert "param_width" in result.trials
    with pytest.raises(TaskFileError, match=r"holds no search_spaces/nothing\.py.*known: afib"):
        atml.search("nothing", task_folder=small, **asked)
    with pytest.raises(TaskFileError, match="no objective 'nothing'"):
        atml.search("afib", task_folder=small, objective="nothing", **asked)


def test_what_cannot_be_used_is_said_in_one_line(small: Path) -> None:
    for wrong, words in (
        ({"trials": 0}, "trials is 0; give a whole number, 1 or more"),
        ({"trials": 2.5}, "trials is 2.5"),
        ({"folds": 1}, "folds is 1"),
        ({"timeout": "soon"}, "timeout 'soon' is not a duration"),
        ({"timeout": 0}, "timeout 0 is not a duration"),
        ({"progress": "loud"}, "progress is 'loud'"),
        ({"data": "nothing.npz"}, "nothing.npz"),
        ({"task": "afibb"}, "no task called 'afibb'"),
    ):
        with pytest.raises(InputError, match=words) as told:
            atml.search(**{"data": "data.npz", "progress": False, **wrong})  # type: ignore[arg-type]
        assert "\n" not in str(told.value)
    assert not (small / "studies.db").exists()


def test_what_did_not_qualify_cannot_be_loaded(small: Path) -> None:
    judge = small / "objectives" / "afib.py"
    judge.write_text(judge.read_text().replace("QUALIFIES = 0.01", "QUALIFIES = 1.01"))
    result = atml.search("afib", "data.npz", trials=1, progress=False, **QUICK)
    assert result.best is not None and result.exports == ()
    with pytest.raises(StudyError, match="does not qualify"):
        result.best.load()


def test_defaults_are_the_command_lines() -> None:
    """A program and the command line that say the same get the same."""
    import inspect

    from atml.cli import app

    (command,) = (one.callback for one in app.registered_commands if one.callback.__name__ == "search")
    ours = {name: p.default for name, p in inspect.signature(atml.search).parameters.items()}
    theirs = {name: p.default for name, p in inspect.signature(command).parameters.items()}
    assert set(theirs) - set(ours) == {"json"} and set(ours) - set(theirs) == {"task_folder", "progress"}
    # Theirs reads the environment itself; a path is a text here, and nothing is nothing.
    alike = set(theirs) - {"json", "storage", "lead"}
    assert {n: str(ours[n]) for n in alike} == {n: str(theirs[n]) for n in alike}
    assert theirs["trials"] == Options().trials


def test_durations_and_shares_are_read_as_on_the_command_line() -> None:
    from atml.cli import values

    for text in ("2h", "90m", "1h30m", "45s", "3600", " 1H ", "5min"):
        assert duration("timeout", text) == values.duration(text)
    assert duration("timeout", 90) == 90.0
    assert _held_out(0.2) == "0.2" and _held_out(["418", "419"]) == "418,419" and _held_out("a,b") == "a,b"
