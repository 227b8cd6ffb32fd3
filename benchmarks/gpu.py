"""What an accelerator does to values and speed: one script, under 8 minutes, on any machine with CUDA.

Run as ``python benchmarks/gpu.py [--workers 1,4,8,16] [--steps 400] [--trials 30] [--device cuda:0]``. With
``--device cpu`` it goes the same way without an accelerator, which is how it is tried. It reads synthetic
ECG only. Four tables:

1. **Values.** The same weights on the same windows, CPU against device: largest difference of the logits
   and of the gradient, decisions that differ, in float32 and in the half precision that training uses.
2. **Training.** A few configs trained from the same seed on both: out-of-fold value and AUC, which may differ
   by as much as two seeds do, and no more.
3. **Throughput.** Optimiser steps a second of one worker, and of several that share the device; what a
   step is made of on the device.
4. **A search.** ``--trials`` trials on the device with several workers: how they ended, trials a minute, and
   whether the exported file says what the network says.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from atml import data, models, task_files
from atml.data.dataset import Dataset, DataSource
from atml.models.config import ModelConfig
from atml.training import cross_validation, loop
from atml.training.device import name
from atml.training.loop import fit, settled

NETS: dict[str, dict[str, Any]] = {
    "cnn": {"cell": "none", "pool": "mean_max"},
    "cnn + lstm": {"cell": "lstm", "pool": "mean"},
    "cnn + bigru": {"cell": "gru", "bidirectional": True, "pool": "attention"},
    "gru": {"cell": "gru", "channels": (), "kernels": (), "strides": (), "decimation": 20, "pool": "last"},
    "separable, layer norm": {"cell": "none", "separable": True, "norm": "layer", "activation": "silu"},
}
ROUNDS = 3
"""Repeats of every timing; the median is printed."""


def config(net: str, steps: int) -> ModelConfig:
    """Return a config of the size that the built-in `afib` space is about."""
    common: dict[str, Any] = {
        "decimation": 2, "channels": (8, 12, 16, 20), "kernels": (9, 7, 7, 7), "strides": (2, 2, 2, 1),
        "dropout": 0.2, "averaging": 0.99, "sampling": "subject", "noise": 0.1, "wander": 0.3, "shift": 0.5,
        "scale": 0.2, "steps": steps,
    }  # fmt: skip
    return ModelConfig(**{**common, **NETS[net]})


def settled_data() -> tuple[Any, Dataset]:
    """The built-in task on synthetic ECG."""
    definition = task_files.find("afib")
    return definition, definition.open(DataSource())


def values(device: str) -> None:
    """Compare logits and gradients of equal weights."""
    definition, dataset = settled_data()
    task = definition.task
    x = torch.from_numpy(np.array(dataset.x[:256], np.float32))
    y = torch.from_numpy(np.array(dataset.y[:256], np.int64))
    heads = f"{'logits':>10}{'half':>10}{'gradient':>10}{'flipped':>9}{'half':>6}"
    print(f"\n{'same weights, 256 windows':26}{heads}")
    for net in NETS:
        torch.manual_seed(0)
        here = models.build(config(net, 1), task).eval()
        there = models.build(config(net, 1), task).eval()
        there.load_state_dict(here.state_dict())
        there.to(device)
        grads, outs = [], []
        # cuDNN's recurrent layers have a backward pass in training mode only.
        for model, place, half in ((here, "cpu", False), (there, device, False), (there, device, True)):
            with settled(place), torch.no_grad():
                outs.append(model.decide(model.inputs(x.to(place)), half=half).float().cpu())
        for model, place in ((here, "cpu"), (there, device)):
            for layer in model.modules():
                layer.train(isinstance(layer, torch.nn.RNNBase))
            with settled(place):
                logits = model.decide(model.inputs(x.to(place)))
                torch.nn.functional.cross_entropy(logits, y.to(place)).backward()
            every = [p.grad.flatten().cpu() for p in model.parameters() if p.grad is not None]
            grads.append(torch.cat(every))
        logit, half = ((out - outs[0]).abs().max().item() for out in outs[1:])
        flips, half_flips = (int((out.argmax(1) != outs[0].argmax(1)).sum()) for out in outs[1:])
        gradient = ((grads[1] - grads[0]).norm() / grads[0].norm()).item()
        print(f"{net:26}{logit:10.1e}{half:10.1e}{gradient:10.1e}{flips:9}{half_flips:6}")


def training(device: str, steps: int) -> None:
    """Train the same config from the same seed on both, over two folds, and on another seed."""
    definition, dataset = settled_data()
    folds = data.folds(dataset.y, dataset.subject, 4, 0)[:2]
    print(f"\n{f'trained for {steps} steps, two folds':34}{'value':>8}{'AUC':>8}{'seconds':>9}")
    for net in ("cnn", "cnn + lstm", "cnn + bigru"):
        for place, seed in (("cpu", 1), ("cpu", 2), (device, 1), (device, 2)):
            measured = cross_validation.run(
                config(net, steps), definition.task, dataset, folds, definition.value, seed=seed, device=place
            )
            assert measured.predictions is not None
            auc = definition.target.auc(measured.predictions)
            label = f"{net}, {place}, seed {seed}"
            print(f"{label:34}{measured.value:8.3f}{auc:8.3f}{measured.seconds:9.1f}", flush=True)


def _train(given: tuple[str, str, int]) -> None:
    """Train once, in a process of its own; all begin together."""
    net, device, steps = given
    assert _together is not None
    definition, dataset = settled_data()
    rows = slice(0, 4096)
    job = (definition.task, np.asarray(dataset.x[rows]), dataset.y[rows], dataset.subject[rows])
    fit(config(net, 20), *job, seed=0, device=device)
    _together.wait(120)
    began = time.perf_counter()
    fit(config(net, steps), *job, seed=0, device=device)
    if device != "cpu":
        torch.cuda.synchronize()
    _seconds.append(time.perf_counter() - began)


_together: Any = None
_seconds: Any = None


def _begin(together: Any, seconds: Any) -> None:
    global _together, _seconds
    _together, _seconds = together, seconds
    torch.set_num_threads(1)


def together(net: str, device: str, workers: int, steps: int) -> float:
    """Steps a second of ``workers`` processes that train on one device at the same time."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager:
        barrier, seconds = manager.Barrier(workers), manager.list()
        with spawn.Pool(workers, _begin, (barrier, seconds)) as pool:
            pool.map(_train, [(net, device, steps)] * workers, chunksize=1)
        return workers * steps / max(seconds)


