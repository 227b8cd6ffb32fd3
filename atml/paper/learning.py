"""Training on crops: one loop, that goes on where it was killed."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from atml.arrays import Int64
from atml.errors import ConfigError, MissingExtraError
from atml.models.paper_config import PaperConfig
from atml.models.unet import UNet
from atml.paper.crops import Crops, drawn
from atml.paper.losses import NAMES, losses, total
from atml.paper.page_truth import Pages
from atml.paper.weights_file import load
from atml.training.loop import FRACTIONS, Fitted, settled

if TYPE_CHECKING:
    from atml.models.network import Network

WARM = 0.05
"""Share of the steps over which the learning rate rises."""

STATE = 2
"""Increased whenever states are kept in another way; older ones are then ignored."""

LEAST = 0.01
"""Share of the learning rate that is left at the end."""


UNREADABLE = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError, TypeError),
    pickle.UnpicklingError,
)
"""What reading half a file, or something else, raises."""


@dataclass(frozen=True, kw_only=True)
class Learned(Fitted):
    """`Fitted`; ``resumed`` is the step that the training went on from, 0 for one from the start.

    ``seconds`` include those before it was killed. The model's kind is `UNet`.
    """

    resumed: int = 0


def fit(
    config: PaperConfig,
    pages: Pages,
    rows: Int64,
    *,
    seed: int,
    device: str = "cpu",
    fractions: Sequence[float] = FRACTIONS,
    evaluate: Callable[[UNet], float] | None = None,
    on_progress: Callable[[float, float], bool] | None = None,
    checkpoint: Path | None = None,
    every: int = 100,
    log: Any = None,
    keep: bool = False,
) -> Learned:
    """Train a fresh network on crops of some rows of ``pages``.

    At each of ``fractions`` of the steps ``evaluate(model)`` gives a value (the model is in eval mode), and
    ``on_progress(fraction, value)`` may return False to stop. A loss or a value that is not finite ends
    training at once with ``diverged``.

    With ``checkpoint``, a file, the state is kept ``every`` so many steps, and a training of the same config,
    seed and rows goes on from it: on a CPU with the same bits as one that was never interrupted. The last
    state is that before the value at the end, which one that was killed there computes and tells again. A
    file that is no whole state is ignored, with a warning. It is removed at the end; with ``keep`` that of a
    training that reached its last step stays.

    On CUDA the network computes in bfloat16 where autocast holds that safe; elsewhere in float32.

    ``log`` gets ``add_scalar(name, value, step)`` at each checkpoint and fraction, as TensorBoard's writer.

    Raises:
        ConfigError: a field that can't be, no rows, or weights to begin with that do not fit.
    """
    config.check()
    if len(rows) == 0:
        raise ConfigError("no pages to train on; give at least one")
    with torch.random.fork_rng(devices=[]), settled(device):
        torch.manual_seed(seed)
        model = UNet(config)
        if config.begin:
            load(model, Path(config.begin))
        model.to(device)
        run = _Run(config, pages, rows, model, seed, device, checkpoint)
        found = run.go(fractions, evaluate, on_progress, every, log)
        if checkpoint is not None and not (keep and not found.stopped and not found.diverged):
            checkpoint.unlink(missing_ok=True)
        return found


class _Run:
    """The state of one training."""

    def __init__(
        self,
        config: PaperConfig,
        pages: Pages,
        rows: Int64,
        model: UNet,
        seed: int,
        device: str,
        checkpoint: Path | None,
    ) -> None:
        self.config, self.pages, self.rows = config, pages, rows
        self.model, self.seed, self.device, self.file = model, seed, device, checkpoint
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.curve: list[tuple[float, float, float]] = []
        self.sums = dict.fromkeys(("total", *NAMES), 0.0)
        self.since = 0
        self.seconds = 0.0
        self.step = 0
        names = "\n".join(f"{pages.name[row]}" for row in rows)
        about = json.dumps([STATE, config.to_dict(), seed, hashlib.sha256(names.encode()).hexdigest()])
        self.key = hashlib.sha256(about.encode()).hexdigest()

    def go(
        self,
        fractions: Sequence[float],
        evaluate: Callable[[UNet], float] | None,
        on_progress: Callable[[float, float], bool] | None,
        every: int,
        log: Any,
    ) -> Learned:
        """Run all steps that are left, stopping at every fraction."""
        config = self.config
        marks = {max(1, round(f * config.steps)): f for f in fractions}
        resumed = self._resume()
        begun = time.perf_counter()
        stopped = diverged = False
        self.model.train()
        ended = resumed == config.steps  # only the value at the end is missing
        while ended or self.step < config.steps:
            if not ended:
                loss = self._step()
                self.step += 1
                if not math.isfinite(loss):
                    diverged = True
                    break
            mark = self.step in marks
            if mark or self.step % every == 0:
                self._say(log)
            if self.step == config.steps and not ended:
                now = time.perf_counter()
                self.seconds += now - begun
                begun, ended = now, True
                self._keep()
            if mark:
                self.seconds += time.perf_counter() - begun
                value = math.nan
                self.model.eval()
                if evaluate is not None:
                    value = evaluate(self.model)
                self.model.train()
                if evaluate is not None and not math.isfinite(value):
                    diverged = True
                    break
                self.curve.append((marks[self.step], self.sums["total"] / max(1, self.since), value))
                self.sums, self.since = dict.fromkeys(self.sums, 0.0), 0
                if log is not None:
                    log.add_scalar("value", value, self.step)
                if on_progress is not None and not on_progress(marks[self.step], value):
                    stopped = True
                    break
                begun = time.perf_counter()
            if ended:
                break
            if self.step % every == 0:
                now = time.perf_counter()
                self.seconds += now - begun
                begun = now
                self._keep()
        self.model.eval()
        return Learned(
            model=cast("Network", self.model),
            curve=tuple(self.curve),
            seconds=self.seconds,
            steps=self.step,
            stopped=stopped,
            diverged=diverged,
            resumed=resumed,
        )

    def _step(self) -> float:
        config = self.config
        crops = drawn(config, self.pages, self.rows, self.seed, self.step).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * rate_at(self.step, config.steps)
        found = _computed(self.model, crops, self.device)
        loss = total(found, config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        self.optimizer.step()
        values = torch.stack([loss.detach(), *(found[name].detach() for name in NAMES)]).tolist()
        for name, value in zip(self.sums, values, strict=True):
            self.sums[name] += value
        self.since += 1
        return float(values[0])

    def _say(self, log: Any) -> None:
        if log is not None:
            for name, value in self.sums.items():
                log.add_scalar(f"loss/{name}", value / max(1, self.since), self.step)

    def _keep(self) -> None:
        """Write the state, whole or not at all."""
        if self.file is None:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        state = {
            "key": self.key,
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "curve": self.curve,
            "sums": self.sums,
            "since": self.since,
            "seconds": self.seconds,
        }
        torch.save(state, aside)
        aside.replace(self.file)

    def _resume(self) -> int:
        """Take up the state of a training of the same config, seed and rows; return its step, else 0."""
        if self.file is None or not self.file.is_file():
            return 0
        try:
            state = torch.load(self.file, map_location=self.device, weights_only=True)
            key = state["key"]
        except UNREADABLE:
            warnings.warn(f"{self.file} is no whole state of a training; it begins anew", stacklevel=4)
            return 0
        if key != self.key:
            return 0
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve = [tuple(point) for point in state["curve"]]
        self.sums, self.since = dict(state["sums"]), int(state["since"])
        self.seconds, self.step = float(state["seconds"]), int(state["step"])
        return self.step


def _computed(model: UNet, crops: Crops, device: str) -> dict[str, torch.Tensor]:
    if device.startswith("cuda"):
        with torch.autocast("cuda", dtype=torch.bfloat16):
            maps = model(crops.page, crops.where)
        return losses(maps.float(), crops)
    return losses(model(crops.page, crops.where), crops)


def rate_at(step: int, steps: int) -> float:
    """Return the share of the learning rate of a step: up over `WARM` of them, then down a cosine.

    Example:
        >>> [round(rate_at(step, 100), 2) for step in (0, 4, 52, 99)]
        [0.2, 1.0, 0.51, 0.01]
    """
    warm = max(1, round(WARM * steps))
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    return LEAST + (1 - LEAST) * 0.5 * (1 + math.cos(math.pi * share))


def tensorboard(folder: Path) -> Any:
    """Return a writer of TensorBoard's files; raises MissingExtraError where TensorBoard is not there."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise MissingExtraError("writing TensorBoard's files", "tensorboard") from None
    return SummaryWriter(str(folder))
