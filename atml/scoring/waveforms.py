"""Networks that read pages, judged by how near the signals they read come to the true ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atml.arrays import Floats, Strings
from atml.artifacts.model import ExportedModel
from atml.artifacts.page_reader import reader_of
from atml.data.subjects import matching
from atml.digitising.signal_rules import LeadMatch, PictureMatch
from atml.errors import DataError, ExportError, InputError
from atml.formatting import plural
from atml.metrics import resampled
from atml.metrics.waveform import FLOOR_DB, MOST_DB, READ_DB
from atml.paper.page_data import PageDataset, open_pages
from atml.paper.page_truth import RATE
from atml.scoring.presentation import ScoreReport
from atml.scoring.recording import Pending, by_set
from atml.scoring.rules import Figure, Judged, Score, Table
from atml.tasks import targets

RULES = ("kaggle2025", "cinc2024")
"""Rules that such a network is judged by, both in one evaluation; the first gives its name to it."""

NAMES = {
    "mean_db": "dB of a page, mean",
    "kaggle2025": "dB by rule kaggle2025",
    "cinc2024": "dB by rule cinc2024",
    "pearson": "Pearson's r, mean",
    "read": f"share of leads with {READ_DB:g} dB or more",
}


def judge(
    exported: ExportedModel,
    data_paths: Path | Sequence[Path] | None,
    *,
    rule: str = "",
    cache: Path | None = None,
    only: Collection[str] | None = None,
) -> Pending:
    """Judge an export that reads pages on sets whose signals are known (`atml.paper.page_sources`).

    Subjects that the model was trained on are left out.

    Args:
        exported: What reads pages.
        data_paths: The sets.
        rule: "" or one of `RULES`: both are in the report.
        cache: Folder of the data cache.
        only: Subjects to score; all others are left out.

    Raises:
        InputError: Another rule.
        ExportError: The file does not tell who it was trained on.
        DataError: No pages, or none of anyone whom the model was not trained on.
    """
    if rule and rule not in RULES:
        raise InputError(
            f"--rule {rule} judges decisions, and {exported.path} reads signals: leave it out, or give"
            f" {' or '.join(RULES)}"
        )
    if not exported.knows_subjects:
        raise ExportError(
            f"{exported.path} does not list its training subjects: score it in its export folder"
        )
    left: set[str] = set()

    def trained(names: Strings) -> npt.NDArray[np.bool_]:
        there = matching(names, exported.trained_on(np.unique(names).tolist()))
        left.update(names[there].tolist())
        if only is not None:
            there = there | ~np.isin(names, sorted(only))
        if there.all():
            raise DataError(
                f"the model was trained on every subject of {data_paths}; give other pages, or search again"
                " with --hold-out to keep some subjects for scoring"
            )
        return np.asarray(there)

    paths = [] if data_paths is None else [data_paths] if isinstance(data_paths, Path) else list(data_paths)
    dataset = open_pages(paths, exported.task, leave_out=trained, cache=cache, learn=False)
    reader = reader_of(exported)
    found, refused = [], dict[str, int]()
    for row in range(len(dataset)):
        read = reader.read(np.asarray(dataset.pages.rgb[row]))
        found.append(PictureMatch.of(np.asarray(dataset.pages.signal[row]), read.signal, RATE))
        if read.refused:
            refused[read.refused] = refused.get(read.refused, 0) + 1
    notes = [f"{plural(count, 'page')} not read: {why}" for why, count in refused.items()]
    if left:
        notes.append(f"{plural(len(left), 'subject')} left out: the model was trained on them")
    report = ScoreReport(
        exported=exported,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=False,
        windows=len(dataset),
        subjects=len(set(dataset.subject.tolist())),
        score=score(dataset, found),
        evaluation=0,
        notes=tuple(notes),
    )
    return Pending(
        report=report,
        judged=_judged(exported, dataset, found),
        people=by_set(dataset, several=len(paths) > 1),
        left_out=frozenset(left),
    )


def score(dataset: PageDataset, found: Sequence[PictureMatch]) -> Score:
    """Return the figures of pages that were read, with intervals over subjects."""
    names, which = np.unique(dataset.subject, return_inverse=True)
    each = np.array([_sums(one) for one in found])
    columns = np.stack([np.bincount(which, column, len(names)) for column in each.T], 1)
    drawn = resampled(columns, _figures)
    leads = dataset.pages.signal.shape[1]
    return Score(
        rule=RULES[0],
        figures=tuple(Figure(key, name, drawn[key].value, drawn[key]) for key, name in NAMES.items()),
        tables=(
            _by_kind(np.asarray(dataset.rhythm), found),
            _by_lead([[one.leads[at] for one in found] for at in range(leads)]),
        ),
        notes=(
            "dB of signal over error; a page that was not read has 0 dB and r 0. kaggle2025 is of the mean"
            " ratio over pages, so that easy ones dominate; leads are aligned by up to 0.2 s and in level,"
            " but for cinc2024",
        ),
    )


def _sums(one: PictureMatch) -> list[float]:
    """Return what a page adds to the sums that `_figures` is of."""
    there = [lead for lead in one.leads if lead is not None]
    return [
        1.0,
        max(one.db, FLOOR_DB),
        one.ratio,
        one.pearson,
        sum(max(lead.raw_db, FLOOR_DB) for lead in there),
        sum(lead.db >= READ_DB for lead in there),
        float(len(there)),
    ]


def _figures(sums: Floats) -> dict[str, Floats]:
    pages, leads = np.maximum(sums[:, 0], 1), np.maximum(sums[:, 6], 1)
    return {
        "mean_db": sums[:, 1] / pages,
        "kaggle2025": 10 * np.log10(np.maximum(sums[:, 2] / pages, 1e-6)),
        "cinc2024": sums[:, 4] / leads,
        "pearson": sums[:, 3] / pages,
        "read": sums[:, 5] / leads,
    }


def _by_kind(kinds: Strings, found: Sequence[PictureMatch]) -> Table:
    """One row a kind of picture, and one for all."""
    records = []
    for kind in [*dict.fromkeys(kinds.tolist()), "all"]:
        mine = [one for one, its in zip(found, kinds.tolist(), strict=True) if kind in (its, "all")]
        all_of = _figures(np.sum([_sums(one) for one in mine], 0)[None])
        record: dict[str, str | float] = {"pictures": kind or "unknown", "pages": len(mine)}
        record |= {"mean dB": float(all_of["mean_db"][0])}
        record |= {"median dB": float(np.median([max(one.db, FLOOR_DB) for one in mine]))}
        record |= {name: float(all_of[name][0]) for name in ("kaggle2025", "cinc2024")}
        record |= {"r": float(all_of["pearson"][0]), "leads read": float(all_of["read"][0])}
        records.append(record)
    return _table("kinds", records)


def _by_lead(leads: Sequence[Sequence[LeadMatch | None]]) -> Table:
    """One row a lead."""
    from atml.pages.twelve_leads import LEADS

    records = []
    for name, every in zip(LEADS, leads, strict=True):
        there = [one for one in every if one is not None]
        if not there:
            continue
        db = [min(max(one.db, FLOOR_DB), MOST_DB) for one in there]
        record: dict[str, str | float] = {"lead": name, "pages": len(there), "mean dB": float(np.mean(db))}
        record |= {"median dB": float(np.median(db)), "r": float(np.mean([one.pearson for one in there]))}
        record |= {"leads read": float(np.mean(np.array(db) >= READ_DB))}
        records.append(record)
    return _table("leads", records)


def _table(key: str, records: Sequence[Mapping[str, str | float]]) -> Table:
    def text(name: str, value: str | float) -> str:
        if isinstance(value, float):
            return f"{value:.1f}" if "dB" in name or name in RULES else f"{value:.3f}"
        return f"{value}"

    return Table(
        key=key,
        header=tuple(records[0]),
        cells=tuple(tuple(text(name, value) for name, value in one.items()) for one in records),
        records=tuple(dict(one) for one in records),
    )


def _judged(exported: ExportedModel, dataset: PageDataset, found: Sequence[PictureMatch]) -> Judged:
    """Return which leads were read, as decisions."""
    decibels = [
        [FLOOR_DB if lead is None else min(max(lead.db, FLOOR_DB), MOST_DB) for lead in one.leads]
        for one in found
    ]
    logits = np.asarray(decibels, np.float32) - np.float32(READ_DB)
    return Judged(
        task=exported.task,
        y_true=dataset.y,
        y_pred=targets.of(exported.task).labels(logits),
        subject=dataset.subject,
        rhythm=dataset.rhythm,
        x=dataset.x,
        logits=logits,
        record=dataset.record,
    )
