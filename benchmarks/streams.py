"""Time and peak memory of what is long: a day of three leads, and a folder of many windows.

    python benchmarks/streams.py [--hours 24 72] [--windows 100000] [--folder DIR]

Each step is a process of its own; its peak is what the system says of it (`resource`, in MiB of 1024 KiB).
The goal is 1 GiB.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RATE, LEADS, GOAL_MIB = 128, 3, 1024
BLOCK_S = 600

TASK = (
    "from atml.tasks.task import Task;"
    "task = Task(name='day', classes=('other', 'AF'), positive=1, sampling_rate={rate}, window={window},"
    " leads={leads});"
    "label = lambda rhythm: int(rhythm == 'AFIB') if rhythm in ('N', 'AFIB') else None;"
)
OPEN = TASK + "from pathlib import Path; from atml import data; found = data.open({path!r}, task=task,"
OPEN += " label=label, cache=Path({cache!r})); print(found.x.shape)"
MODEL = TASK + (
    "import torch; from pathlib import Path; from atml import models;"
    "from atml.artifacts import export, model;"
    "from atml.models.config import ModelConfig;"
    "torch.manual_seed(0); config = ModelConfig(channels=(4, 4), kernels=(7, 7), strides=(4, 4));"
    "facts = model.describe(task=task, config=config, study='s', trial=0, offsets=(0.0, 0.0), data_name='d',"
    " data_fingerprint='', synthetic=True, subjects=());"
    "Path({path!r}).write_bytes(export.onnx_bytes(models.build(config, task).eval(), task, facts))"
)
PREDICT = "import atml; print(len(atml.predict({model!r}, {path!r}).windows), 'windows')"


def write_day(folder: Path, hours: float) -> Path:
    """Write a WFDB record of `LEADS` leads in 16 bits, of a rhythm that changes each half hour."""
    import wfdb

    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    samples, sums = int(hours * 3600 * RATE), np.zeros(LEADS, np.int64)
    with (folder / "day.dat").open("wb") as file:
        for at in range(0, samples, BLOCK_S * RATE):
            times = np.arange(at, min(samples, at + BLOCK_S * RATE)) / RATE
            wave = 200 * np.exp(-(((times % 0.8) - 0.4) ** 2) / 0.002)
            x = (wave[:, None] * (1 + np.arange(LEADS)) + random.normal(0, 10, (len(times), LEADS))).astype(
                "<i2"
            )
            sums += x.astype(np.int64).sum(axis=0)
            file.write(x.tobytes())
    lines = [f"day.dat 16 200(0)/mV 16 0 0 {sums[lead] % 65536} 0 lead{lead}" for lead in range(LEADS)]
    (folder / "day.hea").write_text("\n".join([f"day {LEADS} {RATE} {samples}", *lines, ""]))
    marks = np.arange(0, samples, 1800 * RATE)
    wfdb.wrann(
        "day", "atr", marks, ["+"] * len(marks), write_dir=str(folder),
        aux_note=["(AFIB" if number % 2 else "(N" for number in range(len(marks))],
    )  # fmt: skip
    return folder


def write_windows(folder: Path, windows: int, samples: int) -> Path:
    """Write contest text: a window a file, a value a line."""
    (folder / "train_data").mkdir(parents=True)
    random = np.random.default_rng(0)
    pattern = "%.4f\n" * samples
    for number in range(windows):
        name = f"S{number // 500}-{'AFIB' if number % 2 else 'N'}-{number}.txt"
        text = pattern % tuple(random.normal(size=samples).tolist())
        (folder / "train_data" / name).write_text(text)
    return folder


def measured(what: str, code: str) -> int:
    """Run code in a process, print its time and peak memory, and return the peak in MiB."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = child.stdout.read().strip().replace("\n", " ")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{what} ended with {child.returncode}")
    peak = usage.ru_maxrss // 1024
    wall = time.perf_counter() - begun
    print(f"{what:<44}{wall:>9.1f}{usage.ru_utime + usage.ru_stime:>9.1f}{peak:>10}  {said}", flush=True)
    return peak


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--hours", type=float, nargs="*", default=[24, 72])
    options.add_argument("--windows", type=int, default=100_000)
    options.add_argument("--folder", type=Path, help="where to make the files; default: a temporary folder")
    chosen = options.parse_args()
    peaks = []
    print(f"{'what':<44}{'seconds':>9}{'CPU s':>9}{'peak MiB':>10}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        place = Path(folder)
        shape = {"rate": RATE, "window": 5 * RATE, "leads": LEADS}
        model, cache = place / "model.onnx", place / "cache"
        measured("nothing but the imports (a model is written)", MODEL.format(path=str(model), **shape))
        for hours in chosen.hours:
            day = write_day(place / f"day{hours:g}", hours)
            for what in ("open, cold", "open, from the cache"):
                code = OPEN.format(path=str(day), cache=str(cache), **shape)
                peaks.append(measured(f"{hours:g} h of {LEADS} leads: {what}", code))
            code = PREDICT.format(model=str(model), path=str(day / "day.hea"))
            peaks.append(measured(f"{hours:g} h of {LEADS} leads: predict", code))
        if chosen.windows:
            many = write_windows(place / "many", chosen.windows, 5 * RATE)
            for what in ("open, cold", "open, from the cache"):
                code = OPEN.format(path=str(many), cache=str(cache), **{**shape, "leads": 1})
                peaks.append(measured(f"{chosen.windows} windows: {what}", code))
            measured("nothing but the imports", MODEL.format(path=str(model), **{**shape, "leads": 1}))
            code = PREDICT.format(model=str(model), path=str(many))
            peaks.append(measured(f"{chosen.windows} windows: predict", code))
    good = max(peaks) < GOAL_MIB
    print(f"\ngoal, less than {GOAL_MIB} MiB each: {'met' if good else 'MISSED'}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
