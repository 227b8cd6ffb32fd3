"""How well the formula for instructions, flash, RAM and stack fits what compilers write; makes `rates.json`.

    python benchmarks/device_cost.py count --folder DIR [--columns zig:cortex-m4:f32 gcc:cortex-m4:w8 ...]
    python benchmarks/device_cost.py fit --folder DIR [--write]
    python benchmarks/device_cost.py beat [--write]

``count`` writes C of random small programs and of random configs of the search spaces, compiles it, runs one
window under emulation and counts: a line of JSON a program and column, so that it can be stopped and
continued. ``fit`` finds what each event costs, by least squares of relative errors that keeps costs above
0, over small programs and some configs. It prints errors on ``--check`` other configs, which nothing was
fitted to: median, 95th percentile and worst. ``--write`` puts the costs into ``atml/device/rates.json``.

``beat`` finds what the input step "beat" adds, and leaves all other costs as they are: it counts networks
with the step, and the same ones whose channels come as they are. The step is the same C in every format, so
it is counted in one.

A bare Cortex-M is counted in unicorn by a hook written in C, 100 times as fast as one in Python.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from scipy.optimize import nnls

from atml import task_files
from atml.artifacts.backends import onnx_w8
from atml.device import c, cost, rates, untrained
from atml.device.calibration import calibrate
from atml.device.estimate import ram_bytes
from atml.device.program import F32, Conv, Head, Input, Layer, LayerNorm, Pool, Program, Recurrent
from atml.device.quantised import Quantised, quantise
from atml.device.rates import Rates
from atml.device.toolchains import building, cortex_m, emulation
from atml.device.toolchains.building import Image
from atml.errors import ShapeError
from atml.models.config import ModelConfig
from atml.tasks.task import MULTICLASS, Task

SPACES = ("afib", "defib", "rhythm")
COLUMNS = (
    *(
        f"zig:{target}:{form}"
        for form in ("f32", "w8", "w8a8")
        for target in ("cortex-m0", "cortex-m4", "cortex-m7", "loongarch64")
    ),
    *(
        f"gcc:{target}:{form}"
        for form in ("f32", "w8", "w8a8")
        for target in ("cortex-m0", "cortex-m4", "cortex-m7")
    ),
)
ACTIVATIONS = ("none", "relu", "leaky_relu", "elu", "silu", "hardswish", "tanh")

VARIETIES = (" of zeros", " state", ", two ways", ", alone")
"""What a kind of an event has in its name: it costs about what that event costs."""
COUNTS = Path(__file__).parent.parent / "tests" / "fixtures" / "device_counts.json"
PULL = 0.1
"""How much a cost that few programs show is drawn to that of its like, by errors of programs not seen."""
EXAMPLES = 9
"""Configs with their counts that are kept for the tests."""

HOOK = """
#include <stdint.h>
void block(void *core, uint64_t address, uint32_t size, void *table)
{
    uint32_t *times = table, i = (uint32_t)(address >> 1) & 0x1fffff;
    times[i]++;
    times[0x200000 + i] = size;
    (void)core;
}
"""


def normal(random: np.random.Generator, fan: int, *shape: int) -> npt.NDArray[np.float32]:
    return (random.normal(size=shape) / np.sqrt(fan)).astype(np.float32)


def small(random: np.random.Generator) -> Program:
    """Draw a program of short windows and few layers of any kind."""
    cell = str(random.choice(["none", "lstm", "gru"]))
    convolves = cell == "none" or random.random() < 0.75
    source = Input(
        leads=1,
        samples=int(random.choice([200, 250, 300, 400, 500])),
        kind=str(random.choice(["none", "zscore", "maxabs", "centre"], p=[0.1, 0.4, 0.25, 0.25])),
        upright=bool(random.random() < 0.3),
        decimation=int(random.integers(1, 6)),
        patch=1 if convolves else int(random.integers(4, 11)),
    )
    layers: list[Layer] = []
    width, steps = source.width, source.steps
    if convolves:
        activation, normed = str(random.choice(ACTIVATIONS)), random.random() < 0.3
        if normed and activation == "none":
            activation = "relu"
        separable = random.random() < 0.35
        for depth in range(int(random.integers(1, 5))):
            out, kernel = (
                int(random.choice([3, 4, 5, 8, 12, 16, 20, 24])),
                int(random.choice([3, 5, 7, 9, 11, 13])),
            )
            stride = int(random.integers(1, 4)) if steps > 30 else 1
            stages = [(out, kernel, stride, False)]
            if separable and depth:
                stages = [(width, kernel, stride, True), (out, 1, 1, False)]
            for outputs, size, step, each in stages:
                inputs = 1 if each else width
                steps_after = (steps + 2 * (size // 2) - size) // step + 1
                layers.append(
                    Conv(
                        name=f"conv{len(layers)}",
                        weight=normal(random, size * inputs, outputs, size, inputs),
                        bias=normal(random, 9, outputs),
                        inputs=width,
                        stride=step,
                        pad=size // 2,
                        steps=steps_after,
                        depthwise=each,
                        activation="none" if each or normed else activation,
                    )
                )
                width, steps = outputs, steps_after
            if normed:
                layers.append(
                    LayerNorm(
                        name=f"norm{len(layers)}",
                        gain=1 + normal(random, 9, width),
                        offset=normal(random, 9, width),
                        epsilon=1e-5,
                        steps=steps,
                        activation=activation,
                    )
                )
    two = cell != "none" and random.random() < 0.4
    for _ in range(0 if cell == "none" else 1 if two else int(random.integers(1, 3))):
        units, gates, ways = int(random.choice([4, 8, 12, 16, 20, 24])), 4 if cell == "lstm" else 3, 1 + two
        layers.append(
            Recurrent(
                name=f"cell{len(layers)}",
                cell=cell,
                weight=normal(random, units, ways, units, gates, width),
                recurrent=normal(random, units, ways, units, gates, units),
                bias=normal(random, 9, ways, units, 4),
                steps=steps,
            )
        )
        width = units * ways
    kind, classes = (
        str(random.choice(["mean", "max", "mean_max", "last", "attention"])),
        int(random.integers(2, 5)),
    )
    pool = Pool(
        kind=kind,
        width=width,
        steps=steps,
        turned=width // 2 if two else 0,
        score=normal(random, width, width) if kind == "attention" else np.zeros(0, np.float32),
    )
    return Program(
        input=source,
        layers=tuple(layers),
        pool=pool,
        head=Head(weight=normal(random, width, classes, pool.features), bias=normal(random, 9, classes)),
        positive=1 if classes == 2 else None,
    )


def cells() -> dict[str, Program]:
    """Return programs of nothing but recurrent layers: one of each kind, of one or two directions, or two."""
    random, found = np.random.default_rng(0), {}
    none = np.zeros(0, np.float32)
    for cell, gates in (("lstm", 4), ("gru", 3)):
        for ways, count in ((1, 1), (2, 1), (1, 2)):
            for units, inputs, steps in ((8, 4, 40), (20, 10, 20), (12, 7, 60), (4, 6, 60)):
                layers: list[Layer] = []
                width = inputs
                for _ in range(count):
                    layers.append(
                        Recurrent(
                            name=f"cell{len(layers)}",
                            cell=cell,
                            weight=normal(random, units, ways, units, gates, width),
                            recurrent=normal(random, units, ways, units, gates, units),
                            bias=normal(random, 9, ways, units, 4),
                            steps=steps,
                        )
                    )
                    width = ways * units
                turned = units if ways == 2 else 0
                found[f"cell {cell} {ways} {count} {units}"] = Program(
                    input=Input(leads=1, samples=inputs * steps, kind="none", patch=inputs),
                    layers=tuple(layers),
                    pool=Pool(kind="last", width=width, steps=steps, turned=turned, score=none),
                    head=Head(weight=normal(random, width, 2, width), bias=normal(random, 9, 2)),
                    positive=1,
                )
    return found


def narrow(program: Program) -> Program:
    """Return a program with its weights in 8 bits."""
    layers: list[Layer] = []
    for layer in program.layers:
        if isinstance(layer, Conv):
            weight, scale = onnx_w8.rows(layer.weight)
            layers.append(dataclasses.replace(layer, weight=weight, scale=scale))
        elif isinstance(layer, Recurrent):
            both = np.concatenate([layer.weight, layer.recurrent], 3)
            whole, scale = onnx_w8.rows(both.reshape(-1, both.shape[3]))
            of_input, of_state = np.split(whole.reshape(both.shape), [layer.inputs], 3)
            scale = scale.reshape(both.shape[:3])
            layers.append(dataclasses.replace(layer, weight=of_input, recurrent=of_state, scale=scale))
        else:
            layers.append(layer)
    weight, scale = onnx_w8.rows(program.head.weight)
    head = dataclasses.replace(program.head, weight=weight, scale=scale)
    return dataclasses.replace(program, layers=tuple(layers), head=head)


def configs(seed: int) -> Iterator[tuple[str, ModelConfig, Program]]:
    """Draw configs of the search spaces in turn: the space, the config, its program before training."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    studies = {name: optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)) for name in SPACES}
    while True:
        for name, study in studies.items():
            found = task_files.find(name)
            config = found.suggest(study.ask())
            with contextlib.suppress(ShapeError):  # its convolutions leave nothing of a window
                yield name, config, untrained.program(config, found.task)


