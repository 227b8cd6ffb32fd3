"""The note of a trial, as Markdown for the Dashboard (pure).

Its note says what the network is, how the trial came out and why it ended there, what it costs, and what
regions it lies in. A study's note is in `atml.dashboard.study_notes`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from atml.formatting import figure, table
from atml.models.budget import LIMITS
from atml.models.config import ModelConfig
from atml.report.spending import RULES
from atml.searching.leaderboard import Entry
from atml.searching.pruning import POINTS
from atml.searching.ranking import kib_of
from atml.training.augmentation import KINDS
from atml.training.records import ParameterSource, Role, State, TrialRecord

Words = Sequence[tuple[str, str, str]]
"""Regions: status, words, evidence."""

PAGES = "page_"
"""How names of families begin whose networks read pictures of pages."""

_BATCHES = {"uniform": "windows", "subject": "subjects", "class": "classes"}

_DRAWN: dict[str, str] = {
    ParameterSource.DEFAULT: "the default config of the search space",
    ParameterSource.PORTFOLIO: "named by the search space to be tried first",
    ParameterSource.EARLIER: "those of a finalist of an earlier study",
    ParameterSource.REFERENCE: "drawn at random from the search space",
    ParameterSource.SAMPLED: "chosen by the sampler",
    ParameterSource.AUDIT: "drawn in a rejected region, to check it",
    ParameterSource.QUEUED: "queued by hand",
    ParameterSource.REPEAT: "a repeat on a fresh seed",
}
_NAMES = {"size_kib": "size in KiB", "macs": "MACs", "ram_kib": "RAM in KiB"}


def ending(record: TrialRecord, folds: int) -> str:
    """Say why a trial ended where it did, in one sentence without a full stop."""
    if record.state == State.RUNNING:
        return "it is running"
    if record.state == State.WAITING:
        return "it waits for a worker"
    if record.state == State.FAILED:
        return "its worker was lost; another trial tries the same parameters unless it failed too often"
    broken = [name for name, over in record.constraints.items() if over > 0]
    if broken:
        budget = [name for name in broken if name in LIMITS and name != "operators"]
        if budget:
            over = ", ".join(f"{_NAMES[name]} by {record.constraints[name]:,.6g}" for name in budget)
            return f"refused before training: over the budget in {over}"
        return f"refused: {', '.join(RULES.get(name, name) for name in broken)}"
    if record.state == State.COMPLETE:
        return f"it ran over all {folds} folds"
    if not record.steps:
        return "it ended before its first report"
    fold, point = divmod(max(record.steps), POINTS)
    where = f"fold {fold + 1} of {folds}"
    at = f"after {where}" if point == POINTS - 1 else f"in {where}, {(point + 1) / POINTS:.0%} through"
    return f"cut short {at}: other trials did better at that point"


def kind(record: TrialRecord) -> str:
    """Say what a trial is in the study: a search trial, or a repeat of one."""
    if record.role != Role.FINALIST:
        return "search trial"
    return f"repeat of trial {record.of}{_longer(record)}"


def config_words(config: ModelConfig) -> list[tuple[str, str]]:
    """Say a config in words, one line a part of the network: ``(part, words)``."""
    lines = [("input", _input(config))]
    if config.channels:
        lines.append(("convolutions", _convolutions(config)))
    if config.cell != "none":
        ways = "in both directions" if config.bidirectional else "forward"
        stacked = f", {config.layers} layers" if config.layers > 1 else ""
        reads = f", {config.patch} samples at a time" if config.patch > 1 else ""
        lines.append(("recurrent", f"{config.cell.upper()} of {config.units} units{stacked}, {ways}{reads}"))
    lines += [
        ("head", f"{config.pool.replace('_', ' and ')} over time, dropout {config.dropout:.2g}, linear"),
        (
            "training",
            f"{config.optimizer}, learning rate {config.learning_rate:.3g}, {config.schedule} schedule,"
            f" weight decay {config.weight_decay:.2g}, {config.steps:,} steps of {config.batch},"
            f" batches drawn from {_BATCHES[config.sampling]}"
            + (f", the most frequent class thinned to {config.thinning:.2g}" if config.thinning else "")
            + (f", weights averaged with decay {config.averaging:.4g}" if config.averaging else ""),
        ),
        ("loss", _loss(config)),
        ("augmentation", _augmentation(config)),
    ]
    return lines


def _input(config: ModelConfig) -> str:
    fewer = f", mean of {config.decimation} samples each" if config.decimation > 1 else ""
    turned = ", turned upright where its third moment is negative" if config.upright else ""
    leads = ", each lead by itself" if config.each_lead else ""
    return f"normalised by {config.normalise}{turned}{fewer}{leads}"


def _convolutions(config: ModelConfig) -> str:
    channels, kernels, strides = (
        "-".join(map(str, one)) for one in (config.channels, config.kernels, config.strides)
    )
    kind = "separable, " if config.separable else ""
    return (
        f"{kind}channels {channels}, kernels {kernels}, strides {strides},"
        f" {'no' if config.norm == 'none' else config.norm} norm, {config.activation.replace('_', ' ')}"
        + (", weights scaled to the data at the start" if config.init == "data" else "")
    )


def _loss(config: ModelConfig) -> str:
    gamma = f" (gamma {config.focal_gamma:.2g})" if config.loss == "focal" else ""
    factor = config.positive_weight
    positive = f", positive class times {factor:.3g}" if factor != 1 else ""
    return (
        f"{config.loss.replace('_', ' ')}{gamma}, label smoothing {config.label_smoothing:.2g}, class weights"
        f" {config.class_weights}{positive}"
    )


def _augmentation(config: ModelConfig) -> str:
    used = [f"{name} {getattr(config, name):.2g}" for name in KINDS if getattr(config, name)]
    return ", ".join(used) or "none"


def trial_note(
    record: TrialRecord,
    *,
    folds: int,
    regions: Words = (),
    repeats: Sequence[TrialRecord] = (),
    entry: Entry | None = None,
) -> str:
    """Write a trial's note; ``regions`` are those that it lies in, ``entry`` is it on the leaderboard."""
    parts = []
    if record.config is not None:
        parts.append(f"**{record.config.describe()}**")
    of = f", {kind(record)}" if record.of is not None else ""
    why = ending(record, folds)
    parts.append(
        f"Trial {record.number}{of}: {_DRAWN.get(record.origin, record.origin)}. {why[0].upper()}{why[1:]}."
    )
    metrics = record.result.get("metrics", {})
    if metrics:
        parts.append(_values(record, metrics, folds))
    if record.cost is not None:
        parts.append(_cost(record, None if entry is None else entry.folder))
    if record.constraints:
        told = ", ".join(f"{_NAMES.get(n, n)} {over:+,.6g}" for n, over in record.constraints.items())
        parts.append(f"Constraints (met at or below 0): {told}.")
    if repeats:
        told = ", ".join(f"{figure(_value(t))} (trial {t.number}{_longer(t)})" for t in repeats)
        parts.append(f"Repeated on fresh seeds: {told}, each with its decision as trained.")
    if entry is not None and entry.seeds:
        said = f"**{entry.value:.4f}**, {entry.runs}"
        parts.append(f"Judged by its repeats, out of fold: {said}.")
    if entry is not None and entry.folder is not None:
        parts.append(f"Exported as `{entry.folder.name}`; its files are among the artifacts.")
    for status, words, evidence in regions:
        parts.append(f"Lies in a region that is **{status}**: {words} ({evidence}).")
    if record.config is not None:
        parts.append(table(("part", "in words"), config_words(record.config), left=2))
    return "\n\n".join(parts)


