"""Which device each worker trains on, and what it is called."""

from __future__ import annotations

import re

import torch

from atml.errors import InputError


def choose(wanted: str, count: int) -> tuple[str, ...]:
    """Return the device of each of ``count`` workers; see `deal`, which is told how many there are here."""
    return deal(wanted, count, torch.cuda.device_count() if torch.cuda.is_available() else 0)


def deal(wanted: str, count: int, found: int) -> tuple[str, ...]:
    """Deal devices to ``count`` workers in turn: "cpu", "cuda:0" and so on.

    ``found`` CUDA devices are there. ``wanted`` is "auto" (all of them, or the CPU where there is none),
    "cpu", "cuda" (all of them), "cuda:1", or several between commas, of which one named twice gets twice the
    workers. Where there are more workers than devices, workers share them.

    Raises:
        InputError: no such device here, or none of that name.
    """
    if wanted == "auto":
        wanted = "cuda" if found else "cpu"
    devices: list[str] = []
    for name in wanted.split(","):
        devices += _named(name.strip(), wanted, found)
    return tuple(devices[index % len(devices)] for index in range(count))


def _named(name: str, wanted: str, found: int) -> list[str]:
    """Return the devices of one name."""
    every = [f"cuda:{index}" for index in range(found)]
    if name == "cpu":
        return ["cpu"]
    if name == "cuda" and every:
        return every
    if name in every:
        return [name]
    if name != "cuda" and not re.fullmatch(r"cuda:\d+", name):
        raise InputError(f"no device called {wanted!r}; it is auto, cpu, cuda, or such as cuda:0,cuda:1")
    if not every:
        raise InputError(f"no CUDA device here for --device {wanted}; use --device cpu")
    raise InputError(f"no device {name} here; there {'is' if found == 1 else 'are'} {', '.join(every)}")


def name(device: str) -> str | None:
    """Name a CUDA device, such as "NVIDIA H100"; None for a CPU, or where there is no such device."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(device))


def facts(device: str) -> dict[str, str]:
    """Say what the bits of a training on ``device`` may depend on: torch, and the instructions or the GPU."""
    kind = name(device) or torch.backends.cpu.get_cpu_capability()
    return {"torch": str(torch.__version__), "device": device.partition(":")[0], "kind": str(kind)}
