"""Data sets: found, parsed once, cached, labelled, and dealt into folds by subject or set."""

from __future__ import annotations

from atml.data.annotated import annotated
from atml.data.episode import Episode
from atml.data.folds import folds, hold_out
from atml.data.inspection import Inspection, Part, Split, inspect
from atml.data.onsets import episodes
from atml.data.opening import open, places
from atml.data.parsing import Fault
from atml.data.set_folds import set_folds
from atml.data.subjects import matching, same_subject
from atml.watching import Progress, watched

__all__ = [
    "Episode",
    "Fault",
    "Inspection",
    "Part",
    "Progress",
    "Split",
    "annotated",
    "episodes",
    "folds",
    "hold_out",
    "inspect",
    "matching",
    "open",
    "places",
    "same_subject",
    "set_folds",
    "watched",
]
