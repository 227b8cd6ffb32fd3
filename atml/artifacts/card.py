"""MODEL_CARD.md: what a person has to know about an exported model, in one page of Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atml.artifacts.card_baseline import by_rhythm, versus
from atml.artifacts.record import ExportRecord
from atml.formatting import between, figure, mean, plural, table
from atml.metrics import FOUR
from atml.models import families
from atml.tasks import targets
from atml.tasks.targets.binary import RATES

MB = 1e6
WORST = 8
"""Subjects in the card's table; metrics.json has all."""


def render(finding: ExportRecord, *, size_bytes: int) -> str:
    """Write the card; ``size_bytes`` is the size of the ONNX file."""
    head = f"# {finding.task.name}: trial {finding.trial} of study {finding.study!r}"
    parts = [head]
    if finding.data.synthetic:
        parts.append(
            "> **SYNTHETIC DATA.** This model was trained and measured on generated ECG only."
            " Its figures say nothing about real recordings."
        )
    parts += [
        _summary(finding, size_bytes),
        _data(finding),
        _results(finding),
        *versus(finding, size_bytes),
        *by_rhythm(finding),
        _fit(finding),
        _architecture(finding, size_bytes),
        _training(finding),
        _origin(finding),
        _limits(finding),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(finding: ExportRecord, size_bytes: int) -> str:
    task, cost, evidence = finding.task, finding.cost, finding.evidence
    positive = targets.binary(task).positive_name
    rates = [(f"{name}, out of fold", evidence.rates[name]) for name in RATES]
    rates.append(("mean F-beta (beta 2) over subjects", evidence.intervals["F"]))
    leads = plural(task.leads, "lead")
    rows = [
        ("decides", f"{' or '.join(task.classes)}, for {task.seconds:g} s of ECG; positive is {positive}"),
        (
            "input `ecg`",
            f"float32 (n, {task.leads}, {task.window}): {leads} at {task.sampling_rate} Hz,"
            " no preprocessing needed",
        ),
        (
            "output `logits`",
            f"float32 (n, {len(task.classes)}); the largest wins, a tie with {positive} is {positive}",
        ),
        ("objective, out of fold", f"**{evidence.value:.3f}**, {finding.value_name}"),
        *((name, f"{found.value:.3f}, 95% interval {between(found)}") for name, found in rates),
        ("file", f"{size_bytes / 1024:.1f} KiB, one ONNX file, opset 13"),
        ("cost", f"{cost.macs:,} MACs a window, peak activation memory {cost.peak_bytes / 1024:.1f} KiB"),
    ]
    return table(("what", "value"), rows, left=2)


def _data(finding: ExportRecord) -> str:
    data = finding.data
    kind = "synthetic ECG" if data.synthetic else "ECG"
    classes = ", ".join(f"{n:,} {name}" for name, n in data.classes.items())
    rhythms = ", ".join(f"{name or '(no name)'} {n:,}" for name, n in sorted(data.rhythms.items()))
    lines = [
        "## Data and split",
        "",
        f"- **{data.name}** ({kind}, fingerprint `{data.fingerprint[:12]}`):"
        f" {plural(data.segments, 'segment')} of {plural(len(data.subjects), 'subject')}; {classes}.",
        f"- Rhythms: {rhythms}.",
        f"- {finding.folds} folds by subject: nobody is in the trained and the held-out part of one fold."
        " The search never opened a test split.",
    ]
    if data.held_out:
        lines.append(f"- Held out of the search altogether, for `atml score`: {', '.join(data.held_out)}.")
    if data.leads:
        lines.append(f"- Leads, as asked for: {'; '.join(data.leads)}.")
    lines += [f"- {note}" for note in data.notes]
    return "\n".join(lines)


def _results(finding: ExportRecord) -> str:
    evidence = finding.evidence
    names = {"F": "mean F-beta (beta 2) over subjects", "G": "share of subjects with F-beta above 0.9"}
    found = {key: evidence.rates[key] for key in RATES}
    found |= {names.get(key, key): evidence.intervals[key] for key in (*FOUR, *names) if key != "recall"}
    rows = [(key, f"{i.value:.3f}", between(i)) for key, i in found.items()]
    rows.append(("NPV", f"{evidence.table.pooled().npv:.3f}", ""))
    runs = plural(len(finding.runs), "training")
    thresholds = table(
        ("decision threshold", "value out of fold"),
        [
            ("0, as trained", f"{mean(evidence.naive):.3f}"),
            (f"{evidence.threshold:+.3f}, judged where it was chosen", f"{mean(evidence.tuned):.3f}"),
            ("cross-fitted: chosen on the other folds", f"{evidence.value:.3f}"),
        ],
    )
    subjects = table(
        ("subject", "segments", "positive", "TP", "FP", "FN", "TN", "Se", "Sp", "PPV", "NPV", "F-beta"),
        [
            (
                row.subject,
                *(str(n) for n in (row.n, row.positives, row.tp, row.fp, row.fn, row.tn)),
                *(f"{v:.3f}" for v in (row.sensitivity, row.specificity, row.ppv, row.npv, row.f_beta)),
            )
            for row in evidence.rows()[:WORST]
        ],
    )
    shown = min(WORST, len(evidence.table.names))
    return "\n\n".join(
        [
            "## Results out of fold",
            f"Every subject was decided by models that never saw it; mean of {runs} over all folds,"
            " thresholds cross-fitted. The intervals (95%) come from resampling subjects. Sensitivity is the"
            " recall and precision the PPV of the positive class, pooled over segments.",
            table(("metric", "value", "95% interval"), rows),
            "The threshold is part of the exported file. The last row is the honest one:",
            thresholds,
            f"The {shown} weakest of {plural(len(evidence.table.names), 'subject')}"
            + (
                f", segments counted once for each of {len(finding.runs)} trainings"
                if len(finding.runs) > 1
                else ""
            )
            + ". A subject without positives has F-beta 1 by convention: look at its specificity.",
            subjects,
        ]
    )


def _fit(finding: ExportRecord) -> str:
    rows = []
    folds = max(len(run.measurement.fold_values) for run in finding.runs)
    for run in finding.runs:
        m = run.measurement
        held_out, trained = mean(m.fold_values), mean(m.train_values)
        values = [figure(v) for v in m.fold_values] + ["-"] * (folds - len(m.fold_values))
        rows.append((str(run.seed), *values, figure(m.value), figure(trained), figure(trained - held_out)))
    header = ("seed", *(f"fold {k + 1}" for k in range(folds)), "out of fold", "on trained", "gap")
    parts = ["## Validation, over- and underfitting", table(header, rows)]
    trained = mean([mean(run.measurement.train_values) for run in finding.runs])
    gap = trained - mean([mean(run.measurement.fold_values) for run in finding.runs])
    if np.isfinite(gap):
        parts.append(
            f"On segments it was trained on: {trained:.3f}, on held-out subjects {gap:.3f} less"
            f" ({_judged(finding, trained, gap)}). All at threshold 0."
        )
    curve = _curve(finding)
    if curve:
        parts += ["Learning curve, mean over folds and trainings:", curve]
    return "\n\n".join(parts)


def _judged(finding: ExportRecord, trained: float, gap: float) -> str:
    found = [run.measurement for run in finding.runs]
    values = [value for m in found for value in (*m.fold_values, *m.train_values)]
    return fitted(values, finding.worst_value, trained, gap)


def fitted(values: Sequence[float], worst: float | None, trained: float, gap: float) -> str:
    """Say whether a model over- or underfits, where a share of right decisions is what was measured.

    An objective that has no lower end, as a margin to a goal, gives large numbers for small differences:
    ``worst`` is what it gives a model that is wrong everywhere, ``values`` are all that were measured.
    """
    known = [value for value in (*values, *([] if worst is None else [worst])) if np.isfinite(value)]
    if not all(0 <= value <= 1 for value in known):
        return "the objective is no share from 0 to 1: what is much is for you to judge"
    if gap > 0.05:
        return "it knows its own subjects better than others: overfitting"
    return "little of either" if trained >= 0.9 else "it does not master its own subjects: underfitting"


def _curve(finding: ExportRecord) -> str:
    points: dict[float, list[tuple[float, float]]] = {}
    for run in finding.runs:
        for curve in run.measurement.curves:
            for fraction, loss, value in curve:
                points.setdefault(round(fraction, 6), []).append((loss, value))
    rows = [
        (f"{fraction:.0%}", *(figure(mean([p[i] for p in found])) for i in (0, 1)))
        for fraction, found in sorted(points.items())
    ]
    return table(("of training", "training loss", "held-out value"), rows) if rows else ""


def _architecture(finding: ExportRecord, size_bytes: int) -> str:
    cost = finding.cost
    rows = [
        (
            layer.name,
            " x ".join(map(str, layer.shape)),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.macs:,}" if layer.macs else "",
        )
        for layer in families.of(finding.config).layers(finding.config, finding.task)
    ]
    rows.append(("**total**", "", f"{cost.parameters:,}", f"{cost.macs:,}"))
    return "\n\n".join(
        [
            "## Architecture",
            table(("layer", "output", "parameters", "MACs"), rows, left=2),
            f"- Trainable: {cost.parameters:,} parameters, {cost.parameters * 4 / MB:.4f} MB;"
            f" fixed: {cost.fixed:,}, {cost.fixed * 4 / MB:.4f} MB (batch-norm statistics).\n"
            "- In the file batch normalisation is part of the convolutions, and normalisation and decimation"
            " are part of the graph.\n"
            f"- File {size_bytes:,} bytes ({size_bytes / 1024:.1f} KiB), {cost.macs:,} MACs a window, peak"
            f" activation memory {cost.peak_bytes:,} bytes (float32, largest input plus output of a layer).",
        ]
    )


