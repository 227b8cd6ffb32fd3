"""Help that is read once: options in groups, every default, types in words, a study named alike anywhere."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from atml import cli
from atml.cli.help_text import grouped
from atml.cli.values import duration, number, whole
from tests.terminal import run

FIXTURE = Path(__file__).resolve().parent.parent / "fixtures" / "v0.1"

OF_A_STUDY = (
    "status", "best show", "best export", "report", "dashboard", "run", "worker", "compare", "search",
    "regions show", "regions explain", "regions lift", "regions import", "regions export",
    "study pack", "study delete", "study copy",
)  # fmt: skip


def commands(group: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in (group or typer.main.get_command(cli.app)).commands.items():
        whole_name = f"{path} {name}".strip()
        yield whole_name, command
        if hasattr(command, "commands"):
            yield from commands(command, whole_name)


COMMANDS = dict(commands())
LEAVES = {name: command for name, command in COMMANDS.items() if not hasattr(command, "commands")}


def lines(command: Any) -> dict[str, list[tuple[str, str]]]:
    context = command.context_class(command, info_name="atml")
    return grouped(command.get_params(context), context)


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_shows_its_default_and_a_type_in_words(name: str) -> None:
    for param in LEAVES[name].params:
        context = LEAVES[name].context_class(LEAVES[name], info_name="atml")
        spelt, text = param.get_help_record(context)
        if param.param_type_name == "option" and not (
            getattr(param, "is_flag", False) and not param.secondary_opts
        ):
            assert "default: " in text or "required]" in text, (spelt, text)
    for group in lines(LEAVES[name]).values():
        for spelt, text in group:
            assert not re.search(
                r"<|>|\bSTR\b|\bTEXT\b \[|INTEGER|BOOLEAN|x>=", spelt + text.replace("->", "")
            )
            assert not re.search(r"\(\w[^()]*\)\]$", text), "typer's parentheses around a default"


def test_options_of_a_search_stand_in_groups(tmp_path: Path) -> None:
    shown = run(tmp_path, "search", "--help").stdout
    headings = re.findall(r"^(\w.*):$", shown, re.MULTILINE)
    assert headings == [
        "Task", "Data", "Study", "Length of the search", "Limits of the model", "Winner and export",
        "Workers", "Rejected regions", "Output",
    ]  # fmt: skip
    assert re.findall(r"^(\w.*):$", run(tmp_path, "run", "--help").stdout, re.MULTILINE)[0] == "Arguments"
    listed = run(tmp_path, "--help").stdout
    for words in ((), ("study",)):
        alone = run(tmp_path, *words)
        assert alone.returncode == 2 and not alone.stderr, "the help is no error message"
        assert alone.stdout.strip() == run(tmp_path, *words, "--help").stdout.strip()
    assert set(re.findall(r"^  (\w+) ", listed, re.MULTILINE)) >= {n for n in COMMANDS if " " not in n}


@pytest.mark.parametrize("name", OF_A_STUDY)
def test_a_study_is_named_by_the_same_option_everywhere(name: str) -> None:
    spelt = [option for group in lines(LEAVES[name]).values() for option, _ in group]
    assert ("--study NAME" in spelt and "--storage URL" in spelt) or name == "study copy"


def test_a_study_by_option_is_the_study_by_name(tmp_path: Path) -> None:
    shutil.copy(FIXTURE / "studies.db", tmp_path)
    name = run(tmp_path, "status", "--json").stdout.split('"study": "')[1].split('"')[0]
    for words in (["best"], ["status"], ["regions"], ["best", "show"]):
        by_name = run(tmp_path, *words, name)
        assert by_name.returncode == 0, by_name.stderr
        assert run(tmp_path, *words, "--study", name).stdout == by_name.stdout
    both = run(tmp_path, "best", name, "--study", "another")
    assert both.returncode == 2 and f"two studies are named, '{name}' and --study another" in both.stderr
    for words in (["worker"], ["study", "pack"], ["study", "delete", "--yes"]):
        unnamed = run(tmp_path, *words)
        assert unnamed.returncode == 2 and "which study? name it with --study NAME" in unnamed.stderr


def test_rules_are_listed(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.py").write_text("raise SystemExit\n")
    for words in (["score"], ["compare"]):
        listed = run(tmp_path, *words, "--rule", "list")
        assert listed.returncode == 0 and not listed.stderr
        for rule in ("aha-aed", "cinc2017", "iccad2022", "iccad2023", "iesd2024", "records", "mine"):
            assert rule in listed.stdout
            assert rule == "mine" or rule in run(tmp_path, *words, "--help").stdout
        assert "vt_rate=150" in listed.stdout and "rules/mine.py" in listed.stdout


def test_values_are_read_or_refused_in_words() -> None:
    assert whole(0, 9)("9") == 9 and number(0.1)("0.1") == 0.1 and number()("-3") == -3
    for parse, text, said in (
        (whole(1), "0", "must be 1 or more"),
        (whole(0, 9), "10", "must be 9 or less"),
        (whole(1), "1.5", "must be a whole number"),
        (number(0), "-1", "must be 0 or more"),
        (number(), "nan", "must be a number"),
        (duration, "soon", "must be seconds, or a time such as"),
    ):
        with pytest.raises(typer.BadParameter, match=said):
            parse(text)  # type: ignore[operator]