def _longer(record: TrialRecord) -> str:
    return f", {record.length} times as long" if record.length > 1 else ""


def _value(record: TrialRecord) -> float:
    return record.value if record.value is not None else float("nan")


def _values(record: TrialRecord, metrics: Mapping[str, float], folds: int) -> str:
    """Lay out value and metrics, and what each fold said."""
    value, names = _value(record), ("value", *metrics)
    ran = len(record.result["fold_values"])
    only = f"over the {'fold' if ran == 1 else f'{ran} folds'} of {folds} that ended"
    lines = [
        f"Over all subjects, predicted {'out of fold' if record.state == 'complete' else only}:",
        table(names, [tuple(map(figure, (value, *metrics.values())))], left=0),
    ]
    held, train = record.result.get("fold_values", ()), record.result.get("train_values", ())
    if held:
        each = ", ".join(map(figure, held))
        on = f"; on its training data: {', '.join(map(figure, train))}" if train else ""
        lines.append(f"By fold: {each}{on}.")
    return "\n\n".join(lines)


def _cost(record: TrialRecord, folder: Path | None) -> str:
    """Lay out what a network costs; its size is that of the file where it was exported."""
    cost = record.cost
    assert cost is not None
    of_pages = record.config is not None and record.config.family.startswith(PAGES)
    names = ["size", f"MACs a {'page' if of_pages else 'window'}", "parameters", "RAM"]
    cells = [
        f"{kib_of(record, folder):.1f} KiB",
        f"{cost.macs:,}",
        f"{cost.parameters:,}",
        f"{cost.peak_bytes / 1024:.1f} KiB",
    ]
    if "training_s" in record.result:
        names.append("training")
        cells.append(f"{record.result['training_s']:.1f} s")
    return table(names, [cells], left=0)
