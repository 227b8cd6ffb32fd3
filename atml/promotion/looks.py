"""What earlier entries of a log say of a promotion that begins now: changed margins, test sets, figures.

A margin means something only where it was set before anybody saw the figures. That it was is what the log
shows: what was asked is written down before the models' figures are. So a second try is seen, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atml.formatting import plural
from atml.promotion.log import BEGUN, DECIDED, Entry


def changes(entries: Sequence[Entry], begun: Mapping[str, Any]) -> list[str]:
    """Say what is other than at earlier looks, and how many there were.

    ``begun`` is what the new entry will say. Nothing is said at a first look.
    """
    before = [entry for entry in entries if entry["event"] == BEGUN]
    outcome = {entry["of"]: entry["outcome"] for entry in entries if entry["event"] == DECIDED}
    mine = [one for one in before if _sha(one, "challenger") == _sha(begun, "challenger")]
    found = []
    if mine:
        last = mine[-1]
        for key, what in (
            ("margin", "the margin"),
            ("asked", "what has to be shown"),
            ("by", "the figure"),
            ("objective", "the objective"),
        ):
            if (then := last.get(key)) != (now := begun.get(key)):
                found.append(f"{what} was changed after a look: {then} in entry {last['n']}, {now} now")
        if last["frozen"]["sha256"] != begun["frozen"]["sha256"]:
            found.append(f"the frozen set was changed after a look: it was another in entry {last['n']}")
        if (last["new"] or {}).get("sha256") != (begun["new"] or {}).get("sha256"):
            found.append(f"the new people were changed after a look: they were others in entry {last['n']}")
        came = outcome.get(last["n"], "no decision was written down")
        times = "once" if len(mine) == 1 else f"{len(mine)} times"
        found.append(f"this challenger was judged {times} before, last in entry {last['n']}: {came}")
    elif before and before[-1]["frozen"]["sha256"] != begun["frozen"]["sha256"]:
        found.append(
            f"the frozen test set is another than in entry {before[-1]['n']}: differences can't be compared"
        )
    others = {
        _sha(one, "challenger") for one in before if one["frozen"]["sha256"] == begun["frozen"]["sha256"]
    } - {_sha(begun, "challenger")}
    if others:
        were = "was" if len(others) == 1 else "were"
        found.append(
            f"{plural(len(others), 'other challenger')} {were} judged on this frozen set: the best of several"
            " looks better there than it is"
        )
    return found


def _sha(entry: Mapping[str, Any], who: str) -> str:
    return str(entry[who]["sha256"])
