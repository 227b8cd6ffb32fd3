"""A program in integers run in numpy: the very integers of the C, and so the same bits of the logits.

Sums of products are worked out as products of float64 matrices, which are exact below 2 ** 53.
"""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32, Int64
from atml.device import interpreter
from atml.device.arithmetic import F, added, exp
from atml.device.program import Conv, LayerNorm, Pool, Recurrent
from atml.device.quantised import (
    CELL,
    FEATURE,
    FINE,
    GATE,
    HIGHEST,
    LIFT,
    LOWEST,
    STATE,
    ConvIntegers,
    Grid,
    NormIntegers,
    Quantised,
    RecurrentIntegers,
    sigmoid_table,
)


def run(quantised: Quantised, x: Float32) -> Float32:
    """Return logits ``(n, classes)`` of windows ``(n, leads, samples)`` in mV, as `interpreter.run` does."""
    size, passes = interpreter.BLOCK, quantised.program.passes
    x = interpreter.apart(x, passes)
    parts = [_run(quantised, np.asarray(x[at : at + size], F)) for at in range(0, len(x), size)]
    logits = np.concatenate([np.empty((0, quantised.program.classes), F), *parts])
    return interpreter.voted(logits, passes)


def _run(quantised: Quantised, x: Float32) -> Float32:
    program = quantised.program
    with np.errstate(all="ignore"):
        unusable = ~np.isfinite(added(x.reshape(len(x), -1)))
        first = interpreter.prepared(program.input, np.where(unusable[:, None, None], F(0), x).astype(F))
        rows = entered(first, quantised.input)
        for layer, numbers in zip(program.layers, quantised.layers, strict=True):
            if isinstance(layer, Conv):
                assert isinstance(numbers, ConvIntegers)
                rows = _conv(layer, numbers, rows)
            elif isinstance(layer, LayerNorm):
                assert isinstance(numbers, NormIntegers)
                rows = _norm(numbers, rows)
            else:
                assert isinstance(numbers, RecurrentIntegers)
                ways = [_cell(layer, numbers, rows, way) for way in range(layer.ways)]
                rows = np.concatenate(ways, 2)
        sums = _product(_features(quantised, rows), quantised.head.T)
        logits = np.asarray(sums.astype(F) * quantised.head_scale + program.head.bias, F)
        logits[unusable] = np.nan
    return logits


def entered(values: Float32, grid: Grid) -> Int64:
    """Return the steps of a grid that values of the input step are put on."""
    x = values * F(1 / grid.scale)
    x = np.where(x > F(-512), x, F(-512))
    x = np.where(x < F(512), x, F(512)).astype(F)
    return np.clip(_rounded(x) + grid.zero, LOWEST, HIGHEST)


def _rounded(x: Float32) -> Int64:
    """Round halves away from 0."""
    whole: Int64 = np.trunc(x + np.where(x < 0, F(-0.5), F(0.5)).astype(F)).astype(np.int64)
    return whole


def _product(x: Int64, weight: Int64) -> Int64:
    """Multiply two matrices of whole numbers."""
    exact: Int64 = np.matmul(x.astype(np.float64), weight.astype(np.float64)).astype(np.int64)
    return exact


def _scaled(total: Int64, multiplier: Int64 | int, shift: Int64 | int) -> Int64:
    """Return ``total * multiplier / 2 ** shift``, halves rounded up."""
    return (total * multiplier + (1 << (shift - 1))) >> shift


def _settled(values: Int64, zero: int, table: Int64) -> Int64:
    """Return what is passed on for values on a grid around ``zero``: kept within its bits, then activated."""
    values = values + zero
    if not table.size:
        return np.clip(values, LOWEST, HIGHEST)
    values = np.clip(values, LOWEST << FINE, ((HIGHEST + 1) << FINE) - 1)
    at, part = (values >> FINE) - LOWEST, values & ((1 << FINE) - 1)
    between = (table[at] << FINE) + (table[at + 1] - table[at]) * part
    return np.asarray((between + (1 << (7 + FINE))) >> (8 + FINE), np.int64)


def _conv(layer: Conv, numbers: ConvIntegers, rows: Int64) -> Int64:
    n = len(rows)
    padded = np.pad(rows, ((0, 0), (layer.pad, layer.pad), (0, 0)), constant_values=numbers.zero)
    seen = np.lib.stride_tricks.sliding_window_view(padded, layer.kernel, 1)  # (n, steps, inputs, kernel)
    seen = seen[:, :: layer.stride][:, : layer.steps]
    if layer.depthwise:
        total = (seen * numbers.weight[:, :, 0]).sum(-1)
    else:
        weight = numbers.weight.transpose(2, 1, 0).reshape(-1, layer.outputs)
        total = _product(seen.reshape(n * layer.steps, -1), weight).reshape(n, layer.steps, -1)
    return _settled(
        _scaled(total + numbers.bias, numbers.multiplier, numbers.shift), numbers.zero_out, numbers.table
    )


