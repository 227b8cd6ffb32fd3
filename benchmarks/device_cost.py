"""How well the formula for instructions, flash, RAM and stack fits what compilers write; makes `rates.json`.

    python benchmarks/device_cost.py count --folder DIR [--programs 150] [--configs 50] [--columns zig:cortex-m4:f32 ...]
    python benchmarks/device_cost.py fit --folder DIR [--write]

``count`` writes C of random small programs and of random configs of the search spaces, compiles it, runs one
window under emulation and counts: a line of JSON a program and column, so that it can be stopped and
continued. ``fit`` finds what each event costs, by least squares of relative errors that keeps costs above
0, over small programs and some configs. It prints errors on ``--check`` other configs, which nothing was
fitted to: median, 95th percentile and worst. ``--write`` puts the costs into ``atml/device/rates.json``.

A bare Cortex-M is counted in unicorn by a hook written in C, 100 times as fast as one in Python.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from scipy.optimize import nnls

from atml import models, task_files
from atml.artifacts.backends import onnx_w8
from atml.artifacts.export import onnx_bytes
from atml.device import c, cost, rates, reading
from atml.device.estimate import ram_bytes, stored_bytes
from atml.device.program import Conv, Head, Input, Layer, LayerNorm, Pool, Program, Recurrent
from atml.device.toolchains import building, cortex_m, emulation
from atml.device.toolchains.building import Image
from atml.errors import ShapeError

SPACES = ("afib", "defib", "rhythm")
COLUMNS = (
    *(f"zig:{target}:{form}" for form in ("f32", "w8") for target in ("cortex-m0", "cortex-m4", "cortex-m7", "loongarch64")),
    *(f"gcc:{target}:{form}" for form in ("f32", "w8") for target in ("cortex-m0", "cortex-m4", "cortex-m7")),
)
ACTIVATIONS = ("none", "relu", "leaky_relu", "elu", "silu", "hardswish", "tanh")

ZEROS = " of zeros"
STACKED = ("always", "layer", "NORM", "TWO_WAYS", "ONE_WAY", "LSTM", "GRU", "DEPTHWISE", "RR", "POOL_ATTENTION")

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
            out, kernel = int(random.choice([3, 4, 5, 8, 12, 16, 20, 24])), int(random.choice([3, 5, 7, 9, 11, 13]))
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
    kind, classes = str(random.choice(["mean", "max", "mean_max", "last", "attention"])), int(random.integers(2, 5))
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


def configs(seed: int) -> Iterator[tuple[str, Program]]:
    """Draw configs of the search spaces in turn, with the weights that a network begins with."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    studies = {
        name: optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)) for name in SPACES
    }
    while True:
        for name, study in studies.items():
            found = task_files.find(name)
            config = found.suggest(study.ask())
            try:
                network = models.build(config, found.task).eval()
            except ShapeError:
                continue  # its convolutions leave nothing of a window
            yield name, reading.read(onnx_bytes(network, found.task, {}), config, found.task)


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
            cortex_m.instructions(bytes(machine.core.mem_read(int(i) * 2, int(times[0x200000 + i])))) * int(times[i])
            for i in np.flatnonzero(times[:0x200000])
        )


def counted(program: Program, name: str, blocks: Blocks, random: np.random.Generator) -> dict[str, Any]:
    """Compile a program, run one window, and return what was counted beside what the formula is given."""
    compiler, target, form = name.split(":")
    if form == "w8":
        program = narrow(program)
    x = window(program, random)
    with tempfile.TemporaryDirectory() as folder:
        for file, text in c.write(program, sampling_rate=250, hop=program.input.samples).items():
            (Path(folder) / file).write_text(text)
        image = building.build(Path(folder), target, compiler=compiler)
    if image.target.emulator == "cortex-m":
        instructions = blocks.count(image, x)
    else:
        instructions = emulation.count(image, x)
    linked = image.linked
    exact = sum(stored_bytes(part, form) for part in cost.parts(program))
    exact += cost.table_bytes(program, wide=target == "loongarch64")
    return {
        "column": name,
        "compiler": image.compiler,
        "macs": program.macs,
        "events": dict(cost.events(program)),
        "pieces": dict(cost.code(program)),
        "stored": exact,
        "instructions": instructions,
        "flash": linked.flash,
        "ram": [linked.ram, ram_bytes(program, compiler)],
        "stack": emulation.stack(image, x),
    }