def _training(finding: ExportRecord) -> str:
    c, final = finding.config, finding.final
    per_epoch = final.segments / c.batch
    per_step = final.seconds / final.steps if final.steps else float("nan")
    loss = c.loss + (f", label smoothing {c.label_smoothing:g}" if c.label_smoothing else "")
    if "focal" in c.loss:
        loss += f", gamma {c.focal_gamma:g}"
    weight = f", positive class times {c.positive_weight:g}" if c.positive_weight != 1 else ""
    augmentation = [f"{k} {getattr(c, k):g}" for k in ("scale", "noise", "wander", "shift", "mixup")]
    rows = [
        ("optimizer", f"{c.optimizer}, weight decay {c.weight_decay:g}"),
        ("learning rate", f"{c.learning_rate:.3g}, {c.schedule}"),
        ("batch", f"{c.batch}, drawn by {c.sampling}"),
        ("loss", f"{loss}; class weights {c.class_weights}{weight}"),
        ("dropout", f"{c.dropout:g}"),
        ("augmentation", ", ".join(a for a in augmentation if not a.endswith(" 0")) or "none"),
        ("weight averaging", f"{c.averaging:g} a step" if c.averaging else "none"),
        ("length", f"{final.steps:,} steps, {final.steps / per_epoch:.1f} epochs of {per_epoch:.1f} steps"),
        (
            "time an epoch",
            f"{per_epoch * per_step:.2f} s = {per_epoch:.1f} steps of {per_step * 1000:.2f} ms",
        ),
        (
            "time in all",
            f"{final.seconds:.1f} s for this model, {_search_seconds(finding):.1f} s for its folds",
        ),
        (
            "device",
            f"{finding.machine.device}: {finding.machine.name}; {plural(finding.machine.threads, 'thread')}",
        ),
    ]
    return "\n\n".join(
        [
            "## Training",
            f"The exported weights were trained on all {plural(len(finding.data.subjects), 'subject')} with"
            f" seed {final.seed}; on those same segments the value is {final.train_value:.3f}.",
            table(("what", "value"), rows, left=2),
        ]
    )


