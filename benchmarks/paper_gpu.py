"""What an accelerator brings to networks about pages: those that read them, and those that classify them.

Run as ``python benchmarks/paper_gpu.py [--device cuda:0] [--minutes 7] [--pages 64] [--size 512x672]``; on a
CPU as ``--device cpu --minutes 0.1 --pages 2 --steps 2 --batches 1``. It draws its own pages. For networks
that read pages it prints parameters, crops a second at the first and at the last of ``--batches``, whole
pages a second, and the peak of the device's memory; on CUDA in bfloat16. For classifiers, the default of
the task `pages` and those of ``search_spaces/pages_large.py``, pages a second trained in float32 and with
mixed precision (bfloat16), at the last of ``--batches``, and pages a second classified with it. The minutes
are spent on both in turn; what they don't allow, or the memory does not hold, is left out and named.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from atml import task_files
from atml.formatting import table
from atml.models import build
from atml.models.config import ModelConfig
from atml.models.paper_config import PaperConfig
from atml.models.unet import UNet
from atml.page_sets.page_set import Asked, make
from atml.paper.learning import fit
from atml.paper.page_sources import sources
from atml.paper.page_truth import Pages, read
from atml.searching.samplers.parameters import from_params
from atml.task_files import builtin

NETWORKS = {
    "base 8, depth 4": PaperConfig(base=8, depth=4),
    "base 16, depth 5": PaperConfig(base=16, depth=5),
    "base 32, depth 5": PaperConfig(base=32, depth=5),
    "base 32, depth 5, separable": PaperConfig(base=32, depth=5, separable=True),
}

BATCHES = (8, 64)


def main() -> None:
    """Measure network after network until the time is over."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    asked.add_argument("--minutes", type=float, default=7.0)
    asked.add_argument("--pages", type=int, default=64)
    asked.add_argument("--size", default="512x672")
    asked.add_argument("--steps", type=int, default=30)
    asked.add_argument("--batches", default=",".join(map(str, BATCHES)))
    options = asked.parse_args()
    rows, columns = (int(n) for n in options.size.split("x"))
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder) / "set", Asked(hearts=options.pages, pages=1, size=(rows, columns)))
        pages = read(sources(made.folder), (rows, columns))
    batches = [int(n) for n in options.batches.split(",")]
    readers, classifiers = dict(NETWORKS), classifying()
    lines: dict[str, list[list[str]]] = {"reads": [], "classifies": []}
    left_out = []
    for at in range(max(len(readers), len(classifiers))):
        for kind, several in (("reads", readers), ("classifies", classifiers)):
            if at >= len(several):
                continue
            name, config = list(several.items())[at]
            if lines[kind] and time.monotonic() > end:
                left_out.append(f"{name} (time)")
                continue
            try:
                if isinstance(config, PaperConfig):
                    sized = replace(config, pixels=(rows, columns), crop=(min(128, rows), min(256, columns)))
                    lines[kind].append(line(name, sized, pages, batches, options))
                else:
                    lines[kind].append(classifier_line(name, config, batches[-1], options))
            except torch.OutOfMemoryError:
                left_out.append(f"{name} (memory)")
                torch.cuda.empty_cache()
    header = ["reads pages", "parameters", "crops/s", "last batch", "pages/s", "peak GiB"]
    print(table(header, lines["reads"]))
    header = ["classifies pages", "parameters", "trained/s", "mixed", "classified/s", "peak GiB"]
    print(table(header, lines["classifies"]))
    print(f"left out: {', '.join(left_out) or 'nothing'}; device {named(options.device)}")


def named(device: str) -> str:
    """Return what the device is."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def classifying() -> dict[str, ModelConfig]:
    """Return the classifiers: the default of the task, and the published ones at the note's sizes."""
    small = task_files.find("pages")
    large = task_files.find("pages", space=builtin.folder("search_spaces") / "pages_large.py")
    found = {"default of pages": from_params(small.suggest, small.default)}
    for values in (large.default, *large.portfolio):
        config = from_params(large.suggest, values)
        found[f"{config.family}, {'own' if config.own_views else 'shared'}"] = config
    return found


def classifier_line(name: str, config: ModelConfig, batch: int, options: argparse.Namespace) -> list[str]:
    """Measure one classifier."""
    device, task = options.device, task_files.find("pages").task
    _begun(device)
    net = build(config, task).to(device)
    assert task.picture is not None
    x = torch.randint(0, 256, (batch, 3, *task.picture), device=device).float()
    y = torch.randint(0, 2, (batch, len(task.classes)), device=device).float()
    with torch.no_grad():
        seen = net.inputs(x)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4)

    def train(half: bool) -> None:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net.decide(seen, half=half).float(), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    net.train()
    speeds = [batch * each_second(lambda half=half: train(half), options) for half in (False, True)]
    net.eval()
    with torch.no_grad():
        speeds.append(batch * each_second(lambda: net.decide(net.inputs(x), half=True), options))
    parameters = sum(part.numel() for part in net.parameters())
    return [name, f"{parameters:,}", *(f"{one:.1f}" for one in speeds), _peak(device)]


def each_second(step: Callable[[], object], options: argparse.Namespace) -> float:
    """Return how often a second something is done, after it was done twice, or once where it is slow."""
    for _ in range(2 if options.steps > 2 else 1):
        step()
    _wait(options.device)
    begun = time.perf_counter()
    for _ in range(options.steps):
        step()
    _wait(options.device)
    return options.steps / (time.perf_counter() - begun)


def _begun(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> str:
    cuda = device.startswith("cuda")
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.2f}" if cuda else "-"


def line(
    name: str, config: PaperConfig, pages: Pages, batches: list[int], options: argparse.Namespace
) -> list[str]:
    """Measure one network."""
    device = options.device
    _begun(device)
    speeds = []
    for batch in (batches[0], batches[-1]):
        each = replace(config, batch=batch, steps=options.steps)
        rows = np.arange(len(pages))
        fit(replace(each, steps=min(2, options.steps)), pages, rows, seed=0, device=device)
        taken = fit(each, pages, rows, seed=0, device=device).seconds
        speeds.append(batch * options.steps / taken)
    net = UNet(config).to(device).eval()
    parameters = sum(part.numel() for part in net.parameters())
    picture = torch.from_numpy(np.moveaxis(np.asarray(pages.rgb[:8]), -1, 1).astype(np.float32)).to(device)
    kind = "cuda" if device.startswith("cuda") else "cpu"
    begun, done = 0.0, 0
    with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
        for turn in range(4 if options.steps > 2 else 2):
            if turn == 1:
                _wait(device)
                begun = time.perf_counter()
            net(picture)
            done += len(picture) if turn else 0
        _wait(device)
    speed = done / (time.perf_counter() - begun)
    figures = [f"{parameters:,}", *(f"{one:.1f}" for one in speeds), f"{speed:.1f}", _peak(device)]
    return [name, *figures]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
