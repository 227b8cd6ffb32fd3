"""Sections of a report about networks that read pages, in place of those about decisions.

Figures are out of fold, in decibels of signal over error: nothing is decided, and nothing has a threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from atml.arrays import Floats, Strings
from atml.formatting import plural, sentence
from atml.metrics import Predictions, resampled
from atml.metrics.waveform import READ_DB, WORST, decibels, mean_snr, worst_snr
from atml.models.paper_config import SIGNAL_WEIGHT, PaperConfig
from atml.report.material import Material
from atml.report.page import Block, Empty, Fold, Grid, Heading, Text
from atml.report.sections import architectures
from atml.report.sections.task_description import task_of
from atml.report.sizes import sizes
from atml.report.tested import not_scored, tested
from atml.tasks.task import WAVEFORM

MOST = 25
"""Pages, the worst ones, that are listed."""


def is_about(material: Material) -> bool:
    """Whether a study searches networks that read pages."""
    task = task_of(material)
    return task is not None and task.kind == WAVEFORM


def _judged(material: Material) -> tuple[Predictions, Floats, Strings, Strings] | str:
    """Return what was read out of fold, its decibels ``(pages, leads)``, kinds and names; or why not.

    Decibels are means over repeats.
    """
    if material.outcome.why or material.plan is None:
        return material.outcome.why or material.plan_gone
    data = material.plan.dataset
    order = [np.argsort(rows, kind="stable") for rows, _ in material.out_of_fold]
    rows = material.out_of_fold[0][0][order[0]]
    runs = [found.take(at) for (_, found), at in zip(material.out_of_fold, order, strict=True)]
    each = np.mean([decibels(run) for run in runs], axis=0)
    names = getattr(data, "record", None)
    record = np.asarray(data.subject if names is None else names)[rows]
    return runs[0], each, np.asarray(data.rhythm)[rows], record


def results(material: Material) -> list[Block]:
    """Decibels over all, by kind of picture and by lead, and test data that were scored."""
    found = _judged(material)
    if isinstance(found, str):
        return [Empty(sentence(f"there is no result yet: {found}"))]
    run, db, kinds, _ = found
    values = [(mean_snr(one), worst_snr(one)) for _, one in material.out_of_fold]
    mean, worst = np.mean(values, axis=0)
    read = np.nanmean(np.where(np.isnan(db), np.nan, db >= READ_DB))
    count = plural(len(material.out_of_fold), "training")
    low, high = _interval(np.nanmean(db, axis=1), run.subject)
    blocks: list[Block] = [
        Text(
            f"Out of fold, on subjects that the reading network never saw, signal over error is {mean:.2f} dB"
            f" ({low:.2f} to {high:.2f}, 95% over subjects), the mean over pages and leads of {count}; over"
            f" the worst {WORST:.0%} of the pages {worst:.2f} dB. {read:.0%} of the leads have {READ_DB:g} dB"
            " or more. Leads are aligned by up to 0.2 s and in level, and one that was not read has 0 dB."
        ),
        Heading("By kind of picture"),
        _by_kind(db, kinds, run.subject),
        Heading("By lead"),
        _by_lead(db, run.subject, task_classes(material)),
        Heading("Test data"),
    ]
    scored = tested(material)
    for title, one in scored:
        keys = [key for key in ("mean_db", "kaggle2025", "cinc2024", "pearson", "read") if key in one]
        rows = tuple((key, f"{one[key]:.3f}") for key in keys)
        blocks.append(Grid(("figure", title), rows, "As `atml score` wrote it."))
    if not scored:
        blocks.append(Empty(not_scored(material.winner)))
    return [*blocks, Heading("Size against value"), *sizes(material)]


def task_classes(material: Material) -> tuple[str, ...]:
    """Return the leads."""
    task = task_of(material)
    return () if task is None else task.classes


def _interval(values: Floats, subjects: Strings) -> tuple[float, float]:
    """Return the 95% interval of a mean over pages, by drawing subjects."""
    there = np.isfinite(values)
    names, which = np.unique(subjects[there], return_inverse=True)
    sums = np.stack([np.bincount(which, values[there], len(names)), np.bincount(which)], 1)
    found = resampled(
        sums.astype(np.float64), lambda table: {"mean": table[:, 0] / np.maximum(table[:, 1], 1)}
    )
    return found["mean"].low, found["mean"].high


def _row(name: str, db: Floats, subjects: Strings) -> tuple[str, ...]:
    """Describe the decibels ``(pages, leads)`` of a part of the pages, or of the leads."""
    pages = np.nanmean(db, axis=1)
    low, high = _interval(pages, subjects)
    return (
        name,
        f"{len(db)}",
        f"{len(np.unique(subjects))}",
        f"{np.nanmean(pages):.2f} ({low:.2f} to {high:.2f})",
        f"{np.nanmedian(db):.2f}",
        f"{np.mean(db[np.isfinite(db)] >= READ_DB):.2f}",
    )


COLUMNS = ("pages", "subjects", "mean dB", "median dB", f"share with {READ_DB:g} dB")


def _by_kind(db: Floats, kinds: Strings, subjects: Strings) -> Grid:
    names = sorted(set(kinds.tolist()))
    rows = [_row(name or "unknown", db[kinds == name], subjects[kinds == name]) for name in names]
    worst = min(names, key=lambda name: float(np.nanmean(db[kinds == name])))
    says = f"Kinds are those of the set. {(worst or 'unknown').capitalize()} is read worst."
    return Grid(("pictures", *COLUMNS), tuple(rows), says)


def _by_lead(db: Floats, subjects: Strings, leads: tuple[str, ...]) -> Grid:
    rows, means = [], {}
    for at, lead in enumerate(leads):
        there = np.isfinite(db[:, at])
        if there.any():
            rows.append(_row(lead, db[there, at : at + 1], subjects[there]))
            means[lead] = float(db[there, at].mean())
    says = f"{min(means, key=lambda lead: means[lead])} is read worst." if means else "No lead is drawn."
    return Grid(("lead", *COLUMNS), tuple(rows), says)


def failures(material: Material) -> list[Block]:
    """List subjects and pages, the worst first."""
    found = _judged(material)
    if isinstance(found, str):
        return [Empty(sentence(f"there is no result yet: {found}"))]
    run, db, kinds, names = found
    pages = np.nanmean(db, axis=1)
    people = {name: pages[run.subject == name] for name in np.unique(run.subject).tolist()}
    ordered = sorted(people, key=lambda name: float(people[name].mean()))
    rows = tuple(
        (name, f"{len(people[name])}", f"{people[name].mean():.2f}", f"{people[name].min():.2f}")
        for name in ordered[:MOST]
    )
    cut = f" Of {len(ordered)} the {MOST} worst are shown." if len(ordered) > MOST else ""
    median = np.median([one.mean() for one in people.values()])
    leads = np.array(task_classes(material))
    lines = []
    for at in np.argsort(pages, kind="stable")[:MOST]:
        missed = leads[np.nan_to_num(db[at], nan=np.inf) < READ_DB]
        lines.append(
            (
                str(names[at]),
                str(run.subject[at]),
                str(kinds[at]) or "unknown",
                f"{pages[at]:.2f}",
                ", ".join(missed) if len(missed) < len(leads) else "all",
            )
        )
    nothing = int((np.nan_to_num(db, nan=0.0) == 0).all(axis=1).sum())
    refused = f" Nothing was read on {plural(nothing, 'page')}." if nothing else ""
    return [
        Heading("By subject"),
        Grid(
            ("subject", "pages", "mean dB", "worst page, dB"),
            rows,
            f"Worst first: the median is {median:.2f} dB.{cut}",
        ),
        Heading("Worst pages"),
        Grid(
            ("page", "subject", "picture", "mean dB", f"leads below {READ_DB:g} dB"),
            tuple(lines),
            f"The {len(lines)} worst of {len(pages)} pages, out of fold.{refused} `atml digitize PAGE.png"
            " --out READ --model EXPORT` draws what is read over the picture.",
        ),
    ]


def data_overview(material: Material) -> list[Block]:
    """Say how many pages of whom there are, of which kinds, and how they were split."""
    plan = material.plan
    if plan is None:
        return [Empty(sentence(f"the data are not known: {material.plan_gone}"))]
    data = plan.dataset
    kinds, counts = np.unique(data.rhythm, return_counts=True)
    told = ", ".join(f"{count} {kind or 'unknown'}" for kind, count in zip(kinds, counts, strict=True))
    people = len(np.unique(data.subject))
    blocks: list[Block] = [
        Text(
            f"{data.name}: {plural(len(data), 'page')} of {plural(people, 'subject')}; by kind of picture:"
            f" {told}. Pages of one subject are much alike: subjects count, not pages."
        ),
        *(Text(sentence(note)) for note in data.notes),
    ]
    if held := plan.origin.held_out:
        blocks.append(Text(f"Held out of the search, for `atml score`: {', '.join(held)}."))
    rows = tuple(
        (
            f"{number}",
            f"{len(np.unique(data.subject[fold.held_out]))}",
            f"{len(fold.held_out)}",
            f"{len(fold.train)}",
        )
        for number, fold in enumerate(plan.folds, 1)
    )
    says = "No subject is on both sides of a fold."
    return [
        *blocks,
        Fold("Split by subject", (Grid(("fold", "subjects held out", "pages", "trained on"), rows, says),)),
    ]


def preparation(material: Material) -> list[Block]:
    """Say what a network sees of a page, in training and in reading."""
    config = _config(material)
    if config is None:
        return []
    rows, columns = config.pixels
    how = "learned weights" if config.reading == "soft_argmax" else "its ink"
    return [
        Text(
            f"A page is brought to {rows} x {columns} pixels. Training sees random crops of {config.crop[0]}"
            f" x {config.crop[1]} pixels, of pages as they lie and laid flat by what is known of them, with"
            f" brightness, contrast and tint changed by up to {config.light:.0%}. A page is read twice: as it"
            " lies, which tells where its grid is, and laid flat by that."
        ),
        Text(
            f"Of a column the row is read by {how}, and columns become 500 samples a second by"
            f" {'Fourier' if config.resampling == 'fft' else 'linear'} interpolation."
        ),
    ]


def task_description(material: Material) -> list[Block]:
    """Say what goes in and what comes out."""
    plan, task = material.plan, task_of(material)
    if task is None or task.picture is None:
        return []
    rows, columns = task.picture
    blocks: list[Block] = [
        Text(
            f"Given a picture of an ECG page, read the signals of its leads in mV: {', '.join(task.classes)};"
            " 10 s at 500 Hz. Every lead that is drawn counts the same."
        ),
        Grid(
            ("what", "as the exported file has it"),
            (
                ("input", f"a page: {rows} x {columns} pixels in red, green and blue, 0 to 255"),
                ("output", "10 maps of each pixel: what it is, and where on the page"),
                ("reading", "`atml digitize --model`, or `atml.library.page_reader`, from the maps"),
            ),
            "What runs on the device.",
        ),
    ]
    if plan is not None:
        lines = (
            ("objective", plan.definition.value_name),
            ("judged", f"out of fold, {len(plan.folds)} folds by {plan.fold_by}"),
            ("qualifies", plan.definition.gate.words),
            ("budget", plan.budget.describe()),
            ("seed", f"{plan.seed}"),
        )
        blocks.append(Grid(("what", "as the study keeps it"), lines, "Settings of the search."))
    return blocks


def losses(material: Material) -> list[Block]:
    """List the five losses and the weights that the best trial gives them."""
    config = _config(material)
    if config is None:
        return []
    rows = (
        (
            "segmentation",
            f"{config.segmentation:.3g}",
            "what a pixel is: cross entropy, Dice of the traces",
        ),
        ("grid", f"{config.grid:.3g}", "cosine and sine of the phase of the 5-mm grid: squared error"),
        (
            "baseline",
            f"{config.baseline:.3g}",
            "how far below a pixel its zero line is: smooth absolute error",
        ),
        ("theta", f"{config.theta:.3g}", "rotation of the grid: smooth absolute error"),
        ("signal", f"{SIGNAL_WEIGHT:g}", "how far the mean row of a trace lies off; fixed, not searched"),
    )
    says = "Their sum is minimised and never searched on: the objective is of the signals that come out."
    return [Grid(("loss", "weight", "of what"), rows, says)]


def layers(material: Material) -> list[Block]:
    """Show the layers of the best trial's network."""
    blocks = architectures.contents(material)
    at = next((n for n, one in enumerate(blocks) if one == Heading("The winner")), len(blocks))
    end = next(
        (n for n in range(at + 1, len(blocks)) if isinstance(blocks[n], Heading)),
        len(blocks),
    )
    said = "A U-Net: levels of half the size of the one above and, beside each, the way back up."
    return [Text(said), *blocks[at:end]] if at < len(blocks) else []


def _nothing(material: Material) -> list[Block]:
    """Leave a section out that is about decisions."""
    return []


def _config(material: Material) -> PaperConfig | None:
    best = material.best
    return best.config if best is not None and isinstance(best.config, PaperConfig) else None


INSTEAD: Mapping[str, Callable[[Material], list[Block]]] = {
    "results": results,
    "beats": _nothing,
    "failures": failures,
    "device": _nothing,
    "data_overview": data_overview,
    "preparation": preparation,
    "carry_over": _nothing,
    "task_description": task_description,
    "architectures": layers,
    "families": _nothing,
    "losses": losses,
}
"""What stands for which module of `atml.report.SECTIONS`."""