def count(options: argparse.Namespace) -> None:
    """Count every program that the folder has not yet."""
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / f"{options.seed}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    have = {(one["program"], one["column"]) for one in map(json.loads, lines)}
    random = np.random.default_rng(options.seed)
    programs = [(f"small {i}", small(random)) for i in range(options.programs)]
    drawn = configs(options.seed)
    programs += [(f"{space} {i}", one) for i, (space, one) in zip(range(options.configs), drawn, strict=False)]
    checks = zip(range(options.check), configs(options.seed + 1000), strict=False)
    programs += [(f"check {space} {i}", one) for i, (space, one) in checks]
    with tempfile.TemporaryDirectory() as folder, file.open("a") as sink:
        blocks = Blocks(Path(folder))
        for place, (name, program) in enumerate(programs):
            for column in options.columns:
                if (name, column) not in have:
                    found = counted(program, column, blocks, np.random.default_rng(place))
                    sink.write(json.dumps({"program": name, **found}) + "\n")
                    sink.flush()


def fitted(rows: list[dict[str, Any]], wanted: str, part: str, keys: list[str], start: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
    """Find costs, none below 0, that least squares of relative errors give; ``start`` draws those that are not seen."""
    a = np.array([[one[part].get(key, 0) for key in keys] for one in rows], float)
    y = np.array([one[wanted] for one in rows], float)
    a, y = a / y[:, None], np.ones(len(y))
    size = np.maximum(a.max(0), 1e-12)
    a = a / size
    pull = 0.003 if start is not None else 1e-6
    goal = np.zeros(len(keys)) if start is None else start * size
    found, _ = nnls(np.vstack([a, pull * np.eye(len(keys))]), np.concatenate([y, pull * goal]), maxiter=100_000)
    return found / size


def errors(rows: list[dict[str, Any]], wanted: str, part: str, costs: dict[str, float], plus: str = "") -> npt.NDArray[Any]:
    """Return predicted minus counted over counted, a program each."""
    found = []
    for one in rows:
        said = sum(n * costs.get(key, 0) for key, n in one[part].items()) + (one[plus] if plus else 0)
        found.append(said / one[wanted] - 1)
    return np.array(found)


def costs_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Fit what each event costs. Trips over inputs that are half zeros cost the same but where floats are soft."""
    keys = sorted({key for one in rows for key in one["events"]})
    dense = sorted({key.removesuffix(ZEROS) for key in keys})
    merged = []
    for one in rows:
        together: Counter[str] = Counter()
        for key, times in one["events"].items():
            together[key.removesuffix(ZEROS)] += times
        merged.append({**one, "events": together})
    first = dict(zip(dense, fitted(merged, "instructions", "events", dense), strict=True))
    start = np.array([first[key.removesuffix(ZEROS)] for key in keys])
    return dict(zip(keys, fitted(rows, "instructions", "events", keys, start).tolist(), strict=True))


def bytes_of(rows: list[dict[str, Any]], y: npt.NDArray[Any], keys: list[str]) -> dict[str, float]:
    """Fit what each piece takes: least squares that keep what is not needed to explain sizes small."""
    a = np.array([[one["pieces"].get(key, 0) for key in keys] for one in rows], float)
    keep = np.diag([1e-6 if key in ("always", "layer", "head weight") else 0.3 for key in keys])
    return dict(zip(keys, np.linalg.solve(a.T @ a + keep, a.T @ y).tolist(), strict=True))


def of_errors(found: npt.NDArray[Any]) -> str:
    return " ".join(f"{100 * value:6.2f}" for value in np.quantile(np.abs(found), [0.5, 0.95, 1]))


def fit(options: argparse.Namespace) -> None:
    """Fit every column, print errors of what was not fitted to, and write the costs where that is asked for."""
    rows = [json.loads(line) for file in sorted(options.folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    for one in rows:
        one["held out"] = one["program"].startswith("check")
    print("errors in %: median, 95th percentile, worst; flash also in bytes beyond 5%\n")
    print(f"{'column':<22}{'fit to':>7}{'on':>4}   {'instructions':<21} {'flash':<21} {'bytes':>6} {'RAM off':>8} {'stack':>12}")
    table: dict[str, Any] = {"columns": {}, "instructions": {}, "code": {}, "stack": {}}
    for name in sorted({one["column"] for one in rows}, key=COLUMNS.index):
        mine = [one for one in rows if one["column"] == name]
        seen, check = [one for one in mine if not one["held out"]], [one for one in mine if one["held out"]]
        costs = costs_of(seen)
        keys = sorted({key for one in seen for key in one["pieces"]})
        code = bytes_of(seen, np.array([one["flash"] - one["stored"] for one in seen], float), keys)
        few = [key for key in keys if key in STACKED]
        deep = np.array([one["stack"] for one in seen], float)
        stack = bytes_of(seen, deep, few)
        said = np.array([sum(stack.get(key, 0) * n for key, n in one["pieces"].items()) for one in seen])
        stack["always"] += float((deep - said).max())
        judged = check or seen
        off = errors(judged, "instructions", "events", costs)
        flash = errors(judged, "flash", "pieces", code, "stored")
        beyond = max(abs(e) * one["flash"] for e, one in zip(flash, judged, strict=True))
        wrong = sum(one["ram"][0] != one["ram"][1] for one in judged)
        over = [sum(stack.get(key, 0) * n for key, n in one["pieces"].items()) - one["stack"] for one in judged]
        print(
            f"{name.replace(':', ' '):<22}{len(seen):>7}{len(check):>4}   {of_errors(off):<21} {of_errors(flash):<21}"
            f" {beyond:>6.0f} {wrong:>8} {min(over):>5.0f} {max(over):>5.0f}"
        )
        column = name.replace(":", " ")
        table["columns"][column] = {"compiler": mine[0]["compiler"], "error": round(float(np.abs(off).max()), 4)}
        for part, found in (("instructions", costs), ("code", code), ("stack", stack)):
            for key, value in found.items():
                table[part].setdefault(key, {})[column] = float(f"{value:.4g}")
    if options.write:
        rates.FILE.write_text(written(table))


def written(table: dict[str, Any]) -> str:
    """Lay out the table as JSON, a line a row."""
    columns = list(table["columns"])
    parts = [f' "columns": {{\n{_lines(table["columns"])}\n }}']
    for part in ("instructions", "code", "stack"):
        lines = {key: [found.get(column, 0.0) for column in columns] for key, found in sorted(table[part].items())}
        parts.append(f' "{part}": {{\n{_lines(lines)}\n }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(rows: dict[str, Any]) -> str:
    return ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items())


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("what", choices=["count", "fit"])
    options.add_argument("--folder", type=Path, required=True, help="where the counts are kept")
    options.add_argument("--programs", type=int, default=100, help="small programs to fit to")
    options.add_argument("--configs", type=int, default=20, help="configs of the search spaces to fit to")
    options.add_argument("--check", type=int, default=50, help="configs of the search spaces to check with")
    options.add_argument("--columns", nargs="+", default=list(COLUMNS), help="compiler:target:format, several")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--write", action="store_true", help="write atml/device/rates.json")
    chosen = options.parse_args()
    unknown = [column for column in chosen.columns if column not in COLUMNS]
    if unknown:
        sys.exit(f"no such column: {unknown[0]}; columns: {', '.join(COLUMNS)}")
    {"count": count, "fit": fit}[chosen.what](chosen)


if __name__ == "__main__":
    main()
