"""Training throughput of the whole machine, three ways, side by side in one run.

(a) the predecessor's way: text files, ``np.loadtxt`` for every item in two DataLoader workers, batch 32,
    convolutions written as conv2d ``(k, 1)``;
(b) a plain PyTorch loop: tensors in memory, conv1d, standard AdamW, torch's default threads, our batch;
(c) ours: one process a core, one thread each, through `atml.training.loop.fit`.

All train the same two architectures on the same random data of the contest's shape. Repeats are
interleaved and medians taken; what counts is the ratios. ``--busy`` keeps another process running beside.

    python benchmarks/throughput.py [--repeats 5] [--seconds 4] [--nets small] [--processes N] [--busy]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

SAMPLES = 1250
NETS = {
    "small": {"channels": (3, 5, 10, 20, 20), "kernels": (6, 5, 4, 4, 4)},
    "middling": {"channels": (8, 16, 32, 32, 48), "kernels": (7, 7, 7, 7, 7)},
}
FILES = 1024
ROWS = 4096
BATCH = 128


def config(name, steps=1):
    from atml import ModelConfig

    net = NETS[name]
    return ModelConfig(**net, strides=(2,) * len(net["channels"]), batch=BATCH, steps=steps)


def task():
    from atml import Task

    return Task(name="bench", classes=("no", "yes"), positive=1, sampling_rate=250, window=SAMPLES)


def network(name, two_dimensional):
    """The architecture in plain torch: conv2d ``(k, 1)`` as the predecessor writes it, or conv1d."""
    from torch import nn

    layers, inputs = [], 1
    for outputs, kernel in zip(NETS[name]["channels"], NETS[name]["kernels"], strict=True):
        if two_dimensional:
            layers += [
                nn.Conv2d(inputs, outputs, (kernel, 1), (2, 1), (kernel // 2, 0), bias=False),
                nn.BatchNorm2d(outputs),
            ]
        else:
            layers += [
                nn.Conv1d(inputs, outputs, kernel, 2, kernel // 2, bias=False),
                nn.BatchNorm1d(outputs),
            ]
        layers.append(nn.ReLU())
        inputs = outputs
    pool = nn.AdaptiveAvgPool2d(1) if two_dimensional else nn.AdaptiveAvgPool1d(1)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(inputs, 2))


class TextFiles:
    """A map-style data set that parses one file an item."""

    def __init__(self, folder):
        self.paths = sorted(Path(folder).iterdir())

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        x = np.loadtxt(self.paths[index], dtype=np.float32)
        return x.reshape(1, SAMPLES, 1), index % 2


def predecessor(name, folder, seconds, answer):
    import torch
    from torch.utils.data import DataLoader

    net, loss = network(name, True), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    # Its epochs are long, so starting workers costs it nothing; ours here are short: keep them.
    loader = DataLoader(
        TextFiles(folder), batch_size=32, shuffle=True, num_workers=2, persistent_workers=True
    )
    seen, begun = 0, None
    end = float("inf")
    while time.perf_counter() < end:
        for x, y in loader:
            optimizer.zero_grad()
            loss(net(x), y).backward()
            optimizer.step()
            if begun is None:  # workers and kernels are up from here on
                begun = time.perf_counter()
                end = begun + seconds
            else:
                seen += len(y)
            if time.perf_counter() >= end:
                break
    answer.send(seen / (time.perf_counter() - begun))


def plain(name, seconds, answer):
    import torch

    net, loss = network(name, False), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    x, y = torch.randn(ROWS, 1, SAMPLES), torch.arange(ROWS) % 2

    def step(rows):
        optimizer.zero_grad()
        loss(net(x[rows]), y[rows]).backward()
        optimizer.step()

    for _ in range(5):
        step(torch.randperm(ROWS)[:BATCH])
    seen, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        for rows in torch.randperm(ROWS).split(BATCH):
            step(rows)
            seen += len(rows)
            if time.perf_counter() - begun >= seconds:
                break
    answer.send(seen / (time.perf_counter() - begun))


def ours(name, seconds, answer, start):
    from atml.training import loop

    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, 1, SAMPLES)).astype(np.float32)
    y, subject = np.arange(ROWS) % 2, np.array([f"S{i % 20}" for i in range(ROWS)])
    rate = 20 * BATCH / loop.fit(config(name, 20), task(), x, y, subject, seed=0).seconds
    steps = max(20, int(seconds * rate / BATCH))
    start.wait()
    begun = time.perf_counter()
    loop.fit(config(name, steps), task(), x, y, subject, seed=0)
    answer.send(steps * BATCH / (time.perf_counter() - begun))


def busy():
    while True:
        sum(range(1000))


def measured(target, arguments, count=1):
    """Run ``count`` fresh processes together and add up the windows a second that they report."""
    context = multiprocessing.get_context("spawn")
    pipes, running = [], []
    extra = (context.Barrier(count),) if target is ours else ()
    for _ in range(count):
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(*arguments, there, *extra))
        process.start()
        there.close()
        pipes.append(here)
        running.append(process)
    total = sum(pipe.recv() for pipe in pipes)
    for process in running:
        process.join()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of one measurement")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--files", type=int, default=FILES, help="text files to train from")
    parser.add_argument("--processes", type=int, help="of (c); default: one a core")
    parser.add_argument("--busy", action="store_true", help="keep another process running beside")
    options = parser.parse_args()

    from atml.models import cost

    cores = len(os.sched_getaffinity(0))
    print(
        f"{cores} cores, load {os.getloadavg()[0]:.2f}, batch {BATCH}, {'busy' if options.busy else 'alone'}"
    )
    beside = multiprocessing.get_context("spawn").Process(target=busy, daemon=True)
    if options.busy:
        beside.start()
    print("net        MACs       a files   b plain    c ours     c/a    c/b  (windows a second, medians)")
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for i in range(options.files):
            np.savetxt(Path(folder) / f"S{i % 20}-N-{i}.txt", random.normal(size=SAMPLES), fmt="%.6f")
        for name in options.nets:
            figures = []
            for _ in range(options.repeats):
                a = measured(predecessor, (name, folder, options.seconds))
                b = measured(plain, (name, options.seconds))
                c = measured(ours, (name, options.seconds), options.processes or cores)
                figures.append((a, b, c, c / a, c / b))
            middle = [statistics.median(column) for column in zip(*figures, strict=True)]
            macs = cost(config(name), task()).macs
            print("{:<9}{:>9,} {:>10,.0f}{:>10,.0f}{:>10,.0f}{:>8.1f}{:>7.2f}".format(name, macs, *middle))
            print(
                "         c/b of each repeat: {}; load {:.2f}".format(
                    " ".join(f"{f[4]:.2f}" for f in figures), os.getloadavg()[0]
                )
            )
    if options.busy:
        beside.terminate()


if __name__ == "__main__":
    main()