def programs(options: argparse.Namespace) -> dict[str, Program]:
    """Return every program by name: small ones, and those of configs to fit to and to check with."""
    random = np.random.default_rng(options.seed)
    found = cells() | {f"small {i}": small(random) for i in range(options.programs)}
    for kind, seed, most in (
        ("fit", options.seed, options.configs),
        ("check", options.seed + 1000, options.check),
    ):
        for i, (space, _, program) in zip(range(most), configs(seed), strict=False):
            found[f"{kind} {space} {i}"] = program
    return found


def window(program: Program, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Draw a window that has beats, noise and wander."""
    leads, samples = program.input.leads, program.input.samples
    t = np.arange(samples)
    beats = np.exp(-(((t % 190) - 90) ** 2) / 30) + 0.2 * np.sin(t / 60)
    return (0.1 * random.normal(size=(leads, samples)) + beats).astype(np.float32)


class Blocks:
    """Counts instructions of a Cortex-M in unicorn."""

    def __init__(self, folder: Path) -> None:
        (folder / "hook.c").write_text(HOOK)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "hook.so", "hook.c"], cwd=folder, check=True)
        self.hook = ctypes.CDLL(str(folder / "hook.so")).block

    def count(self, image: Image, x: npt.NDArray[np.float32]) -> int:
        """Return the instructions of one window."""
        from unicorn import UC_HOOK_BLOCK
        from unicorn.unicorn_py3.unicorn import uclib

        machine = cortex_m.Machine(image)
        times, handle = np.zeros(0x400000, np.uint32), ctypes.c_size_t()
        uclib.uc_hook_add(
            machine.core._uch,
            ctypes.byref(handle),
            ctypes.c_int(UC_HOOK_BLOCK),
            ctypes.cast(self.hook, ctypes.c_void_p),
            ctypes.c_void_p(times.ctypes.data),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
        )
        machine.run(x)
        return sum(
            cortex_m.instructions(bytes(machine.core.mem_read(int(i) * 2, int(times[0x200000 + i]))))
            * int(times[i])
            for i in np.flatnonzero(times[:0x200000])
        )


def counted(program: Program, name: str, blocks: Blocks, random: np.random.Generator) -> dict[str, Any]:
    """Compile a program, run one window, and return what was counted beside what the formula is given."""
    compiler, target, form = name.split(":")
    x = window(program, random)
    written: Program | Quantised = program
    if form == "w8":
        written = narrow(program)
    elif form == "w8a8":
        written = quantise(program, calibrate(program, x[None]))
    with tempfile.TemporaryDirectory() as folder:
        for file, text in c.write(written, sampling_rate=250, hop=program.input.samples).items():
            (Path(folder) / file).write_text(text)
        image = building.build(Path(folder), target, compiler=compiler)
    if image.target.emulator == "cortex-m":
        instructions = blocks.count(image, x)
    else:
        instructions = emulation.count(image, x)
    return {
        "column": name,
        "compiler": image.compiler,
        "instructions": instructions,
        "flash": image.linked.flash,
        "ram": image.linked.ram,
        "stack": emulation.stack(image, x),
    }


ROWS = {
    "instructions": ("beat sample", "beat tap", "beat own"),
    "code": ("BEAT_VIEW",),
    "stack": ("BEAT_VIEW",),
}
"""Rows of the table that the input step "beat" has, by part."""


def pairs() -> Iterator[tuple[Program, Program]]:
    """Return programs with the input step "beat", each with the same network of channels as they come."""
    for rate, samples, leads in (
        (100, 600, 1),
        (125, 438, 2),
        (200, 500, 1),
        (250, 1500, 1),
        (360, 1000, 1),
    ):
        task = Task(
            name="beats",
            classes=("N", "S", "V"),
            kind=MULTICLASS,
            sampling_rate=rate,
            window=samples,
            leads=leads,
            after_beat=1.2,
        )
        config = ModelConfig(
            normalise="beat", channels=(4,), kernels=(5,), strides=(2,), decimation=4, pool="mean"
        )
        program = untrained.program(config, task)
        plain = Input(leads=program.input.channels, samples=samples, kind="none", decimation=4)
        yield program, dataclasses.replace(program, input=plain)


def step_costs(column: str, known: Rates, blocks: Blocks) -> tuple[dict[str, dict[str, float]], float]:
    """Return what the step costs in a column, by part and row, and the worst error of its instructions."""
    keys = ROWS["instructions"]
    rows, code, stack = [], [], []
    for seed, both in enumerate(pairs()):
        have, lack = (counted(one, column, blocks, np.random.default_rng(seed)) for one in both)
        events = cost.events(both[0])
        events.subtract(cost.events(both[1]))
        more = have["instructions"] - lack["instructions"]
        more -= sum(n * known.instructions[key] for key, n in events.items() if key not in keys)
        rows.append({"more": more, "events": events})
        code.append(have["flash"] - lack["flash"])
        stack.append(have["stack"] - lack["stack"])
    costs = dict(zip(keys, fitted(rows, "more", "events", list(keys)).tolist(), strict=True))
    for row in rows:
        row["events"] = {key: row["events"][key] for key in keys}
    pieces = known.code.get("ROOT", 0.0) + known.code.get("BITS", 0.0)
    found = {
        "instructions": costs,
        "code": {"BEAT_VIEW": float(np.median(code)) - pieces},
        "stack": {"BEAT_VIEW": float(max(0, *stack))},
    }
    return found, float(np.abs(errors(rows, "more", "events", costs)).max())


def beat(options: argparse.Namespace) -> None:
    """Fit what the input step "beat" costs in every column, and write these rows alone if asked to."""
    table = json.loads(rates.FILE.read_text())
    columns = list(table["columns"])
    for part, keys in ROWS.items():
        table[part].update({key: [0.0] * len(columns) for key in keys})
    print(
        "instructions a sample, a tap and a sample of the beat's own shape, worst error in %; bytes of code"
    )
    with tempfile.TemporaryDirectory() as folder:
        blocks = Blocks(Path(folder))
        for column in columns:
            compiler, target, form = column.split()
            if form != F32:
                continue
            found, worst = step_costs(column.replace(" ", ":"), rates.rates(target, form, compiler), blocks)
            for part, costs in found.items():
                for key, value in costs.items():
                    for place, other in enumerate(columns):
                        if other.split()[:2] == [compiler, target]:
                            table[part][key][place] = float(f"{value:.4g}")
            words = " ".join(f"{value:8.1f}" for value in found["instructions"].values())
            print(f"{column:<22} {words} {100 * worst:6.1f} {found['code']['BEAT_VIEW']:8.0f}", flush=True)
    if options.write:
        rates.FILE.write_text(laid_out(table))


def count(options: argparse.Namespace) -> None:
    """Count every program that the folder has not yet."""
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / f"{options.seed}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    have = {(one["program"], one["column"]) for one in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder, file.open("a") as sink:
        blocks = Blocks(Path(folder))
        for place, (name, program) in enumerate(programs(options).items()):
            for column in options.columns:
                if (name, column) not in have:
                    found = counted(program, column, blocks, np.random.default_rng(place))
                    sink.write(json.dumps({"program": name, **found}) + "\n")
                    sink.flush()


def fitted(
    rows: list[dict[str, Any]], wanted: str, part: str, keys: list[str], start: npt.NDArray[Any] | None = None
) -> npt.NDArray[Any]:
    """Find costs, none below 0, by least squares of relative errors; ``start`` draws what is hardly seen."""
    a = np.array([[one[part].get(key, 0) for key in keys] for one in rows], float)
    y = np.array([one[wanted] for one in rows], float)
    a, y = a / y[:, None], np.ones(len(y))
    size = np.maximum(a.max(0), 1e-12)
    a = a / size
    pull = PULL if start is not None else 1e-6
    goal = np.zeros(len(keys)) if start is None else start * size
    found, _ = nnls(
        np.vstack([a, pull * np.eye(len(keys))]), np.concatenate([y, pull * goal]), maxiter=100_000
    )
    return found / size


def errors(
    rows: list[dict[str, Any]], wanted: str, part: str, costs: dict[str, float], plus: str = ""
) -> npt.NDArray[Any]:
    """Return predicted minus counted over counted, a program each."""
    found = []
    for one in rows:
        said = sum(n * costs.get(key, 0) for key, n in one[part].items()) + (one[plus] if plus else 0)
        found.append(said / one[wanted] - 1)
    return np.array(found)


def plain(key: str) -> tuple[str, float]:
    """Return the event that another is a variety of, and how much of it: one trip is a quarter of four."""
    for variety in VARIETIES:
        key = key.replace(variety, "")
    if key.endswith(" one"):
        return key.removesuffix("one") + "four", 0.25
    return key, 1.0


def costs_of(rows: list[dict[str, Any]], like: dict[str, float] | None) -> dict[str, float]:
    """Fit what each event costs; what is hardly seen costs as in the column that this one is ``like``.

    Only soft floats make trips over inputs that are half zeros cheaper.
    """
    keys = sorted({key for one in rows for key in one["events"]} | set(like or {}))
    if like is None:
        merged = []
        for one in rows:
            together: dict[str, float] = defaultdict(float)
            for key, times in one["events"].items():
                base, share = plain(key)
                together[base] += share * times
            merged.append({**one, "events": together})
        first = sorted({plain(key)[0] for key in keys})
        costs = dict(zip(first, fitted(merged, "instructions", "events", first), strict=True))
        start = np.array([share * costs[base] for base, share in map(plain, keys)])
    else:
        scale = 1 / (1 + np.median(errors(rows, "instructions", "events", like)))
        start = np.array([scale * like.get(key, 0.0) for key in keys])
    return dict(zip(keys, fitted(rows, "instructions", "events", keys, start).tolist(), strict=True))


def bytes_of(
    rows: list[dict[str, Any]], part: str, y: npt.NDArray[Any], like: dict[str, float] | None
) -> dict[str, float]:
    """Fit what each piece takes: least squares that keep what is not needed to explain sizes small.

    What is hardly seen takes what it takes in the column that this one is ``like``.
    """
    keys = sorted({key for one in rows for key in one[part]} | set(like or {}))
    start = np.array([(like or {}).get(key, 0.0) for key in keys])
    a = np.array([[one[part].get(key, 0) for key in keys] for one in rows], float)
    free = 1e-6 if like is None else 0.3
    keep = np.diag([free if key in ("always", "layer", "head weight", "call") else 0.3 for key in keys])
    found = start + np.linalg.solve(a.T @ a + keep, a.T @ (y - a @ start))
    return dict(zip(keys, found.tolist(), strict=True))


def of_errors(found: npt.NDArray[Any]) -> str:
    return " ".join(f"{100 * value:6.2f}" for value in np.quantile(np.abs(found), [0.5, 0.95, 1]))


def fit(options: argparse.Namespace) -> None:
    """Fit every column and print errors of what was not fitted to; write the costs if asked to."""
    files = sorted(options.folder.glob("*.jsonl"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    rows = [json.loads(line) for line in lines if line.endswith("}")]
    known = programs(options)
    print("errors in %: median, 95th percentile, worst; how many flash sizes are off by more than 5% and 256")
    print("bytes; how many RAM sizes are off; the least and the most bytes of stack to spare\n")
    head = f"{'column':<22}{'fit to':>7}{'on':>4}   {'instructions':<21} {'flash':<21}"
    print(f"{head} {'off':>4} {'RAM off':>8} {'stack':>12}")
    table: dict[str, Any] = {"columns": {}, "instructions": {}, "code": {}, "stack": {}}
    known_costs: dict[str, tuple[dict[str, float], ...]] = {}
    worst: dict[str, float] = {}
    for name in sorted({one["column"] for one in rows}, key=COLUMNS.index):
        mine = [one for one in rows if one["column"] == name and one["program"] in known]
        mine = [with_features(one, known[one["program"]]) for one in mine]
        seen = [one for one in mine if not one["program"].startswith("check")]
        like = known_costs.get(relative(name), (None, None, None))
        costs = costs_of(seen, like[0])
        sizes = np.array([one["flash"] - one["stored"] for one in seen], float)
        code = bytes_of(seen, "pieces", sizes, like[1])
        stack = bytes_of(seen, "frames", np.array([one["stack"] for one in seen], float), like[2])
        known_costs[name] = costs, code, dict(stack)
        stack["always"] += 64 + max(-spare(one, stack) for one in mine)  # rather too much
        judged = [one for one in mine if one["program"].startswith("check")] or seen
        off = errors(judged, "instructions", "events", costs)
        worst[name] = float(np.abs(off).max())
        if judged is seen:  # nothing to check with: its like was
            worst[name] = max(worst[name], worst.get(relative(name), 0.0))
        column = name.replace(":", " ")
        print(
            f"{column:<22}{len(seen):>7}{len(judged):>4}   {of_errors(off):<21} {other(judged, code, stack)}"
        )
        table["columns"][column] = {
            "compiler": mine[0]["compiler"],
            "error": round(worst[name], 4),
        }
        for part, found in (("instructions", costs), ("code", code), ("stack", stack)):
            for key, value in found.items():
                table[part].setdefault(key, {})[column] = float(f"{value:.4g}") if abs(value) > 0.01 else 0.0
    if options.write:
        rates.FILE.write_text(written(table))
        COUNTS.write_text(examples(options, rows))


def relative(name: str) -> str:
    """Return the column that another one is like, so that few programs do for it; "" for none."""
    for one, like in (("zig:cortex-m7", "zig:cortex-m4"), ("gcc:cortex-m7", "gcc:cortex-m4")):
        name = name.replace(one, like)
    return name.replace("gcc:cortex-m0", "zig:cortex-m0")


def other(judged: list[dict[str, Any]], code: dict[str, float], stack: dict[str, float]) -> str:
    """Return what is printed of flash, RAM and stack."""
    flash = errors(judged, "flash", "pieces", code, "stored")
    beyond = sum(abs(e) > max(0.05, 256 / one["flash"]) for e, one in zip(flash, judged, strict=True))
    wrong = sum(one["ram"] != one["ram said"] for one in judged)
    left = [spare(one, stack) for one in judged]
    return f"{of_errors(flash):<21} {beyond:>4} {wrong:>8} {min(left):>5.0f} {max(left):>5.0f}"


def with_features(one: dict[str, Any], program: Program) -> dict[str, Any]:
    """Add to what was counted of a program what the formula is given."""
    compiler, target, form = one["column"].split(":")
    stored = sum(flash for flash, _ in cost.stored(program, form))
    return {
        **one,
        "events": cost.events(program),
        "pieces": cost.code(program, form),
        "frames": cost.frames(program, form),
        "stored": stored + cost.table_bytes(program, form, wide=target == "loongarch64"),
        "ram said": ram_bytes(program, form, compiler),
    }


def spare(one: dict[str, Any], stack: dict[str, float]) -> float:
    """Return the bytes of stack that are estimated beyond those that were measured."""
    return float(sum(stack.get(key, 0) * n for key, n in one["frames"].items()) - one["stack"])


def examples(options: argparse.Namespace, rows: list[dict[str, Any]]) -> str:
    """Return the first configs that were checked with what was counted, for the tests."""
    found = []
    for i, (space, config, _) in zip(range(EXAMPLES), configs(options.seed + 1000), strict=False):
        mine = [one for one in rows if one["program"] == f"check {space} {i}"]
        counted = {
            one["column"].replace(":", " "): {
                key: one[key] for key in ("instructions", "flash", "ram", "stack")
            }
            for one in sorted(mine, key=lambda one: COLUMNS.index(one["column"]))
        }
        task = dataclasses.asdict(task_files.find(space).task)
        found.append({"task": task, "config": config.to_dict(), "counted": counted})
    return "[\n" + ",\n".join(json.dumps(one) for one in found) + "\n]\n"


def written(table: dict[str, Any]) -> str:
    """Lay out the table as JSON, a line a row."""
    columns = list(table["columns"])
    return laid_out(
        {"columns": table["columns"]}
        | {
            part: {key: [found.get(column, 0.0) for column in columns] for key, found in table[part].items()}
            for part in ("instructions", "code", "stack")
        }
    )


def laid_out(table: dict[str, Any]) -> str:
    parts = [f' "columns": {{\n{_lines(table["columns"])}\n }}']
    for part in ("instructions", "code", "stack"):
        parts.append(f' "{part}": {{\n{_lines(dict(sorted(table[part].items())))}\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(rows: dict[str, Any]) -> str:
    return ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("what", choices=["count", "fit", "beat"])
    options.add_argument("--folder", type=Path, help="where the counts are kept; beat keeps none")
    options.add_argument("--programs", type=int, default=100, help="small programs to fit to")
    options.add_argument("--configs", type=int, default=20, help="configs of the search spaces to fit to")
    options.add_argument("--check", type=int, default=50, help="configs of the search spaces to check with")
    options.add_argument(
        "--columns", nargs="+", default=list(COLUMNS), help="compiler:target:format, several"
    )
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--write", action="store_true", help="write atml/device/rates.json")
    chosen = options.parse_args()
    unknown = [column for column in chosen.columns if column not in COLUMNS]
    if unknown:
        sys.exit(f"no such column: {unknown[0]}; columns: {', '.join(COLUMNS)}")
    if chosen.folder is None and chosen.what != "beat":
        options.error(f"{chosen.what} needs --folder")
    {"count": count, "fit": fit, "beat": beat}[chosen.what](chosen)


if __name__ == "__main__":
    main()
