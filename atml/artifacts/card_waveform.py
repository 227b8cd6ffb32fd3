"""The model card of a network that reads pages: decibels, and how many leads were read."""

from __future__ import annotations

from collections.abc import Mapping

from atml.artifacts.record import ExportRecord
from atml.formatting import between, plural, table
from atml.metrics.waveform import READ_DB
from atml.models.config import ModelConfig
from atml.models.paper_config import SIGNAL_WEIGHT, PaperConfig
from atml.tasks.task import Task

SUBJECT_FIGURE = "mean over subjects"
COMPARED: Mapping[str, str] = {}
READ = f"share of leads with {READ_DB:g} dB or more"


def decides(task: Task) -> str:
    """Name the leads."""
    return f"nothing: it reads {len(task.classes)} leads off a page, {', '.join(task.classes)}"


def wins(task: Task) -> str:
    """Say what reads the maps."""
    return "10 maps of each pixel; `atml digitize --model` reads leads off them"


def headline(record: ExportRecord) -> list[tuple[str, str]]:
    """The share of leads that were read."""
    found = record.result.intervals["recall"]
    return [(f"{READ}, out of fold", f"{found.value:.3f}, 95% interval {between(found)}")]


def results(record: ExportRecord) -> str:
    """Write the share of pages on which each lead was read."""
    result, task = record.result, record.task
    runs, people = plural(len(record.runs), "training"), plural(len(result.table.names), "subject")
    rows = []
    for at, lead in enumerate(task.classes):
        read = result.rates[f"sensitivity {lead}"]
        pages = int(result.table.pooled()[at, 1].sum()) // max(1, len(record.runs))
        rows.append((lead, f"{pages}", f"{read.value:.3f} ({between(read)})"))
    return "\n\n".join(
        [
            "## Results out of fold",
            f"Every page was read by models that never saw its subject; mean of {runs}, {people}."
            " Signal over error in dB is taken after alignment by up to 0.2 s and in level, a lead that was"
            " not read has 0. The intervals (95%) come from resampling subjects. The report of the study has"
            " dB by kind of picture, lead and page.",
            table(("lead", "pages", READ), rows),
        ]
    )


def rhythms(task: Task) -> str:
    """Name what the shares of the pages of a kind of picture make up."""
    return "with every lead read"


def weights(config: ModelConfig) -> str:
    """Nothing is favoured."""
    return ""


def training(config: PaperConfig) -> list[tuple[str, str]]:
    """Return rows of what the training was, in place of those of a classifier."""
    high, wide = config.crop
    names = ("segmentation", "grid", "baseline", "theta")
    losses = ", ".join(f"{name} {getattr(config, name):g}" for name in names)
    return [
        ("optimizer", f"adamw, weight decay {config.weight_decay:g}"),
        ("learning rate", f"{config.learning_rate:.3g}, risen over the first steps, then down a cosine"),
        ("batch", f"{config.batch} crops of {high} x {wide} pixels, of pages as they lie and laid flat"),
        ("weights of the losses", f"{losses}, signal {SIGNAL_WEIGHT:g}"),
        ("gradients", f"cut to a length of {config.clip:g}"),
        ("augmentation", f"light and contrast by up to {config.light:.0%}" if config.light else "none"),
        *([("begun with", f"the weights in {config.begin}")] if config.begin else []),
    ]


def limits(record: ExportRecord) -> list[str]:
    """Say how few subjects there are, and what pages the figures are of."""
    kinds = ", ".join(f"{name or 'unknown'} {n}" for name, n in sorted(record.data.rhythms.items()))
    return [
        f"{plural(len(record.result.table.names), 'subject')} measured: with few, intervals are too narrow.",
        f"Measured on these kinds of picture: {kinds}. Other papers, layouts and cameras were never seen.",
        "Lead names on a page are not read: leads are taken to stand in the usual order of its layout.",
    ]
