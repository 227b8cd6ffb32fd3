"""The log is only added to: whole lines, in turn, and a line that was changed is found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from atml.errors import InputError
from atml.promotion.in_service import history
from atml.promotion.log import PromotionLog

MODEL = {"export": "/a", "study": "s", "trial": 1, "data": "d", "data_fingerprint": "f"}


def model(name: str) -> dict[str, object]:
    return {**MODEL, "export": f"/{name}", "sha256": name}


def back(before: str, now: str) -> dict[str, object]:
    return {"event": "back", "from": model(before), "to": model(now)}


def decided(challenger: str, champion: str, outcome: str = "promoted") -> dict[str, object]:
    return {
        "event": "decided", "of": 1, "outcome": outcome, "reason": "", "challenger": model(challenger),
        "champion": model(champion), "frozen": {}, "new": None,
    }  # fmt: skip


def test_many_writers_at_once_leave_whole_entries_in_turn(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from atml.promotion.log import PromotionLog;"
        "log = PromotionLog(Path(sys.argv[1]));"
        "[log.add(lambda before: {'event': 'back', 'from': {'seen': len(before)}, 'to': {'x': 'y' * 3000}})"
        " for _ in range(20)]"
    )
    file = tmp_path / "log.jsonl"
    started = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(4)]
    assert [one.wait(timeout=60) for one in started] == [0] * 4
    found = PromotionLog(file).entries()
    assert [one["n"] for one in found] == list(range(1, 81))
    assert [one["from"]["seen"] for one in found] == list(range(80)), "each saw all before it"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace(b'"/b"', b'"/x"', 1), "line 2: the line before it was changed"),
        (lambda text: text[: text.index(b"\n") + 1] + text.split(b"\n", 2)[2], "line 2"),
        (lambda text: text[:-1], "line 3: it does not end"),
        (lambda text: text[:-30] + b"\n", "line 3: it is no entry"),
        (lambda text: text + b"[]\n", "line 4: it is no entry"),
        (lambda text: b"\n" + text, "line 1: it is no entry"),
        (lambda text: text.replace(b'"to"', b'"t"', 1), "line 1: 'to' is missing"),
        (lambda text: b"\xff\xfe" + text, "line 1"),
    ],
)
def test_a_damaged_log_is_refused_and_stays_as_it_is(tmp_path: Path, change: object, says: str) -> None:
    file = tmp_path / "log.jsonl"
    log = PromotionLog(file)
    for _ in range(3):
        log.add(lambda before: back("a", "b"))
    file.write_bytes(damaged := change(file.read_bytes()))  # type: ignore[operator]
    for act in (log.entries, lambda: log.add(lambda before: back("a", "b"))):
        with pytest.raises(InputError, match=says.replace("'", ".")):
            act()
    assert file.read_bytes() == damaged


def test_nothing_is_added_where_making_the_entry_fails(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    log = PromotionLog(file)
    log.add(lambda before: back("a", "b"))
    before = file.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        log.add(lambda before: {**back("a", "b"), "x": float("nan")})
    assert file.read_bytes() == before
    assert json.loads(before)["previous"] == ""


def test_what_can_be_gone_back_to(tmp_path: Path) -> None:
    log = PromotionLog(tmp_path / "log.jsonl")

    def after(*made: dict[str, object]) -> str:
        for one in made:
            log.add(lambda before, one=one: one)  # type: ignore[misc]
        return "".join(one.model.sha256 for one in history(log.entries()))

    assert after() == ""
    assert after(decided("b", "a", "kept")) == "a"
    assert after(decided("b", "a"), decided("c", "b")) == "abc"
    assert after(decided("d", "c", "can't be told")) == "abc"
    assert after(back("c", "b")) == "ab"
    assert after(decided("c", "b"), decided("d", "c")) == "abcd"
    assert after(back("d", "a")) == "a"
