"""The files about one recording: annotations, a table, a summary and a page; all of them or none."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from atml.annotating.beats import Annotated
from atml.annotating.clock import Clock
from atml.annotating.contact import Contact
from atml.annotating.events import Events
from atml.annotating.summary import Summary
from atml.data import out_folder
from atml.data.formats.annotation_writing import to_bytes
from atml.errors import InputError
from atml.formatting import utf8

BEATS, SUMMARY, PAGE = "beats.csv", "summary.json", "index.html"

TAKEN = ("hea", "dat", "csv", "json", "html", "edf", "xws")
"""Extensions that other files have."""


def check_extension(extension: str) -> str:
    """Return the extension of an annotation file, without a dot.

    Raises:
        InputError: It is none that WFDB takes.

    Example:
        >>> check_extension(".atml")
        'atml'
    """
    plain = extension.removeprefix(".")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", plain) or plain.lower() in TAKEN:
        raise InputError(
            f"the extension {extension!r} is none for annotations: give letters and digits, and none of"
            f" {', '.join(TAKEN)}"
        )
    return plain


def contents(
    found: Annotated, events: Events, summary: Summary, clock: Clock, *, record: str, extension: str
) -> dict[str, bytes]:
    """Return the files by name, all but the page."""
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", record) or "record"
    return {
        f"{safe}.{extension}": to_bytes(found.marks(), float(found.rate)),
        BEATS: utf8(table(found, events, clock)),
        SUMMARY: utf8(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False) + "\n"),
    }


def table(found: Annotated, events: Events, clock: Clock) -> str:
    """Return a line for each beat.

    Columns: ``sample``, ``time_s``, ``clock`` ("" where the recording tells no time), ``symbol``, ``class``
    ("" where undecided, and ``undecided`` says why), ``rr_before_s`` ("" where none), and ``score_CLASS`` of
    each class, softmax scores that add up to 1.
    """
    from scipy.special import softmax

    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    heads = ("sample", "time_s", "clock", "symbol", "class", "undecided", "rr_before_s")
    write([*heads, *(f"score_{name}" for name in found.classes)])
    beats = found.beats
    scores = softmax(beats.logits.astype(np.float64), axis=1) if len(beats) else beats.logits
    columns = (beats.sample, events.seconds, beats.label, beats.why, events.rr, scores)
    rows = zip(found.symbols, *(column.tolist() for column in columns), strict=True)
    for symbol, sample, seconds, label, why, rr, score in rows:
        known = label >= 0
        name = found.classes[label] if known else ""
        reason = "" if known else Contact(why).name.lower()
        before = "" if math.isnan(rr) else f"{rr:.3f}"
        said = [f"{one:.4f}" if known else "" for one in score]
        write([sample, f"{seconds:.3f}", clock.of_day(seconds), symbol, name, reason, before, *said])
    return out.getvalue()


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, whole or not at all; raises InputError where that can't be done."""
    with out_folder.whole(out_folder.free(folder)) as new:
        for name, data in files.items():
            (new / name).write_bytes(data)