def throughput(device: str, counts: list[int], steps: int) -> None:
    """Optimiser steps a second, by workers."""
    heads = "".join(f"{f'{n} on {device}':>14}" for n in counts)
    print(f"\n{'steps a second, batch 128':26}{'1 on cpu':>10}{f'{counts[-1]} on cpu':>12}{heads}")
    for net in ("cnn", "cnn + lstm"):
        row = [together(net, "cpu", 1, steps // 4), together(net, "cpu", counts[-1], steps // 4)]
        row += [together(net, device, count, steps) for count in counts]
        cells = "".join(f"{value:14.0f}" for value in row[2:])
        print(f"{net:26}{row[0]:10.0f}{row[1]:12.0f}{cells}", flush=True)


def inside(device: str, steps: int) -> None:
    """Where the time of a step goes on the device: launches, copies, waiting."""
    definition, dataset = settled_data()
    job = (definition.task, np.asarray(dataset.x[:4096]), dataset.y[:4096], dataset.subject[:4096])
    fit(config("cnn + lstm", 20), *job, seed=0, device=device)
    kinds = [torch.profiler.ProfilerActivity.CPU]
    if device != "cpu":
        kinds.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=kinds) as profile:
        fit(config("cnn + lstm", steps), *job, seed=0, device=device)
    order = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    print(f"\ncnn + lstm, {steps} steps, by {order}")
    print(profile.key_averages().table(sort_by=order, row_limit=12, max_name_column_width=44))


def a_search(device: str, trials: int, workers: int) -> None:
    """Search with several workers on the device, and check what was exported."""
    import atml
    from atml.storage import Store

    with tempfile.TemporaryDirectory() as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            began = time.perf_counter()
            found = atml.search(
                "afib", trials=trials, workers=workers, device=device, finalists=1, repeats=1, timeout=150.0,
                folds=3, seed=0, progress=False,
            )  # fmt: skip
            wall = time.perf_counter() - began
            store = Store(create=False)
            every = store.trials(store.studies()[0])
            store.close()
            ends: dict[str, int] = {}
            for trial in every:
                end = f"{trial.role} {trial.state}"
                ends[end] = ends.get(end, 0) + 1
            trained = [t.result.get("training_s", 0.0) for t in every if t.result]
            print(f"\na search of {trials} trials, {workers} workers on {device}: {wall:.0f} s")
            print("  " + ", ".join(f"{count} {end}" for end, count in sorted(ends.items())))
            print(f"  median training of a trial {statistics.median(trained):.1f} s")
            for folder_name in found.exports:
                model = atml.load(folder_name)
                print(f"  exported {Path(folder_name).name}: parity passed, {model.classes}")
        finally:
            os.chdir(before)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long a part took."""
    began = time.perf_counter()
    yield
    print(f"[{what}: {time.perf_counter() - began:.0f} s]", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--workers", default="1,4,8,16")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--trials", type=int, default=30)
    given = parser.parse_args()
    counts = [int(count) for count in given.workers.split(",")]
    if given.device != "cpu" and not torch.cuda.is_available():
        raise SystemExit(f"no CUDA device here for --device {given.device}; --device cpu goes the same way")
    where = name(given.device) or "CPU"
    half = "native" if loop.half_is_native() else "emulated"
    print(f"torch {torch.__version__}, {where}, {os.cpu_count()} cores, bfloat16 on the CPU is {half}")
    parts = {
        "values": lambda: values(given.device),
        "training": lambda: training(given.device, given.steps),
        "throughput": lambda: throughput(given.device, counts, given.steps),
        "inside": lambda: inside(given.device, max(10, given.steps // 8)),
        "search": lambda: a_search(given.device, given.trials, min(8, counts[-1])),
    }
    for what, part in parts.items():
        with timed(what):
            part()


if __name__ == "__main__":
    main()
