"""The command that brings whoever reads a study's verdict further."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atml.searching.leaderboard import Entry
from atml.searching.search_options import Goal
from atml.training.records import Role, TrialRecord


def where(folder: Path) -> str:
    """Return a path as short as it can be typed from here."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def goes_on(attrs: Mapping[str, Any], records: Sequence[TrialRecord]) -> str:
    """Return the option with the goal that the trials of a study did not reach yet; "" where they did."""
    goal, done = Goal.of(dict(attrs)), sum(t.finished and t.role == Role.SEARCH for t in records)
    return f" --trials {goal.trials}" if goal is not None and done < goal.trials else ""


def command(
    name: str,
    first: Entry,
    spec: Mapping[str, Any],
    kept: Mapping[str, Any],
    more: str,
    tested: bool,
    missing: Sequence[str],
) -> str:
    """Return the command that brings a reader further, without ``--storage``."""
    study = shlex.quote(name)
    if not first.seeds:
        return f"atml search --task {spec.get('task')} --study {study}{more}"
    if first.folder is None:
        return f"atml best export {study}{' --unqualified' if missing else ''}"
    if tested:
        return f"atml report {study}"
    rule = f" --rule {kept['rule']}" if kept.get("rule") else ""
    data = _test_data(spec, split=bool(kept.get("split")))
    return f"atml score {shlex.quote(where(first.folder))}{data}{rule}"


def _test_data(spec: Mapping[str, Any], *, split: bool) -> str:
    if spec.get("synthetic"):
        return ""
    paths = spec.get("data") or ()
    if not split or not paths:
        return " --data TEST_DIR"
    some = [paths] if isinstance(paths, str) else paths
    # Leads and people are those of the training anyway.
    told = {"--data": some, "--labels": [spec.get("labels")], "--sampling-rate": [spec.get("sampling_rate")]}
    return "".join(
        f" {option} {shlex.quote(str(value))}" for option, values in told.items() for value in values if value
    )
