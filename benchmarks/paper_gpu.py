"""What an accelerator brings to networks that read pages: crops a second trained, pages a second mapped.

Run as ``python benchmarks/paper_gpu.py [--device cuda:0] [--minutes 7] [--pages 64] [--size 512x672]``; on a
CPU as ``--device cpu --minutes 0.1 --pages 2``. It draws its own pages and prints, for each network,
parameters, crops a second at the first and at the last of ``--batches``, whole pages a second, and the peak
of the device's memory; on CUDA in bfloat16. What the minutes don't allow is left out and named.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from atml.formatting import table
from atml.models.paper_config import PaperConfig
from atml.models.unet import UNet
from atml.page_sets.page_set import Asked, make
from atml.paper.learning import fit
from atml.paper.page_sources import sources
from atml.paper.page_truth import Pages, read

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
    lines, left_out = [], []
    for name, config in NETWORKS.items():
        if lines and time.monotonic() > end:
            left_out.append(name)
            continue
        batches = [int(n) for n in options.batches.split(",")]
        lines.append(line(name, replace(config, pixels=(rows, columns)), pages, batches, options))
    header = ["network", "parameters", "crops/s", "last batch", "pages/s", "peak GiB"]
    print(table(header, lines))
    print(f"left out for lack of time: {', '.join(left_out) or 'nothing'}; device {options.device}")


def line(
    name: str, config: PaperConfig, pages: Pages, batches: list[int], options: argparse.Namespace
) -> list[str]:
    """Measure one network."""
    device = options.device
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    speeds = []
    for batch in (batches[0], batches[-1]):
        each = replace(config, batch=batch, steps=options.steps)
        rows = np.arange(len(pages))
        fit(replace(each, steps=2), pages, rows, seed=0, device=device)
        taken = fit(each, pages, rows, seed=0, device=device).seconds
        speeds.append(batch * options.steps / taken)
    net = UNet(config).to(device).eval()
    parameters = sum(part.numel() for part in net.parameters())
    picture = torch.from_numpy(np.moveaxis(np.asarray(pages.rgb[:8]), -1, 1).astype(np.float32)).to(device)
    kind = "cuda" if device.startswith("cuda") else "cpu"
    begun, done = 0.0, 0
    with torch.no_grad(), torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda"):
        for turn in range(4):
            if turn == 1:
                _wait(device)
                begun = time.perf_counter()
            net(picture)
            done += len(picture) if turn else 0
        _wait(device)
    speed = done / (time.perf_counter() - begun)
    peak = torch.cuda.max_memory_allocated(device) / 2**30 if kind == "cuda" else float("nan")
    figures = [f"{parameters:,}", *(f"{one:.1f}" for one in speeds), f"{speed:.1f}", f"{peak:.2f}"]
    return [name, *figures]


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