def _search_seconds(finding: ExportRecord) -> float:
    return sum(run.measurement.seconds for run in finding.runs)


def _origin(finding: ExportRecord) -> str:
    seeds = ", ".join(str(run.seed) for run in finding.runs)
    versions = ", ".join(f"{name} {version}" for name, version in finding.machine.versions.items())
    return "\n".join(
        [
            "## Origin",
            "",
            f"- Study {finding.study!r}, trial {finding.trial} of {finding.trials:,}, search seed"
            f" {finding.search_seed}; trainings over the folds with seeds {seeds}.",
            f"- {versions}.",
            "- `config.json` holds the whole configuration, `metrics.json` every figure.",
        ]
    )


def _limits(finding: ExportRecord) -> str:
    task, data, evidence = finding.task, finding.data, finding.evidence
    positive = targets.binary(task).positive_name
    counts = evidence.table
    holders = int((counts.tp + counts.fn > 0).sum())
    share = data.classes.get(positive, 0) / max(1, data.segments)
    worst = evidence.rows()[0]
    lines = ["- Not a medical device, and not validated for any clinical use."]
    if data.synthetic:
        lines.append("- Trained on synthetic ECG: unfit for any real recording.")
    interval = evidence.rates["balanced accuracy"]
    lines += [
        f"- {plural(len(counts.names), 'subject')} measured, {holders} with {positive}: the interval of the"
        f" balanced accuracy is {interval.high - interval.low:.3f} wide, and with few subjects too narrow.",
        "- A subject is what the data call one, often a recording: a person with two of them, one on either"
        " side of a fold, flatters the figures.",
        f"- Trained and measured on {data.name} alone: other electrodes, filters and populations were never"
        " seen.",
        f"- The best of {plural(finding.trials, 'trial')} on the same folds: expect somewhat less on new"
        " subjects.",
        f"- Weakest subject out of fold: {worst.subject} with F-beta {worst.f_beta:.3f}.",
        f"- {share:.0%} of the segments are {positive}; precision and NPV change with that share.",
        f"- Each {task.seconds:g}-s segment is decided alone, at {task.sampling_rate} Hz and"
        f" {plural(task.leads, 'lead')}; shorter episodes, other rates and leads are outside its scope.",
        "- Latency on a device was not measured.",
    ]
    return "\n".join(["## Known limits", "", *lines])