def _norm(numbers: NormIntegers, rows: Int64) -> Int64:
    n, count = len(rows), rows[0].size
    flat = rows.reshape(n, -1)
    total, squares = flat.sum(1), (flat * flat).sum(1)
    size = F(count)
    mean = total.astype(F) / size
    spread = np.sqrt((count * squares - total * total).astype(F) / (size * size) + numbers.epsilon)
    # A multiplier of 15 bits and a shift, worked out for each window.
    rate = np.minimum(F(256) / spread, F(1 << 14)).astype(F)
    shift = np.full(n, 17)
    for _ in range(14):
        low = rate < F(1 << 14)
        rate, shift = np.where(low, rate * F(2), rate).astype(F), shift + low
    by = np.minimum(_rounded(rate), (1 << 15) - 1)
    middle = _rounded(mean * F(256))[:, None, None]
    unit = _scaled((rows * 256 - middle) << 13, by[:, None, None], shift[:, None, None])
    return _settled(
        _scaled(unit + numbers.bias, numbers.multiplier, numbers.shift), numbers.zero_out, numbers.table
    )


TABLE = sigmoid_table()


def sigmoid(x: Int64) -> Int64:
    """Return sigmoid, `STATE` bits after the point, of what has `GATE`; straight between two entries."""
    size = np.minimum(np.abs(x), (1 << 15) - 1)
    low = TABLE[size >> 8]
    y = low + (((TABLE[(size >> 8) + 1] - low) * (size & 255) + 128) >> 8)
    return np.asarray(np.where(x < 0, (1 << STATE) - y, y), np.int64)


def tanh(x: Int64) -> Int64:
    """Return tanh of what has `GATE` bits after the point."""
    return 2 * sigmoid(2 * x) - (1 << STATE)


def _cell(layer: Recurrent, numbers: RecurrentIntegers, rows: Int64, way: int) -> Int64:
    """Run one direction; ``(n, steps, units)`` in the order of time."""
    n, steps, inputs = rows.shape
    units, gates = layer.units, layer.gates
    weight = numbers.weight[way].reshape(-1, inputs).T
    recurrent = numbers.recurrent[way].reshape(-1, units).T
    by_input, by_state = numbers.multiplier[way, ..., 0], numbers.multiplier[way, ..., 1]
    bias, state_bias = numbers.bias[way, :, :gates], np.zeros((units, gates), np.int64)
    if layer.cell == "gru":
        state_bias[:, 2] = numbers.bias[way, :, 3]
    sums = _product(rows.reshape(n * steps, -1), weight).reshape(n, steps, units, gates) + bias
    of_input = _scaled(sums << LIFT, by_input, numbers.shift)
    h = np.zeros((n, units), np.int64)
    c = np.zeros((n, units), np.int64)
    out = np.zeros((n, steps, units), np.int64)
    for t in range(steps) if way == 0 else range(steps - 1, -1, -1):
        sums = _product(h, recurrent).reshape(n, units, gates) + state_bias
        of_state = _scaled(sums, by_state, numbers.shift_state)
        gate = of_input[:, t] + of_state
        if layer.cell == "gru":
            reset = sigmoid(gate[..., 1])
            new = tanh(of_input[:, t, :, 2] + _scaled(of_state[..., 2], reset, STATE))
            h = new + _scaled(h - new, sigmoid(gate[..., 0]), STATE)
        else:
            kept = _scaled(c, sigmoid(gate[..., 2]), STATE)
            c = kept + _scaled(tanh(gate[..., 3]), sigmoid(gate[..., 0]), 2 * STATE - CELL)
            h = _scaled(tanh(c >> (CELL - GATE)), sigmoid(gate[..., 1]), STATE)
        out[:, t] = _scaled(h, numbers.multiplier_out, numbers.shift_out)
    return np.clip(out + numbers.zero_out, LOWEST, HIGHEST)


def _features(quantised: Quantised, rows: Int64) -> Int64:
    """Return the features ``(n, features)`` of rows, in parts of a step and from 0."""
    pool, zero = quantised.program.pool, quantised.zero
    if pool.kind == "last":
        last = rows[:, -1].copy()
        if pool.turned:
            last[:, -pool.turned :] = rows[:, 0, -pool.turned :]
        return (last - zero) * FEATURE
    if pool.kind == "attention":
        return _attention(quantised, pool, rows)
    total = (rows.sum(1) - pool.steps * zero) * FEATURE
    half = pool.steps // 2
    mean: Int64 = np.where(total < 0, -((half - total) // pool.steps), (total + half) // pool.steps)
    if pool.kind == "mean":
        return mean
    largest = (rows.max(1) - zero) * FEATURE
    return largest if pool.kind == "max" else np.concatenate([mean, largest], 1)


def _attention(quantised: Quantised, pool: Pool, rows: Int64) -> Int64:
    """Softmax over time in one pass, as `interpreter` has it; shares are whole numbers."""
    bits, one = quantised.share_bits, 1 << quantised.share_bits
    scores = (rows * quantised.score).sum(-1)
    n = len(rows)
    most = np.full(n, np.iinfo(np.int32).min)
    total, summed = np.zeros((n, 1), np.int64), np.zeros((n, pool.width), np.int64)
    for t in range(pool.steps):
        score = scores[:, t]
        larger = score > most if t else np.ones(n, bool)
        below = np.where(larger, most - score, score - most).astype(F)
        share = _rounded(exp(below * quantised.score_scale) * F(one))[:, None]
        share = np.where(t, share, 0)
        above = larger[:, None]
        total = np.where(above, _scaled(total, share, bits) + one, total + share)
        summed = np.where(above, _scaled(summed, share, bits) + rows[:, t] * one, summed + share * rows[:, t])
        most = np.where(larger, score, most)
    mean = np.asarray(summed, F) / np.asarray(total, F)
    return _rounded(np.asarray(mean * F(FEATURE), F)) - FEATURE * quantised.zero
