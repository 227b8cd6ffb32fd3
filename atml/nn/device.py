"""Which device each worker trains on, and what it is called."""

from __future__ import annotations

import torch

from atml.errors import InputError


def choose(wanted: str, count: int) -> tuple[str, ...]:
    """Return the device of each of ``count`` workers, "cpu" or "cuda:0" and so on, dealt out in turn.

    ``wanted`` is "auto" (CUDA where there is one), "cpu" or "cuda". Raises InputError for "cuda" without one.
    """
    if wanted not in ("auto", "cpu", "cuda"):
        raise InputError(f"no device called {wanted!r}; it is auto, cpu or cuda")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "cuda" and not found:
        raise InputError("no CUDA device here; use --device cpu")
    if wanted == "cpu" or not found:
        return ("cpu",) * count
    return tuple(f"cuda:{index % found}" for index in range(count))


def name(device: str) -> str | None:
    """Name a CUDA device, such as "NVIDIA H100"; None for a CPU, or where there is no such device."""
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name(device))
