"""What a program costs: how often each loop of its C runs, by layer, and the bytes that it takes.

A trip of a loop costs a whole number of instructions that the compiler has chosen, so instructions are the
sum over `events` of how often each happens times what one costs (`atml.device.rates`). Events follow the C
of ``c/runtime/`` line by line; nothing here depends on the values of weights, only on shapes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from atml.device import integer_sizes, memory
from atml.device.c.writer import pieces
from atml.device.calibration import Ranges
from atml.device.program import W8, Conv, Input, LayerNorm, Pool, Program, Recurrent, width_before
from atml.device.quantised import W8A8, Quantised, quantise

INPUT, POOL, HEAD = "input", "pool", "head"
"""Names of the parts of a program beside its layers."""


@dataclass(frozen=True)
class Part:
    """One row of a table by layer.

    Attributes:
        name: A layer's name, or `INPUT`, `POOL`, `HEAD`.
        macs: Multiply-accumulates of one window.
        events: How often each thing happens in one window, by its name.
        weights: Numbers that are stored as weights, padding included: one byte or four each.
        rows: Scales that int8 weights have, one an output (one a gate of a unit).
        floats: Numbers that are stored as float in any format: biases, gains and offsets.
        ram: Numbers in RAM, four bytes each.
    """

    name: str
    macs: int
    events: Counter[str]
    weights: int
    rows: int
    floats: int
    ram: int

    def times(self, passes: int) -> Part:
        """Return what it does in so many passes; it is stored once."""
        events = Counter({name: count * passes for name, count in self.events.items()})
        return replace(self, macs=self.macs * passes, events=events)


def parts(program: Program) -> list[Part]:
    """Return what each part of a program does in one window: the input, the layers, pool and head.

    Shapes alone decide; so a program in any format, or none yet, gives the same.
    """
    plan = memory.plan(program)
    found = [_input(program.input)]
    feed = _Feed(program.input.steps, 1, sparse=False)
    for place, layer in enumerate(program.layers):
        width, held = width_before(program, place), plan.rows[place]
        if isinstance(layer, Conv):
            found.append(_conv(layer, feed, width, held))
            feed = _Feed(layer.steps, 2, layer.activation == "relu")
        elif isinstance(layer, LayerNorm):
            found.append(_norm(layer, held))
            feed = _Feed(layer.steps, 1, layer.activation == "relu")
        else:
            found.append(_cell(layer, feed, held, plan.states, alone=len(program.layers) == 1))
            feed = _Feed(layer.steps, 1, sparse=False)
    pool = program.pool
    found.append(_pool(pool, feed, plan.rows[-1]))
    weight = program.head.weight
    events = Counter({"window": 1, "head class": len(weight), "head trip": weight.size})
    found.append(Part(HEAD, weight.size, events, weight.size, len(weight), len(weight), 0))
    return [one.times(program.passes) for one in found]


@dataclass(frozen=True)
class _Feed:
    """How rows come to a layer: how many, how many at once, and whether about half of them is 0."""

    rows: int
    at_once: int
    sparse: bool

    @property
    def calls(self) -> int:
        return self.rows // self.at_once + self.rows % self.at_once


def _input(source: Input) -> Part:
    values = source.leads * source.samples
    events: Counter[str] = Counter({"input scan": values})
    if source.kind in ("zscore", "maxabs", "centre") or (source.upright and source.kind == "none"):
        events["input mean"] = values
    if source.kind in ("zscore", "maxabs"):
        events[f"input {source.kind}"] = values
    if source.kind == "zscore":
        events["root"] = source.leads
    if source.upright:
        events["input cube"] = values
    ram = 0
    if (rr := source.rr) is not None:
        reached = rr.window + rr.box - 1
        events["rr scan"] = source.leads * reached
        events["rr box"] = source.leads * reached * (rr.box.bit_length() + rr.box.bit_count() - 2)
        ram = source.leads * reached + reached + (rr.most if rr.window > 2**15 else (rr.most + 1) // 2)
    if (beat := source.beat) is not None:
        events["beat sample"] = source.leads * beat.window
        events["beat tap"] = source.leads * beat.window * beat.taps
        events["beat own"] = source.leads * beat.own
        ram = source.channels * beat.window + 2 * beat.reach
    events["input row"] = source.steps
    events["input lead"] = source.steps * source.channels
    taken = source.steps * source.channels * source.patch
    events["input value" if source.decimation > 1 else "input single"] = taken
    if source.decimation > 1:
        events["input sample"] = taken * source.decimation
    return Part(INPUT, 0, events, 0, 0, 0, ram)


def _conv(layer: Conv, feed: _Feed, width: int, held: int) -> Part:
    kernel = max(layer.kernel, layer.stride)
    pairs, single = divmod(layer.steps, 2)
    calls = pairs + single
    after = max((layer.steps - 1) * layer.stride + kernel - layer.pad - feed.rows, 0)
    late = (kernel + layer.stride - layer.pad) % 2 if feed.at_once == 2 else 0
    events = Counter(
        {
            "give": feed.calls + after,
            "pass": pairs,
            "move word": pairs * (kernel - layer.stride + late) * width,
            "clear word": (layer.pad + after) * width,
        }
    )
    sparse = " of zeros" if feed.sparse else ""
    if layer.depthwise:
        events["each call"] = calls
        events["each output"] = calls * layer.outputs
        events.update(_trips("each", calls * layer.outputs, kernel, sparse))
    else:
        blocks = calls * ((layer.outputs + 1) // 2)
        events["conv call"] = calls
        events["conv block"] = blocks
        events.update(_trips("conv", blocks, kernel * width, sparse))
    _activation(events, layer.activation, calls, layer.steps * layer.outputs)
    weights = layer.outputs * kernel * (1 if layer.depthwise else width)
    return Part(layer.name, layer.macs, events, weights, layer.outputs, layer.outputs, held)


def _norm(layer: LayerNorm, held: int) -> Part:
    count = layer.steps * layer.outputs
    events = Counter({"norm value": count, "norm row": layer.steps, "root": 1, "give": layer.steps})
    _activation(events, layer.activation, layer.steps, count)
    return Part(layer.name, 0, events, 0, 0, 2 * layer.outputs, held)


def _cell(layer: Recurrent, feed: _Feed, held: int, states: int, *, alone: bool) -> Part:
    steps, units = layer.steps * layer.ways, layer.units
    # The sizes of an only layer are constants to the compiler, and code of two directions is there twice.
    only = ", alone" if alone else ""
    kind = (", two ways" if layer.ways == 2 else "") + only
    events = Counter(
        {
            "give": feed.calls,
            "step": steps,
            f"{layer.cell} unit{kind}": steps * units,
            "copy word": steps * units,
        }
    )
    sparse = " of zeros" if feed.sparse else ""
    events.update(_trips(layer.cell, steps * units, layer.inputs, only + sparse))
    events.update(_trips(f"{layer.cell} state", steps * units, units, only))
    ram = held + layer.ways * units * states
    if layer.ways == 2:
        events["both row"] = layer.steps
        events["copy word"] += layer.steps * 2 * units
        ram += layer.steps * layer.outputs
    weights = layer.weight.size + layer.recurrent.size
    rows = layer.ways * units * layer.gates
    return Part(layer.name, layer.macs, events, weights, rows, layer.ways * units * 4, ram)


def _pool(pool: Pool, feed: _Feed, held: int) -> Part:
    values = pool.steps * pool.width
    events = Counter({"give": feed.calls, "pool row": pool.steps, f"pool {pool.kind}": values})
    scored = pool.kind == "attention"
    if scored:
        events["share"] = pool.steps
    macs = 2 * values if scored else 0
    return Part(POOL, macs, events, 0, 0, pool.score.size, held + pool.features + 2 * scored)


def _trips(name: str, times: int, trips: int, sparse: str) -> dict[str, int]:
    """Split the trips of an inner loop, which compilers unroll by four."""
    return {f"{name} four{sparse}": times * (trips // 4), f"{name} one{sparse}": times * (trips % 4)}


def _activation(events: Counter[str], kind: str, calls: int, values: int) -> None:
    if kind != "none":
        events["activation"] += calls
        events[kind] += values


def events(program: Program) -> Counter[str]:
    """Return how often each thing happens in one window, over all parts."""
    return sum((part.events for part in parts(program)), Counter())


def in_integers(program: Program) -> Quantised:
    """Return a program in integers for its shapes and sizes: nothing was measured, so it decides nothing."""
    one = ((-1.0, 1.0),)
    return quantise(program, Ranges(one * (len(program.layers) + 1), one * len(program.layers)))


def needs(program: Program, format: str) -> frozenset[str]:
    """Return the names of the pieces of C that a program needs in a format, whichever it is in now."""
    if format == W8A8:
        return pieces(in_integers(program))
    found = pieces(program) - {W8.upper()}
    return found | {W8.upper()} if format == W8 else found


def stored(program: Program, format: str) -> list[tuple[int, int]]:
    """Return bytes of constants and of buffers of each of `parts`, in a format."""
    found = parts(program)
    if format == W8A8:
        sizes = integer_sizes.sizes(in_integers(program))
        return [
            (one.flash, one.ram + (4 * part.ram if part.name == INPUT else 0))
            for one, part in zip(sizes, found, strict=True)
        ]
    if format == W8:
        return [(part.weights + 4 * (part.rows + part.floats), 4 * part.ram) for part in found]
    return [(4 * (part.weights + part.floats), 4 * part.ram) for part in found]


def frames(program: Program, format: str) -> Counter[str]:
    """Return what lies on the stack at its deepest, by name and how many of each.

    A layer hands its rows on by a call, so calls nest from layer to layer. A layer norm and a layer of two
    directions wait for the whole window, and the nesting begins anew behind them.
    """
    longest, depth = 0, 0
    for layer in program.layers:
        depth += 1
        longest = max(longest, depth)
        if isinstance(layer, LayerNorm) or (isinstance(layer, Recurrent) and layer.ways == 2):
            depth = 1
    longest = max(longest, depth + 1)
    found = Counter({"always": 1, "call": longest})
    for need in needs(program, format) & set(NESTED):
        found[need] = 1
        found[f"call, {need}"] = longest
    if program.input.rr is not None:
        found["rr second"] = program.input.rr.seconds
    if program.input.beat is not None:
        found["BEAT_VIEW"] = 1
    return found


NESTED = (
    *("ONE_WAY", "TWO_WAYS", "LSTM", "GRU", "CONV", "DEPTHWISE", "NORM"),
    *("POOL_ATTENTION", "ACTIVATE", "EXP", "W8"),
)
"""Pieces of code that decide how much each nested call keeps."""


def table_bytes(program: Program, format: str, *, wide: bool) -> int:
    """Return the bytes of the table of layers and pool.

    A row has six addresses and 20 bytes more, in integers nine and 27, filled up to whole addresses.
    """
    addresses, others = (9, 27) if format == W8A8 else (6, 20)
    size = 8 if wide else 4
    return -(-(addresses * size + others) // size) * size * (len(program.layers) + 1)


TOGETHER = {
    "LSTM": ("ONE_WAY", "TWO_WAYS"),
    "GRU": ("ONE_WAY", "TWO_WAYS"),
    "NORM": ("ELU", "SILU", "ONE_WAY", "TWO_WAYS"),
}
"""Pieces that a compiler writes out once more where another one uses them."""

UNROLLED = 20
"""Features up to which a compiler writes the head out, its weights as constants in the code (seen of zig)."""


def code(program: Program, format: str) -> Counter[str]:
    """Return what a program's code consists of in a format: pieces by name, and how many of each."""
    named, layers = needs(program, format), len(program.layers)
    found = Counter({"always": 1, "layer": layers, **dict.fromkeys(named, 1)})
    for one, others in TOGETHER.items():
        if one in named:
            found.update({f"{one} {other}": 1 for other in others if other in named})
    if "FINISHES" in named:
        found["layer that finishes"] = layers
    if "CELL" in named and named & {"ELU", "SILU", "TANH_ACTIVATION", "POOL_ATTENTION"}:
        found["EXP shared"] = 1
    if layers == 1:
        found["only layer"] = 1
        found.update({f"only layer, {one}": 1 for one in ("LSTM", "GRU", "TWO_WAYS") if one in named})
    if program.pool.features <= UNROLLED:
        found["written out"] = 1
        found["head weight"] = program.head.weight.size
    return found
