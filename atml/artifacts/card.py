"""MODEL_CARD.md: what a person has to know about an exported model, in one page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from atml.artifacts import card_kind, card_waveform
from atml.artifacts.bad_input import BadInput, section
from atml.artifacts.card_agreement import under_changes
from atml.artifacts.card_baseline import by_rhythm, versus
from atml.artifacts.card_board import on_the_board
from atml.artifacts.card_formats import in_fewer_bits
from atml.artifacts.card_label_doubts import label_doubts
from atml.artifacts.record import ExportRecord
from atml.data.cases import WHOLE, case_of, judges_whole, signal
from atml.formatting import figure, gap, less_or_more, mean, plural, table
from atml.models import families
from atml.models.paper_config import PaperConfig
from atml.tasks.task import WAVEFORM, Task
from atml.training.augmentation import KINDS

MB = 1e6


def render(
    record: ExportRecord, *, size_bytes: int, bad_input: BadInput, sizes: Mapping[str, int] | None = None
) -> str:
    """Write the card; ``size_bytes`` is the size of the ONNX file, ``bad_input`` how it answers that.

    ``sizes`` are those of the same network's files in other formats.
    """
    head = f"# {record.task.name}: trial {record.trial} of study {record.study!r}"
    parts = [head]
    if record.data.synthetic:
        parts.append(
            "> **SYNTHETIC DATA.** This model was trained and measured on generated ECG only."
            " Its figures say nothing about real recordings."
        )
    if record.unqualified:
        lacks = "; ".join(record.unqualified)
        parts.append(
            f"> **UNQUALIFIED.** This model does not reach the gate of its objective: {lacks}."
            " It was exported on request."
        )
    parts += [
        _summary(record, size_bytes),
        _data(record),
        card_kind.of(record.task).results(record),
        *versus(record, size_bytes),
        *([] if record.task.kind == WAVEFORM else by_rhythm(record)),
        *label_doubts(record),
        *under_changes(record),
        *in_fewer_bits(record, size_bytes, sizes or {}),
        *on_the_board(record),
        _fit(record),
        _architecture(record, size_bytes),
        _training(record),
        _where_from(record),
        section(bad_input, record.task),
        _limits(record),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(record: ExportRecord, size_bytes: int) -> str:
    task, cost, kind = record.task, record.cost, card_kind.of(record.task)
    rows = [
        ("decides", kind.decides(task)),
        _input(task),
        ("output `maps`", f"float32 (n, 10, rows, columns); {kind.wins(task)}")
        if task.kind == WAVEFORM
        else ("output `logits`", f"float32 (n, {len(task.classes)}); {kind.wins(task)}"),
        ("objective, out of fold", f"**{record.result.value:.3f}**, {record.value_name}"),
        *kind.headline(record),
        ("file", f"{size_bytes / 1024:.1f} KiB, one ONNX file, opset 13"),
        (
            "cost",
            f"{cost.macs:,} MACs a {case_of(task).name}, peak activation memory"
            f" {cost.peak_bytes / 1024:.1f} KiB",
        ),
    ]
    return table(("what", "value"), rows, left=2)


def _input(task: Task) -> tuple[str, str]:
    """Say what the model takes."""
    shape = ", ".join(map(str, task.shape))
    if task.picture is not None:
        what = "a page in red, green and blue, 0 black to 255 white"
        return "input `page`", f"float32 (n, {shape}): {what}; no preprocessing needed but the size"
    leads = plural(task.leads, "lead")
    return "input `ecg`", f"float32 (n, {shape}): {leads} at {task.sampling_rate} Hz, no preprocessing needed"


def _data(record: ExportRecord) -> str:
    data, case = record.data, case_of(record.task)
    kind = "synthetic ECG" if data.synthetic else "ECG"
    classes = ", ".join(f"{n:,} {name}" for name, n in data.classes.items())
    if record.task.kind == WAVEFORM:
        classes = f"pages with each lead: {classes}"
    rhythms = ", ".join(f"{name or '(no name)'} {n:,}" for name, n in sorted(data.rhythms.items()))
    lines = [
        "## Data and split",
        "",
        f"- **{data.name}** ({kind}, fingerprint `{data.fingerprint[:12]}`):"
        f" {case.count(data.windows)} of {plural(len(data.subjects), 'subject')}; {classes}.",
        f"- {'Kinds of picture' if record.task.kind == WAVEFORM else case.kinds.capitalize()}: {rhythms}.",
        f"- {record.folds} folds by {record.fold_by}: nobody is in the trained and the held-out part of one"
        " fold. The search never opened a test split.",
    ]
    if data.held_out:
        lines.append(f"- Held out of the search altogether, for `atml score`: {', '.join(data.held_out)}.")
    if data.subjects_by:
        lines.append(f"- Whose each recording is, by `--subjects`: `{data.subjects_by}`.")
    if data.leads:
        lines.append(f"- Leads, as asked for: {'; '.join(data.leads)}.")
    if data.amplitude is not None:
        low, middle, high = data.amplitude
        lines.append(
            f"- Signals range over {low:g} to {high:g} in 98% of the windows, {middle:g} at the median (the"
            " middle 96% of a window's samples, in the unit of the data): others may be in another unit."
        )
    lines += [f"- {note}" for note in data.notes]
    return "\n".join(lines)


def _fit(record: ExportRecord) -> str:
    rows = []
    folds = max(len(run.measurement.fold_values) for run in record.runs)
    for run in record.runs:
        m = run.measurement
        held_out, trained = mean(m.fold_values), mean(m.train_values)
        values = [figure(v) for v in m.fold_values] + ["-"] * (folds - len(m.fold_values))
        means = (figure(held_out), figure(trained), figure(gap(trained, held_out)))
        rows.append((str(run.seed), *values, figure(m.value), *means))
    columns = ("out of fold", "mean of folds", "on trained", "gap")
    header = ("seed", *(f"fold {k + 1}" for k in range(folds)), *columns)
    parts = ["## Validation, over- and underfitting", table(header, rows)]
    trained = mean([mean(run.measurement.train_values) for run in record.runs])
    held_out = mean([mean(run.measurement.fold_values) for run in record.runs])
    if np.isfinite(trained - held_out):
        parts.append(
            f"On {case_of(record.task).many} that it was trained on: {trained:.3f}, on held-out subjects"
            f" {held_out:.3f}, which is"
            f" {less_or_more(held_out, trained)} ({_judged(record, trained, trained - held_out)})."
            " All with untuned decisions, as trained."
        )
    curve = _curve(record)
    if curve:
        parts += ["Learning curve, mean over folds and trainings:", curve]
    return "\n\n".join(parts)


def _judged(record: ExportRecord, trained: float, gap: float) -> str:
    found = [run.measurement for run in record.runs]
    values = [value for m in found for value in (*m.fold_values, *m.train_values)]
    return fitted(values, record.worst_value, trained, gap)


def fitted(values: Sequence[float], worst: float | None, trained: float, gap: float) -> str:
    """Say whether a model over- or underfits, where a share of right decisions is what was measured.

    An objective that has no lower end, as a margin to a goal, gives large numbers for small differences:
    ``worst`` is what it gives a model that is wrong everywhere, ``values`` are all that were measured.
    """
    known = [value for value in (*values, *([] if worst is None else [worst])) if np.isfinite(value)]
    if not all(0 <= value <= 1 for value in known):
        return "the objective is not a share from 0 to 1, so whether that gap is large depends on its scale"
    if gap > 0.05:
        return "it does better on its own subjects than on others: overfitting"
    return "little of either" if trained >= 0.9 else "it does badly on its own subjects too: underfitting"


def _curve(record: ExportRecord) -> str:
    points: dict[float, list[tuple[float, float]]] = {}
    for run in record.runs:
        for curve in run.measurement.curves:
            for fraction, loss, value in curve:
                points.setdefault(round(fraction, 6), []).append((loss, value))
    rows = [
        (f"{fraction:.0%}", *(figure(mean([p[i] for p in found])) for i in (0, 1)))
        for fraction, found in sorted(points.items())
    ]
    return table(("of training", "training loss", "held-out value"), rows) if rows else ""


def _architecture(record: ExportRecord, size_bytes: int) -> str:
    cost = record.cost
    rows = [
        (
            layer.name,
            " x ".join(map(str, layer.shape)),
            f"{layer.parameters:,}" if layer.parameters else "",
            f"{layer.macs:,}" if layer.macs else "",
        )
        for layer in families.of(record.config).layers(record.config, record.task)
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
            f"- File {size_bytes:,} bytes ({size_bytes / 1024:.1f} KiB), {cost.macs:,} MACs a"
            f" {case_of(record.task).name}, peak"
            f" activation memory {cost.peak_bytes:,} bytes (float32, largest input plus output of a layer).",
        ]
    )


def _lengths(record: ExportRecord) -> list[tuple[str, str]]:
    """Say what a longer training came to, out of fold; nothing where none was tried."""
    values = record.values_by_length
    if len(values) < 2:
        return []
    found = ", ".join(f"{value:.4f} at {length}" for length, value in sorted(values.items()))
    return [("times a trial's length", f"{record.length}; out of fold {found}")]


def _training(record: ExportRecord) -> str:
    c, final = record.config, record.final
    per_epoch = final.windows / c.batch
    per_step = final.seconds / final.steps if final.steps else float("nan")
    loss = c.loss + (f", label smoothing {c.label_smoothing:g}" if c.label_smoothing else "")
    if "focal" in c.loss:
        loss += f", gamma {c.focal_gamma:g}"
    weights = card_kind.of(record.task).weights(c)
    thinned = f", most frequent class thinned to {c.thinning:g}" if c.thinning else ""
    augmentation = [f"{k} {getattr(c, k):g}" for k in KINDS]
    how = [
        ("optimizer", f"{c.optimizer}, weight decay {c.weight_decay:g}"),
        ("learning rate", f"{c.learning_rate:.3g}, {c.schedule}"),
        ("batch", f"{c.batch}, drawn by {c.sampling}{thinned}"),
        ("loss", f"{loss}; class weights {c.class_weights}{weights}"),
        ("dropout", f"{c.dropout:g}"),
        ("augmentation", ", ".join(a for a in augmentation if not a.endswith(" 0")) or "none"),
        ("weight averaging", f"{c.averaging:g} a step" if c.averaging else "none"),
    ]
    length = f"{final.steps:,} steps, {final.steps / per_epoch:.1f} epochs of {per_epoch:.1f} steps"
    pace = (
        "time an epoch",
        f"{per_epoch * per_step:.2f} s = {per_epoch:.1f} steps of {per_step * 1000:.2f} ms",
    )
    if isinstance(c, PaperConfig):  # crops are drawn: there is no pass over all of them
        how, length = card_waveform.training(c), f"{final.steps:,} steps"
        pace = ("time a step", f"{per_step * 1000:.2f} ms")
    rows = [
        *how,
        ("length", length),
        *_lengths(record),
        pace,
        (
            "time in all",
            f"{final.seconds:.1f} s for this model, {_search_seconds(record):.1f} s for its folds",
        ),
        (
            "device",
            f"{record.machine.device}: {record.machine.name}; {plural(record.machine.threads, 'thread')}",
        ),
    ]
    return "\n\n".join(
        [
            "## Training",
            f"The exported weights were trained on all {plural(len(record.data.subjects), 'subject')} with"
            f" seed {final.seed}; on those same {case_of(record.task).many} the value is"
            f" {final.train_value:.3f}.",
            table(("what", "value"), rows, left=2),
        ]
    )


def _search_seconds(record: ExportRecord) -> float:
    return sum(run.measurement.seconds for run in record.runs)


def _where_from(record: ExportRecord) -> str:
    seeds = ", ".join(str(run.seed) for run in record.runs)
    versions = ", ".join(f"{name} {version}" for name, version in record.machine.versions.items())
    return "\n".join(
        [
            "## Where it comes from",
            "",
            f"- Study {record.study!r}, trial {record.trial} of {record.trials:,}, search seed"
            f" {record.search_seed}; trainings over the folds with seeds {seeds}.",
            *([f"- Its parameters are {record.parameters_from}."] if record.parameters_from else []),
            f"- {versions}.",
            "- `config.json` holds the whole configuration, `metrics.json` every figure.",
        ]
    )


def _limits(record: ExportRecord) -> str:
    task, data = record.task, record.data
    subjects, weakest, shares = card_kind.of(task).limits(record)
    lines = ["Not a medical device, and not validated for any clinical use."]
    if data.synthetic:
        lines.append("Trained on synthetic ECG: unfit for any real recording.")
    lines += [
        subjects,
        "A subject is what the data call one, often a recording: a person with two of them, one on either"
        " side of a fold, flatters the figures.",
        f"Trained and measured on {data.name} alone: other electrodes, filters and populations were never"
        " seen.",
        f"The best of {plural(record.trials, 'trial')} on the same folds: expect somewhat less on new"
        " subjects.",
        weakest,
        shares,
        *_scope(task),
        "Latency on a device was not measured.",
    ]
    return "\n".join(["## Known limits", "", *(f"- {line}" for line in lines)])


def _scope(task: Task) -> list[str]:
    """Say what a decision is made from, and what that leaves out."""
    if task.picture is not None:
        rows, columns = task.picture
        return [
            f"Each page is decided alone, at {rows} x {columns} pixels: pages of other layouts, and pictures"
            " of something else, are decided all the same. Pages that were drawn are simpler than real ones."
        ]
    leads = plural(task.leads, "lead")
    if not task.around_beats:
        return [
            f"Each {task.seconds:g}-s window is decided alone, at {task.sampling_rate} Hz and {leads};"
            f" shorter"
            " episodes, other rates and leads are outside its scope."
        ]
    return [
        f"Each beat is decided alone, from {signal(task)}, at {task.sampling_rate} Hz and {leads}; other"
        f" rates"
        " and leads are outside its scope. Beats that the detector misses are never decided.",
        f"{WHOLE}. {judges_whole()}.",
    ]
