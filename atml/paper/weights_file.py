"""Weights of a network in a file of numpy's, to begin other trainings with."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from atml.errors import ConfigError


def save(network: nn.Module, file: Path) -> None:
    """Write the weights of a network, those of float32 in 16 bits: what is trained on differs by more."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in network.state_dict().items()}
    small = {
        name: array.astype(np.float16) if array.dtype == np.float32 else array
        for name, array in arrays.items()
    }
    np.savez_compressed(file, **small)


def load(network: nn.Module, file: Path) -> None:
    """Put the weights of a file into a network.

    Raises:
        ConfigError: The file can't be read, or is of a network of another shape.
    """
    try:
        with np.load(file, allow_pickle=False) as found:
            state = {name: torch.from_numpy(np.array(found[name])) for name in found.files}
        network.load_state_dict(state)
    except (OSError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        said = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
        raise ConfigError(f"begin {str(file)!r} is no file of weights of this network: {said}") from None
