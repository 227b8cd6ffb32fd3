"""The state of a network as plain arrays, to send between processes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn


def weights(net: nn.Module) -> dict[str, npt.NDArray[Any]]:
    """Return every parameter and buffer by name, copied to the CPU."""
    return {name: np.array(tensor.detach().cpu()) for name, tensor in net.state_dict().items()}


def load_weights(net: nn.Module, state: dict[str, npt.NDArray[Any]]) -> None:
    """Put `weights` into a network of the same config."""
    net.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
