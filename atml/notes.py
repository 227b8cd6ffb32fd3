"""What a trial and a study have to say for themselves, as Markdown for the Dashboard (pure).

A trial's note says what the network is, how the trial came out and why it ended there, what it costs, and
what regions it lies in. A study's note says where the search stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from atml.markdown import figure, plural, table
from atml.ranking import ranked
from atml.search.stopping import POINTS
from atml.types import LIMITS, ModelConfig, TrialRecord

Words = Sequence[tuple[str, str, str]]
"""Regions: status, words, evidence."""

_DRAWN = {
    "default": "the task's default, trial 0",
    "reference": "drawn at random from the search space",
    "sampled": "chosen by the sampler",
    "audit": "drawn in a rejected region, to check it",
    "queued": "queued by hand",
    "repeat": "a repeat on a fresh seed",
}
_BROKEN = {
    "shape": "its layers leave no signal",
    "refused": "the worker refused it",
    "diverged": "training diverged",
    "constant": "it called every segment of a fold the same",
    "crashed": "it took its workers down",
    "hopeless": "after its first fold it was below the limit under which the objective gives up",
    "operators": "it needs operators that the device lacks",
}
_NAMES = {"size_kib": "size in KiB", "macs": "MACs", "ram_kib": "RAM in KiB"}


def ending(record: TrialRecord, folds: int) -> str:
    """Say why a trial ended where it did, in one sentence without a full stop."""
    if record.state == "running":
        return "it runs"
    if record.state == "waiting":
        return "it waits for a worker"
    if record.state == "failed":
        return "its worker was lost; the same parameters were given to another trial where that could help"
    broken = [name for name, over in record.constraints.items() if over > 0]
    if broken:
        budget = [name for name in broken if name in LIMITS and name != "operators"]
        if budget:
            over = ", ".join(f"{_NAMES[name]} by {record.constraints[name]:,.6g}" for name in budget)
            return f"refused before training: over the budget in {over}"
        return f"refused: {', '.join(_BROKEN.get(name, name) for name in broken)}"
    if record.state == "complete":
        return f"it ran over all {folds} folds"
    if not record.steps:
        return "it ended before its first report"
    fold, point = divmod(max(record.steps), POINTS)
    where = f"fold {fold + 1} of {folds}"
    at = f"after {where}" if point == POINTS - 1 else f"in {where}, {(point + 1) / POINTS:.0%} through"
    return f"cut short {at}: other trials did better at that point"


def kind(record: TrialRecord) -> str:
    """Say what a trial is in the study: a search trial, or a repeat of one."""
    return f"repeat of trial {record.of}" if record.role == "finalist" else "search trial"


def config_words(config: ModelConfig) -> list[tuple[str, str]]:
    """Say a config in words, one line a part of the network: ``(part, words)``."""
    lines = [("input", _input(config))]
    if config.channels:
        lines.append(("convolutions", _convolutions(config)))
    if config.cell != "none":
        ways = "in both directions" if config.bidirectional else "forward"
        stacked = f", {config.layers} layers" if config.layers > 1 else ""
        lines.append(("recurrent", f"{config.cell.upper()} of {config.units} units{stacked}, {ways}"))
    lines += [
        ("head", f"{config.pool.replace('_', ' and ')} over time, dropout {config.dropout:.2g}, linear"),
        (
            "training",
            f"{config.optimizer}, learning rate {config.learning_rate:.3g}, {config.schedule} schedule,"
            f" weight decay {config.weight_decay:.2g}, {config.steps:,} steps of {config.batch},"
            f" batches drawn from {'subjects' if config.sampling == 'subject' else 'segments'}"
            + (f", weights averaged with decay {config.averaging:.4g}" if config.averaging else ""),
        ),
        ("loss", _loss(config)),
        ("augmentation", _augmentation(config)),
    ]
    return lines


def _input(config: ModelConfig) -> str:
    fewer = f", mean of {config.decimation} samples each" if config.decimation > 1 else ""
    return f"normalised by {config.normalise}{fewer}"


def _convolutions(config: ModelConfig) -> str:
    channels, kernels, strides = (
        "-".join(map(str, one)) for one in (config.channels, config.kernels, config.strides)
    )
    kind = "separable, " if config.separable else ""
    return (
        f"{kind}channels {channels}, kernels {kernels}, strides {strides},"
        f" {'no' if config.norm == 'none' else config.norm} norm, {config.activation.replace('_', ' ')}"
    )


def _loss(config: ModelConfig) -> str:
    gamma = f" (gamma {config.focal_gamma:.2g})" if config.loss == "focal" else ""
    return (
        f"{config.loss.replace('_', ' ')}{gamma}, label smoothing {config.label_smoothing:.2g}, class weights"
        f" {config.class_weights}, positive class times {config.positive_weight:.3g}"
    )


def _augmentation(config: ModelConfig) -> str:
    names = ("scale", "noise", "wander", "shift", "mixup")
    used = [f"{name} {getattr(config, name):.2g}" for name in names if getattr(config, name)]
    return ", ".join(used) or "none"


def trial_note(
    record: TrialRecord,
    *,
    folds: int,
    regions: Words = (),
    repeats: Sequence[TrialRecord] = (),
    judged: float | None = None,
    export: str = "",
) -> str:
    """Write a trial's note; ``regions`` are those that it lies in, ``export`` is the folder of its export."""
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
        parts.append(_cost(record))
    if record.constraints:
        told = ", ".join(f"{_NAMES.get(n, n)} {over:+,.6g}" for n, over in record.constraints.items())
        parts.append(f"Constraints, kept at or below 0: {told}.")
    if repeats:
        told = ", ".join(f"{figure(_value(t))} (trial {t.number})" for t in repeats)
        parts.append(f"Repeated on fresh seeds: {told}, each at threshold 0.")
    if judged is not None:
        parts.append(f"Judged by its repeats, at thresholds chosen on other folds: **{judged:.4f}**.")
    if export:
        parts.append(f"Exported as `{export}`; its files are among the artifacts.")
    for status, words, evidence in regions:
        parts.append(f"Lies in a region that is **{status}**: {words} ({evidence}).")
    if record.config is not None:
        parts.append(table(("part", "in words"), config_words(record.config), left=2))
    return "\n\n".join(parts)


