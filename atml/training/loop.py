"""`fit` and `predict`: one loop and one hook.

Everything random comes from generators seeded by the caller, so on a CPU one seed gives the same numbers
bit for bit on one machine. A GPU adds in any order: there a seed gives like numbers, and not the same. On a
CPU one thread does the work: run one process a core.
"""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from atml.arrays import Float32, Int64, Strings
from atml.data.dataset import Rows
from atml.errors import ConfigError
from atml.models import build, families
from atml.models.config import ModelConfig
from atml.models.network import Network
from atml.tasks.targets.multilabel import truth
from atml.tasks.task import Task
from atml.training import page_augmentation
from atml.training.augmentation import Augment
from atml.training.batches import rows
from atml.training.goal import goal, several
from atml.training.optimizers import Weights, check, optimizer, rate_at
from atml.training.page_augmentation import PageAugment

FRACTIONS = (0.25, 0.5, 0.75, 1.0)
GRADIENT_NORM = 2.0
"""Longer gradients are cut to this: recurrent layers throw one now and then."""
HALF_FROM = 55.0
"""Multiply-accumulates per convolution output from which bfloat16 is faster than our float32 kernels on a
CPU. Measured, batch 128: 0.71 of their speed at 26, 0.96 at 48, 1.27 at 60, 1.26 at 97."""
SCALED_TO = 256
"""Windows that fresh weights are scaled to, where a config asks for it."""
PICTURES = 16
"""Pictures that are prepared or predicted at once."""
LOOK_EVERY = 25
"""Steps between looks at the loss on a GPU, where each look waits for all work before it."""


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A trained network, in eval mode, and how it got there.

    ``curve`` holds ``(fraction of the steps, mean training loss since the last, value)``; the value is
    NaN where nothing evaluated. ``seconds`` were spent training, evaluation left out. ``stopped`` says
    that the hook ended it, ``diverged`` that a loss or a value was not finite.
    """

    model: Network
    curve: tuple[tuple[float, float, float], ...]
    seconds: float
    steps: int
    stopped: bool = False
    diverged: bool = False


def fit(
    config: ModelConfig,
    task: Task,
    x: Float32 | Rows,
    y: Int64,
    subject: Strings,
    *,
    seed: int,
    device: str = "cpu",
    fractions: Sequence[float] = FRACTIONS,
    evaluate: Callable[[Network], float] | None = None,
    on_progress: Callable[[float, float], bool] | None = None,
) -> Fitted:
    """Train a fresh network on ``x (n, *task.shape)``, ``y (n,)``, ``subject (n,)``.

    At each of ``fractions`` of the steps ``evaluate(model)`` gives a value (the model is in eval mode, with
    averaged weights where the config averages), and ``on_progress(fraction, value)`` may return False to
    stop. A loss or a value that is not finite ends training at once with ``diverged``.

    Raises:
        ConfigError: a field that can't be (ShapeError where the layers don't fit the window).
    """
    check(config)
    page_augmentation.check(config, task)
    if len(y) == 0:
        raise ConfigError("no rows to train on; give at least one segment")
    with settled(device):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = build(config, task).to(device)
        return _Run(config, task, model, x, y, subject, seed=seed, device=device).go(
            fractions, evaluate, on_progress
        )


def predict(model: Network, x: Float32 | Rows, *, device: str = "cpu", batch: int = 512) -> Float32:
    """Logits ``(n, classes)`` of ``x (n, *task.shape)``, in float32, in eval mode."""
    model.eval()
    out = []
    with settled(device), torch.no_grad():
        batch = PICTURES if len(x) > 0 and x[:1].ndim == 4 else batch
        for at in range(0, len(x), batch):
            rows = torch.from_numpy(np.array(x[at : at + batch], np.float32)).to(device)
            out.append(model(rows).float().cpu().numpy())
    if not out:
        return np.empty((0, model.head.out_features), np.float32)
    logits: Float32 = np.concatenate(out)
    return logits


@contextlib.contextmanager
def settled(device: str, threads: int = 1) -> Iterator[None]:
    """One thread, or so many, and denormal numbers flushed to zero, while a CPU computes; then as before.

    Two threads in one process are ten times slower than one as soon as another process wants a core, and
    a decayed weight below 1e-38 costs a hundred times a normal one.
    """
    if device != "cpu":
        with warnings.catch_warnings():
            # All weights lie in one tensor (`Weights`), which cuDNN copies into an order of its own.
            warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous")
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


class _Run:
    """The state of one training."""

    def __init__(
        self,
        config: ModelConfig,
        task: Task,
        model: Network,
        x: Float32 | Rows,
        y: Int64,
        subject: Strings,
        *,
        seed: int,
        device: str,
    ) -> None:
        self.config = config
        self.device = device
        self.model = model
        model.train()
        self.inputs = _prepared(model, x, device)
        if config.init == "data":
            # Evenly spread rows: of every subject some, whatever the batches will hold.
            some = torch.linspace(0, len(self.inputs) - 1, min(SCALED_TO, len(self.inputs)), device=device)
            model.scale_to(self.inputs[some.long()])
        self.weights = Weights(model, config.averaging)
        self.optimizer = optimizer(config, self.weights)
        draws = np.random.SeedSequence(seed).generate_state(2)
        y = np.array(y, np.int64)
        true = truth(y, len(task.classes)) if several(task) else None
        self.rows = rows(config, subject, y, seed=int(draws[0]), true=true)
        self.goal = goal(config, task, y, self.rows, device)
        self.augment: Augment | PageAugment
        if task.picture is not None:
            self.spread = torch.zeros(len(y), 1, device=device)
            self.augment = PageAugment(config, seed=int(draws[1]), device=device)
        else:
            self.spread = self.inputs.std(-1, correction=0, keepdim=True)
            self.augment = Augment(
                config,
                rate=task.sampling_rate / config.decimation,
                decimation=config.decimation,
                seed=int(draws[1]),
                device=device,
            )
        self.dropout = int(draws[0])
        wide = families.of(config).density(config, task) >= HALF_FROM
        self.half = device.startswith("cuda") or (wide and half_is_native())

    def go(
        self,
        fractions: Sequence[float],
        evaluate: Callable[[Network], float] | None,
        on_progress: Callable[[float, float], bool] | None,
    ) -> Fitted:
        """Run all steps, stopping at every fraction."""
        marks = {max(1, round(f * self.config.steps)): f for f in fractions}
        curve: list[tuple[float, float, float]] = []
        losses: list[Tensor] = []
        seconds = 0.0
        done = 0
        begun = time.perf_counter()
        stopped = diverged = False
        # Dropout is the one random layer, and torch gives it no generator of its own.
        with torch.random.fork_rng(devices=[] if self.device == "cpu" else None):
            torch.manual_seed(self.dropout)
            for step in range(self.config.steps):
                losses.append(self._step(step))
                done = step + 1
                look = self.device == "cpu" or done % LOOK_EVERY == 0 or done in marks
                if look and not math.isfinite(losses[-1].item()):
                    diverged = True
                    seconds += time.perf_counter() - begun
                    break
                if done not in marks:
                    continue
                mean = torch.stack(losses).mean().item()
                losses.clear()
                seconds += time.perf_counter() - begun
                value = math.nan
                with self.weights.averaged():
                    self.model.eval()
                    if evaluate is not None:
                        value = evaluate(self.model)
                    self.model.train()
                if evaluate is not None and not math.isfinite(value):
                    diverged = True
                    break
                fraction = marks[done]
                curve.append((fraction, mean, value))
                if on_progress is not None and not on_progress(fraction, value):
                    stopped = True
                    break
                begun = time.perf_counter()
        self.weights.finish()
        self.model.eval()
        return Fitted(
            model=self.model,
            curve=tuple(curve),
            seconds=seconds,
            steps=done,
            stopped=stopped,
            diverged=diverged,
        )

    def _step(self, step: int) -> Tensor:
        batch = self.rows[step].to(self.device)
        x = self.augment(self.inputs.index_select(0, batch), self.spread.index_select(0, batch))
        x, target = self.augment.mixed(x, self.goal.targets.index_select(0, batch))
        logits = self.model.decide(x, half=self.half)
        loss = self.goal.loss(logits + self.goal.more if self.goal.balanced else logits, target)
        self.weights.gradient.zero_()
        loss.backward()  # type: ignore[no-untyped-call]
        self.weights.cut(GRADIENT_NORM)
        share = rate_at(self.config.schedule, step, self.config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * share
        self.optimizer.step()
        self.weights.average(step)
        return loss.detach()


def half_is_native() -> bool:
    """Whether this CPU multiplies bfloat16 itself; torch emulates it elsewhere, slowly."""
    ask = getattr(torch.cpu, "get_capabilities", dict)  # not in every torch we allow
    able: dict[str, object] = dict(ask())
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _prepared(model: Network, x: Float32 | Rows, device: str, batch: int = 128) -> Tensor:
    """What the first layer sees of every row: computed once, since nothing in it is trained.

    Pictures are kept in 16 bits, and worked on a few at a time: a page is a hundred windows.
    """
    parts = []
    with torch.no_grad():
        pictures = len(x) > 0 and x[:1].ndim == 4
        step = PICTURES if pictures else batch
        for at in range(0, len(x), step):
            part = torch.from_numpy(np.array(x[at : at + step], np.float32)).to(device)
            seen = model.inputs(part)
            parts.append(seen.half() if pictures else seen)
    return torch.cat(parts)
