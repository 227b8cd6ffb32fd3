"""Training and judging networks that read pages, as a search asks for them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from atml.arrays import Float32, Int64
from atml.data import cache
from atml.data.dataset import Dataset
from atml.metrics.predictions import Predictions
from atml.metrics.waveform import READ_DB
from atml.models.config import ModelConfig
from atml.models.families.page_unet import own
from atml.models.network import Network
from atml.paper.learning import fit, tensorboard
from atml.paper.page_data import PageDataset
from atml.paper.reading import Reader
from atml.paper.scores import lead_decibels
from atml.tasks import targets
from atml.tasks.task import WAVEFORM, Task
from atml.training.loop import Fitted, settled

if TYPE_CHECKING:
    from atml.models.unet import UNet

EVERY = 50
"""Steps from one checkpoint to the next."""


class PaperLearner:
    """See `atml.training.learner.Learner`; the data set is a `PageDataset`.

    A training leaves its state in the cache every `EVERY` steps and at its end, and one of the same config,
    seed and pages goes on from there: a killed trial loses no more, and does not train its finished folds
    again. `ended` removes the states of what this learner trained. With ``log``, a folder, each
    writes its losses there for TensorBoard, in a folder of its own.
    """

    def __init__(self, log: Path | None = None) -> None:
        self.log, self._count = log, 0
        self._states: list[Path] = []

    def fit(
        self,
        config: ModelConfig,
        task: Task,
        dataset: Dataset,
        rows: Int64,
        *,
        seed: int,
        device: str = "cpu",
        evaluate: Callable[[Network], float] | None = None,
        on_progress: Callable[[float, float], bool] | None = None,
    ) -> Fitted:
        """Train a fresh network on crops of some pages, as they are and laid flat."""
        paper, data = own(config), _pages(dataset)
        self._count += 1
        state = _checkpoint(paper, data, rows, seed)
        self._states.append(state)
        folder = None if self.log is None else self.log / f"seed-{seed}-{self._count}"
        with contextlib.nullcontext() if folder is None else tensorboard(folder) as writer:
            return fit(
                paper,
                *data.to_train_on(rows, paper.pixels),
                seed=seed,
                device=device,
                evaluate=cast("Callable[[UNet], float] | None", evaluate),
                on_progress=on_progress,
                checkpoint=state,
                every=EVERY,
                log=writer,
                keep=True,
            )

    def ended(self) -> None:
        """Remove the states of all trainings: whoever asked for them has what came of them."""
        while self._states:
            self._states.pop().unlink(missing_ok=True)

    def predictions(
        self, model: Network, task: Task, dataset: Dataset, rows: Int64, *, device: str = "cpu"
    ) -> Predictions:
        """Read some pages, and return the decibels of each lead above `READ_DB`."""
        data = _pages(dataset)
        net = cast("UNet", model)
        reader = Reader(net.config, maps_of(net, device))
        logits = np.empty((len(rows), len(task.classes)), np.float32)
        with settled(device):
            for at, row in enumerate(rows):
                read = reader.read(np.asarray(data.pages.rgb[row]))
                logits[at] = lead_decibels(np.asarray(data.pages.signal[row]), read.signal) - READ_DB
        found: Predictions = targets.of(task).predictions(logits, dataset.y[rows], dataset.subject[rows])
        return found


def learner_of(task: Task, log: Path | None = None) -> PaperLearner | None:
    """Return what trains networks of a task, see `PaperLearner.log`; None for the usual loop."""
    return PaperLearner(log) if task.kind == WAVEFORM else None


def maps_of(net: UNet, device: str = "cpu") -> Callable[[Float32], Float32]:
    """Return what computes the maps of pictures with a network of torch, for `Reader`."""

    def maps(page: Float32) -> Float32:
        with torch.no_grad():
            found: Float32 = net(torch.from_numpy(page).to(device)).float().cpu().numpy()
        return found

    return maps


def _checkpoint(config: ModelConfig, dataset: PageDataset, rows: Int64, seed: int) -> Path:
    about: list[Any] = [config.to_dict(), seed, dataset.fingerprint, np.asarray(rows).tolist()]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    return cache.root(dataset.cache) / "trainings" / f"{name}.pt"


def _pages(dataset: Dataset) -> PageDataset:
    if not isinstance(dataset, PageDataset):
        raise TypeError(f"{dataset.name} is no set of pages with their signals")
    return dataset