def _value(record: TrialRecord) -> float:
    return record.value if record.value is not None else float("nan")


def _values(record: TrialRecord, metrics: Mapping[str, float], folds: int) -> str:
    """Lay out value and metrics, and what each fold said."""
    value, names = _value(record), ("value", *metrics)
    ran = len(record.result["fold_values"])
    only = f"over the {'fold' if ran == 1 else f'{ran} folds'} of {folds} that ran"
    lines = [
        f"Of all subjects predicted {'out of fold' if record.state == 'complete' else only}:",
        table(names, [tuple(map(figure, (value, *metrics.values())))], left=0),
    ]
    held, train = record.result.get("fold_values", ()), record.result.get("train_values", ())
    if held:
        each = ", ".join(map(figure, held))
        on = f"; on what it was trained on: {', '.join(map(figure, train))}" if train else ""
        lines.append(f"By fold: {each}{on}.")
    return "\n\n".join(lines)


def _cost(record: TrialRecord) -> str:
    cost = record.cost
    assert cost is not None
    names = ["size", "MACs a window", "parameters", "RAM"]
    cells = [
        f"{cost.size_bytes / 1024:.1f} KiB",
        f"{cost.macs:,}",
        f"{cost.parameters:,}",
        f"{cost.peak_bytes / 1024:.1f} KiB",
    ]
    if "training_s" in record.result:
        names.append("training")
        cells.append(f"{record.result['training_s']:.1f} s")
    return table(names, [cells], left=0)


