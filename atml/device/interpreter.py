"""A program run in numpy, addition by addition as the C runs it: the reference that C is compared with."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from atml.arrays import Float32, Int64
from atml.device.arithmetic import F, activate, added, exp, log, root, sigmoid, tanh
from atml.device.program import Conv, Input, Layer, LayerNorm, Pool, Program, Recurrent
from atml.ecg.beats import FRACTION
from atml.models.beat_view import ALIKE_GAIN, CHANNELS, FLOOR, LARGEST, BeatPlan
from atml.models.blocks import EPSILON
from atml.models.rr_series import GAIN, RRPlan, boxed


class Decides(Protocol):
    """What `labels` asks of a program, in floats or in integers."""

    @property
    def positive(self) -> int | None:
        """The class that wins a tie, or None."""


BLOCK = 128
"""Windows that are worked on at a time."""


def run(program: Program, x: Float32) -> Float32:
    """Return logits ``(n, classes)`` of windows ``(n, leads, samples)`` in mV.

    All logits of a window with a NaN or an infinite sample are NaN. The bits are those of the C.
    """
    x = apart(x, program.passes)
    parts = [_run(program, np.asarray(x[at : at + BLOCK], F)) for at in range(0, len(x), BLOCK)]
    return voted(np.concatenate([np.empty((0, program.classes), F), *parts]), program.passes)


def apart(x: Float32, passes: int) -> Float32:
    """Return what a network is passed for: windows, or their leads, one below the other."""
    return x if passes == 1 else x.reshape(-1, 1, x.shape[-1])


def voted(logits: Float32, passes: int) -> Float32:
    """Return the logits of windows from those of their passes: the largest of each class, NaN if one is."""
    return logits if passes == 1 else logits.reshape(-1, passes, logits.shape[1]).max(1)


def labels(program: Decides, logits: Float32) -> Int64:
    """Return the class of each row of logits, -1 where they are NaN."""
    found = np.argmax(logits, 1)
    if program.positive is not None:
        tied = logits[:, program.positive] >= logits.max(1)
        found = np.where(tied, program.positive, found)
    return np.where(np.isnan(logits).any(1), -1, found).astype(np.int64)


def _run(program: Program, x: Float32) -> Float32:
    with np.errstate(all="ignore"):
        usable = added(x.reshape(len(x), -1))
        unusable = ~np.isfinite(usable)
        rows = prepared(program.input, np.where(unusable[:, None, None], F(0), x).astype(F))
        for layer in program.layers:
            rows = apply(layer, rows)
        features = pool(program.pool, rows)
        head = program.head
        logits = begin(head.bias, head.scale, (len(x), program.classes))
        for i in range(features.shape[1]):
            logits = logits + features[:, i : i + 1] * head.weight[:, i]
        logits = end(logits, head.bias, head.scale)
        logits[unusable] = np.nan
    return logits


def begin(bias: Float32, scale: Float32, shape: tuple[int, ...]) -> Float32:
    """Return what a sum starts from: the bias, or 0 where weights have a scale."""
    return np.zeros(shape, F) if scale.size else np.broadcast_to(bias, shape).astype(F)


def end(total: Float32, bias: Float32, scale: Float32) -> Float32:
    """Return a sum in its own unit: scaled, then the bias added, where weights have a scale."""
    return np.asarray(total * scale + bias, F) if scale.size else total


def prepared(source: Input, x: Float32) -> Float32:
    """Return the rows ``(n, steps, width)`` that the first layer gets of windows ``(n, leads, samples)``."""
    if source.kind == "rr":
        assert source.rr is not None
        x = rr_series(x, source.rr)
    elif source.kind == "beat":
        assert source.beat is not None
        x = beat_view(x, source.beat)
    count = F(source.samples)
    mean = np.zeros((*x.shape[:2], 1), F)
    if source.kind not in ("none", "rr", "beat"):
        mean = (added(x) / count)[..., None]
        # What a sum in float32 lost comes back with the mean of what is left.
        mean = mean + (added(x - mean) / count)[..., None]
    centred = x - mean
    divisor = np.ones_like(mean)
    if source.kind == "zscore":
        divisor = np.sqrt(added(centred * centred) / count)[..., None] + F(EPSILON)
    elif source.kind == "maxabs":
        divisor = np.abs(centred).max(-1, keepdims=True) + F(EPSILON)
    if source.upright:
        middle = centred
        if source.kind == "none":
            moved = (added(x) / count)[..., None]
            middle = x - (moved + (added(x - moved) / count)[..., None])
        divisor = np.where(added(middle * middle * middle)[..., None] < 0, -divisor, divisor).astype(F)
    n, channels = x.shape[:2]
    used = source.steps * source.patch * source.decimation
    means = added(centred[..., :used].reshape(n, channels, -1, source.decimation)) * F(1 / source.decimation)
    rows = (means / divisor).reshape(n, channels, source.steps, source.patch)
    return np.asarray(rows.transpose(0, 2, 1, 3).reshape(n, source.steps, source.width), F)


def beat_view(x: Float32, plan: BeatPlan) -> Float32:
    """Return the three rows of each lead of ``(n, leads, samples)``; see `atml.models.beat_view`."""
    n, leads, samples = x.shape
    lead = x.reshape(n * leads, samples)
    slope = np.zeros((n * leads, samples + 2 * plan.reach), F)
    first, last = plan.reach + plan.step, plan.reach + samples - plan.step
    slope[:, first:last] = lead[:, 2 * plan.step :] - lead[:, : -2 * plan.step]
    product, power = np.zeros_like(lead), np.zeros_like(lead)
    for at in range(0, 2 * plan.reach + 1, plan.step):
        part = slope[:, at : at + samples]
        product = product + part * slope[:, plan.beat + at, None]
        power = power + part * part
    size = root(power)
    own = size[:, plan.beat, None] + F(EPSILON)
    least = size.max(1, keepdims=True) * F(FLOOR) + F(EPSILON)
    out = np.zeros((n * leads, CHANNELS, samples), F)
    out[:, 0] = product / (own * np.maximum(size, least)) * F(ALIKE_GAIN)
    out[:, 1] = np.minimum(size / own, F(LARGEST))
    out[:, :2, plan.beat - plan.hidden : plan.beat + plan.hidden + 1] = 0
    near = slice(plan.beat - plan.before, plan.beat + plan.after + 1)
    shape = lead[:, near] - lead[:, plan.beat, None]
    shape = shape - (added(shape) / F(plan.own))[:, None]
    out[:, 2, near] = shape / (root(added(shape * shape) / F(plan.own)) + F(EPSILON))[:, None]
    return out.reshape(n, leads * CHANNELS, samples)


def rr_series(x: Float32, plan: RRPlan) -> Float32:
    """Return the RR intervals of ``(n, leads, samples)``; see `atml.models.rr_series`."""
    squares = np.zeros((*x.shape[:2], plan.window + plan.box - 1), F)
    slope = x[..., 2 * plan.step :] - x[..., : -2 * plan.step]
    at = plan.step + plan.box // 2
    squares[..., at : at + slope.shape[-1]] = slope * slope
    energy = boxed(squares, plan.box)
    each = energy[..., : plan.seconds * plan.second].reshape(*x.shape[:2], plan.seconds, plan.second).max(-1)
    middle = np.sort(np.sqrt(each), -1)[..., ::-1][..., (plan.seconds - 1) // 2 : plan.seconds // 2 + 1]
    least = added(middle) / F(middle.shape[-1]) * F(FRACTION)
    least = least * least
    padded = np.pad(energy, ((0, 0), (0, 0), (plan.reach, plan.reach)))
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * plan.reach + 1, -1).max(-1)
    top = (energy == around) & (energy > least[..., None])
    top[..., 1:] &= ~top[..., :-1]
    series = np.zeros_like(x)
    for n, lead in np.ndindex(x.shape[:2]):
        beats = np.flatnonzero(top[n, lead])[: plan.most]
        if len(beats) < 2:
            continue
        samples = np.clip(np.diff(beats), plan.reach, plan.longest).astype(F)
        intervals = log(samples * F(1 / plan.usual)) * F(GAIN)
        last = np.searchsorted(beats, np.arange(plan.window), "right") - 2
        series[n, lead] = intervals[np.clip(last, 0, len(intervals) - 1)]
    return series


def apply(layer: Layer, rows: Float32) -> Float32:
    """Return the rows ``(n, steps, outputs)`` that a layer makes of ``(n, steps, inputs)``."""
    if isinstance(layer, Conv):
        return _conv(layer, rows)
    if isinstance(layer, LayerNorm):
        return _layer_norm(layer, rows)
    return np.concatenate([_cell(layer, rows, way) for way in range(layer.ways)], 2)


def _conv(layer: Conv, rows: Float32) -> Float32:
    n = len(rows)
    padded = np.pad(rows, ((0, 0), (layer.pad, layer.pad), (0, 0)))
    out = begin(layer.bias, layer.scale, (n, layer.steps, layer.outputs))
    for k in range(layer.kernel):
        seen = padded[:, k : k + (layer.steps - 1) * layer.stride + 1 : layer.stride]
        if layer.depthwise:
            out = out + seen * layer.weight[:, k, 0]
            continue
        for c in range(layer.inputs):
            out = out + seen[:, :, c : c + 1] * layer.weight[:, k, c]
    return activate(end(out, layer.bias, layer.scale), layer.activation)


def _layer_norm(layer: LayerNorm, rows: Float32) -> Float32:
    flat = rows.reshape(len(rows), -1)
    count = F(flat.shape[1])
    mean = (added(flat) / count)[:, None]
    mean = mean + (added(flat - mean) / count)[:, None]
    centred = flat - mean
    spread = np.sqrt(added(centred * centred) / count + F(layer.epsilon))[:, None]
    unit = (centred / spread).reshape(rows.shape)
    return activate(unit * layer.gain + layer.offset, layer.activation)


def _cell(layer: Recurrent, rows: Float32, way: int) -> Float32:
    """Run one direction; ``(n, steps, units)`` in the order of time."""
    n, steps, _ = rows.shape
    h = np.zeros((n, layer.units), F)
    c = np.zeros((n, layer.units), F)
    out = np.zeros((n, steps, layer.units), F)
    weight, recurrent, bias = layer.weight[way], layer.recurrent[way], layer.bias[way]
    scale = layer.scale[way] if layer.scale.size else layer.scale
    for t in range(steps) if way == 0 else range(steps - 1, -1, -1):
        gates = [begin(bias[:, g], scale, (n, layer.units)) for g in range(4)]
        for i in range(layer.inputs):
            x = rows[:, t, i : i + 1]
            for g in range(layer.gates):
                gates[g] = gates[g] + x * weight[:, g, i]
        for i in range(layer.units):
            x = h[:, i : i + 1]
            for g in range(layer.gates):
                # The new gate of a GRU keeps what it gets from the state apart.
                to = 3 if layer.cell == "gru" and g == 2 else g
                gates[to] = gates[to] + x * recurrent[:, g, i]
        if scale.size:
            rows_of = (0, 1, 2, 2) if layer.cell == "gru" else (0, 1, 2, 3)
            gates = [end(gate, bias[:, g], scale[:, rows_of[g]]) for g, gate in enumerate(gates)]
        if layer.cell == "gru":
            new = tanh(gates[2] + sigmoid(gates[1]) * gates[3])
            h = new + sigmoid(gates[0]) * (h - new)
        else:
            c = sigmoid(gates[2]) * c + sigmoid(gates[0]) * tanh(gates[3])
            h = sigmoid(gates[1]) * tanh(c)
        out[:, t] = h
    return out


def pool(layer: Pool, rows: Float32) -> Float32:
    """Return the features ``(n, features)`` of rows ``(n, steps, width)``."""
    if layer.kind == "last":
        last = rows[:, -1].copy()
        if layer.turned:
            last[:, -layer.turned :] = rows[:, 0, -layer.turned :]
        return last
    if layer.kind == "attention":
        return _attention(layer, rows)
    mean = added(rows, 1) * F(1 / layer.steps)
    if layer.kind == "mean":
        return np.asarray(mean, F)
    largest = rows.max(1)
    return largest if layer.kind == "max" else np.concatenate([mean, largest], 1)


def _attention(layer: Pool, rows: Float32) -> Float32:
    """Softmax over time in one pass: sums so far are scaled down whenever a larger score comes."""
    n = len(rows)
    most = np.full((n, 1), -np.inf, F)
    total = np.zeros((n, 1), F)
    summed = np.zeros((n, layer.width), F)
    for t in range(layer.steps):
        score = added(rows[:, t] * layer.score)[:, None]
        larger = score > most
        share = exp(np.where(larger, most - score, score - most).astype(F))
        total = np.where(larger, total * share + F(1), total + share).astype(F)
        summed = np.where(larger, summed * share + rows[:, t], summed + share * rows[:, t]).astype(F)
        most = np.maximum(most, score)
    return np.asarray(summed / total, F)
