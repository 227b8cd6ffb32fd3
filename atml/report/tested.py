"""Figures on test data, read from the files that `atml score` wrote: no test data are opened here."""

from __future__ import annotations

from atml.comparison.result import FEW
from atml.data.cases import BEAT, PAGE, WINDOW
from atml.formatting import between, ordinal, plural, sentence, value
from atml.report.figures import Figures, interval_of
from atml.report.material import Material
from atml.report.page import Block, Grid
from atml.report.study_contents import Export
from atml.report.tested_beats import beat_by_beat, is_beat_by_beat

LABELS = "labels"
"""Rule of tasks of several labels, `atml.scoring.rules.label_sets`."""

NAMES = {
    "recall": "sensitivity",
    "precision": "PPV",
    "balanced_accuracy": "balanced accuracy",
    "F": "F, the rule's own F-beta",
    "G": "G, share of subjects that are good",
}


def tested(material: Material) -> list[tuple[str, Figures]]:
    """Return a title and the figures of each evaluation of the winner's export on test data."""
    winner = material.winner
    found = [one for one in (winner.scores if winner is not None else {}).values() if "rule" in one]
    titles = [f"{ordinal(int(one.get('look', 0)))} evaluation" for one in found]
    # Evaluations are counted for each test set: two may be the first, on two sets or by two databases.
    titles = _apart(titles, [f" on {one.get('data', 'test data')}" for one in found])
    titles = _apart(titles, [f", {at + 1} on file" for at in range(len(found))])
    return list(zip(titles, found, strict=True))


def _apart(titles: list[str], more: list[str]) -> list[str]:
    """Say more where two titles are the same."""
    return [t + also if titles.count(t) > 1 else t for t, also in zip(titles, more, strict=True)]


def seen(one: Figures) -> str:
    """Say how much was evaluated: windows, and subjects, with a warning where these are few."""
    what = BEAT if is_beat_by_beat(one) else PAGE if one.get("rule") == LABELS else WINDOW
    windows = what.count(int(one.get("segments", 0)))
    people = one.get("people") or len(one.get("subjects", ()))
    if not people:
        return f"{windows}; of how many subjects is not on file"
    few = ", so few that intervals are too narrow" if people < FEW else ""
    return f"{windows} of {plural(people, 'subject')}{few}"


def alike(one: Figures) -> bool:
    """Whether a rule's figures are of the positive class against the rest, or of labels, as out of fold."""
    return isinstance(one.get("confusion"), dict) or one.get("rule") == LABELS


def not_scored(winner: Export | None) -> str:
    """Say how to get figures on test data, where there are none."""
    what = str(winner.folder) if winner is not None else "EXPORT"
    return (
        f"Test data: not scored yet. `atml score {what} --data SET` does it and counts the evaluation; this"
        " report opens no test data itself."
    )


def official(title: str, one: Figures) -> list[Block]:
    """Return the figures of an evaluation under the rule's own names, the baseline's beside them."""
    later = one.get("look", 0) > 1
    earlier = ", and a model chosen by earlier ones looks better here than it is" if later else ""
    where = f"{one.get('data', 'test data')}, {seen(one)}"
    said = f"Rule {one['rule']} on {where}: {title} of this test set{earlier}."
    if is_beat_by_beat(one):
        return beat_by_beat(said, one)
    said += "".join(f" {sentence(note)}" for note in one.get("notes", ()))
    return [_categories(one, said) if one.get("categories") else _figures(one, said)]


def _figures(one: Figures, said: str) -> Block:
    baseline = one.get("baseline") or {}
    rows = []
    for key, fields in one.get("intervals", {}).items():
        found, theirs = interval_of(fields), interval_of(baseline.get("intervals", {}).get(key))
        if found is not None:
            beside = [value(theirs.value if theirs else None)] if baseline else []
            rows.append((NAMES.get(key, key), value(found.value), between(found), *beside))
    total = one.get("total")
    if total is not None:
        points = " + ".join(f"{key} {points:.3f}" for key, points in (one.get("points") or {}).items())
        rows.append(("points", value(total), points, *(["-"] if baseline else [])))
    header = ("figure", "value", "95% over subjects", *(["baseline"] if baseline else []))
    return Grid(header, tuple(rows), said)


def _categories(one: Figures, said: str) -> Block:
    """Return the rows by which AEDs are judged."""
    baseline = {row["category"]: row for row in (one.get("baseline") or {}).get("categories", ())}
    rows = tuple(
        (
            str(row["category"]),
            str(row["measure"]),
            str(row["n"]),
            str(row["subjects"]),
            value(row["observed"]),
            value(row["lower_limit"]),
            "-" if row["goal"] is None else f"{row['goal']:g} / {row['goal_of_limit']:g}",
            str(row["verdict"]),
            *([value(baseline.get(row["category"], {}).get("observed"))] if baseline else []),
        )
        for row in one["categories"]
    )
    header = ("category", "measure", "n", "subjects", "observed", "lower limit", "goals", "verdict")
    passed = sum(row["verdict"] == "passed" for row in one["categories"])
    short = sum(row["verdict"] == "not assessable" for row in one["categories"])
    said += f" {passed} of {len(rows)} rows passed; {short} have too few windows to be judged."
    return Grid((*header, *(["baseline"] if baseline else [])), rows, said)