def study_note(
    name: str,
    spec: Mapping[str, Any],
    records: Sequence[TrialRecord],
    *,
    judged: Mapping[int, float],
    exports: Sequence[tuple[int, str]] = (),
    regions: Words = (),
    no_regions: str = "",
) -> str:
    """Write a study's note: what is searched for, where it stands, what came of it, how to read the page.

    ``no_regions`` says why there are none to tell of.
    """
    return "\n\n".join(
        [
            f"## {name}",
            _about(spec),
            "### Where it stands",
            _standing(records),
            *_finalists(records, judged),
            *_exports(exports),
            "### Regions",
            _regions(regions, no_regions),
            "### How to read this page",
            f"Values are of subjects that a model was not trained on. A trial reports {POINTS} times a fold:"
            f" steps 0 to {POINTS - 1} are the first fold, and so on. A trial's own value helped to choose it"
            " and looks better than it is; repeats on fresh seeds did no more than pick one of the few"
            " finalists. Constraints are kept at or below 0. Notes of trials say the rest. Nothing of this is"
            " stored: it is made of the trials whenever the page asks.",
        ]
    )


def _about(spec: Mapping[str, Any]) -> str:
    limits = [
        f"{spec[key]:,.6g} {unit}"
        for key, unit in (("max_size_kib", "KiB"), ("max_macs", "MACs"), ("max_ram_kib", "KiB of RAM"))
        if spec.get(key) is not None
    ]
    data = "synthetic ECG" if spec.get("synthetic") else str(spec.get("data_name"))
    objective = f", objective {spec['objective_name']}" if spec.get("objective_name") else ""
    return (
        f"Task {spec.get('task')}{objective} on {data}: windows of {spec.get('window', 0):g} s,"
        f" {spec.get('folds')} folds by subject, seed {spec.get('seed')}; at most {', '.join(limits)};"
        f" the lowest of the four metrics has to reach {spec.get('qualifies')}."
    )


def _standing(records: Sequence[TrialRecord]) -> str:
    counted = [t for t in records if t.role == "search"]
    states = Counter(t.state for t in counted)
    refused = sum(t.state == "pruned" and not t.feasible for t in counted)
    repeats = len(records) - len(counted)
    words = [
        f"{plural(states['complete'], 'trial')} over every fold",
        f"{states['pruned'] - refused} cut short",
        f"{refused} refused",
        *(f"{states[state]} {state}" for state in ("running", "waiting", "failed") if states[state]),
        *([f"{plural(repeats, 'repeat')} of finalists"] if repeats else []),
    ]
    best = ranked(records)
    moments = [m for t in records for m in (t.started, t.ended) if m is not None]
    lines = [f"- {', '.join(words)}"]
    if best:
        what = best[0].config.describe() if best[0].config else ""
        lines.append(f"- best by its own value: trial {best[0].number}, {best[0].value or 0:.4f}: {what}")
    else:
        lines.append("- no trial ran over every fold yet")
    if moments:
        lines.append(f"- from {min(moments):%Y-%m-%d %H:%M} to {max(moments):%Y-%m-%d %H:%M}")
    return "\n".join(lines)


def _finalists(records: Sequence[TrialRecord], judged: Mapping[int, float]) -> list[str]:
    by_number = {t.number: t for t in records}
    rows = []

    def order(item: tuple[int, float]) -> tuple[float, int]:
        record = by_number.get(item[0])  # of equals the smaller one, as in a report
        return -round(item[1], 4), record.cost.size_bytes if record is not None and record.cost else 0

    for number, value in sorted(judged.items(), key=order):
        record = by_number.get(number)
        if record is None or record.config is None:
            continue
        own = figure(_value(record))
        size = "-" if record.cost is None else f"{record.cost.size_bytes / 1024:.1f}"
        rows.append((str(number), record.config.describe(), f"{value:.4f}", own, size))
    if not rows:
        return []
    header = ("trial", "network", "fresh seeds", "in the search", "KiB")
    first = (
        f"The winner is trial {rows[0][0]}: finalists are judged on fresh seeds, with thresholds chosen on"
    )
    return [
        "### Finalists",
        f"{first} other folds. Values in the search are at threshold 0, so the two columns are not alike.",
        table(header, rows, left=2),
    ]


def _exports(exports: Sequence[tuple[int, str]]) -> list[str]:
    if not exports:
        return ["### Exports", "Nothing was exported yet."]
    return ["### Exports", "\n".join(f"- `{folder}`, trial {number}" for number, folder in exports)]


def _regions(regions: Words, why: str) -> str:
    if not regions:
        return why or "No region is rejected or suspect."
    return table(("status", "region", "evidence"), regions, left=3)
