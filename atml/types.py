"""The words everything speaks in: frozen values, no torch, no optuna."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.errors import ConfigError

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Strings = npt.NDArray[np.str_]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is decided, from what signal.

    ``classes[i]`` is the name of label ``i``; ``positive`` is the label that sensitivity is about.
    ``sampling_rate`` is in Hz, ``window`` in samples.
    """

    name: str
    classes: tuple[str, ...]
    positive: int
    sampling_rate: int
    window: int
    leads: int = 1

    @property
    def seconds(self) -> float:
        """Length of one window in seconds."""
        return self.window / self.sampling_rate


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled segments of one split.

    Shapes: ``x (n, leads, samples)`` float32 (possibly a read-only memory map), ``y (n,)`` int64,
    ``subject (n,)`` and ``rhythm (n,)`` strings. ``fingerprint`` is a sha256 over all four and the
    sampling rate. ``notes`` are the lines a person should read: what was dropped, and why. ``bare`` says
    that the data themselves do not tell train from test.
    """

    x: Float32
    y: Int64
    subject: Strings
    rhythm: Strings
    sampling_rate: int
    fingerprint: str
    name: str
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    bare: bool = False

    def __len__(self) -> int:
        """Count the segments."""
        return len(self.y)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where data come from, and how to read them: what a study remembers and a worker is told.

    No ``paths`` mean synthetic ECG. ``sampling_rate`` (Hz) is that of files that don't say it; ``leads``
    names or numbers the leads wanted, one entry for each lead of the task, its alternatives between commas.
    ``held_out`` subjects are kept from the search.
    """

    paths: tuple[Path, ...] = ()
    sampling_rate: int | None = None
    leads: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, paths absolute."""
        return {
            "data": [str(path.resolve()) for path in self.paths] or None,
            "sampling_rate": self.sampling_rate,
            "leads": list(self.leads),
            "held_out": list(self.held_out),
        }

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Origin:
        """Rebuild from `to_dict`, or from what studies of version 0.1 kept: one path and a rate."""
        data = fields["data"] or []
        return cls(
            paths=tuple(Path(path) for path in ([data] if isinstance(data, str) else data)),
            sampling_rate=fields["sampling_rate"],
            leads=tuple(fields.get("leads", ())),
            held_out=tuple(fields.get("held_out", ())),
        )


@dataclass(frozen=True)
class Rows:
    """Rows of ``x (n, leads, samples)``, gathered slice by slice: no whole copy is made of a memory map."""

    x: Float32
    rows: Int64

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __getitem__(self, part: slice) -> Float32:
        """Gather some of them."""
        return self.x[self.rows[part]]


@dataclass(frozen=True)
class Fold:
    """Row numbers of one fold: trained on ``train``, predicted on ``held_out``; no shared subject."""

    train: Int64
    held_out: Int64


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture and training of one model; every field is searchable.

    Signal path: normalise -> decimate -> convolutions -> recurrent layers -> pool -> dropout -> linear.
    An empty ``channels`` leaves the convolutions out, ``cell="none"`` the recurrent layers.
    """

    # Input. Both steps are part of the exported graph.
    normalise: str = "zscore"
    """Per segment and lead: "none", "centre" (minus mean), "zscore" (and over its standard deviation),
    "maxabs" (minus mean, over the largest magnitude)."""
    decimation: int = 1
    """Mean over this many neighbouring samples; 1 leaves the rate as it is."""

    # Convolutions: one entry a layer in each of the three.
    channels: tuple[int, ...] = (8, 16, 32)
    kernels: tuple[int, ...] = (7, 7, 7)
    strides: tuple[int, ...] = (2, 2, 2)
    separable: bool = False
    """Depthwise then pointwise from the second layer on; the first is always plain."""
    norm: str = "batch"
    activation: str = "relu"

    # Recurrent layers.
    cell: str = "none"
    units: int = 16
    layers: int = 1
    bidirectional: bool = False

    # Head.
    pool: str = "mean"
    """How time is left behind: "mean", "max", "mean_max", "last" or "attention"."""
    dropout: float = 0.0

    # Training.
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "cosine"
    """"constant", "cosine", "onecycle" or "step"; all but "constant" end near zero."""
    weight_decay: float = 1e-2
    batch: int = 128
    steps: int = 1000
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    focal_gamma: float = 2.0
    class_weights: str = "none"
    """"none" or "balanced" (inverse class frequency in the training rows)."""
    positive_weight: float = 1.0
    """Further factor on the loss of the positive class: above 1 leans towards sensitivity."""
    sampling: str = "uniform"
    """What a batch is drawn from: "uniform" over segments, or "subject" (subjects alike, then segments)."""
    averaging: float = 0.0
    """Decay a step of an exponential moving average of the weights; 0 keeps the last weights."""

    # Augmentation, on training batches only; 0 switches one off.
    scale: float = 0.0
    """Standard deviation of the logarithm of a random gain per segment."""
    noise: float = 0.0
    """White noise: its standard deviation over the segment's own."""
    wander: float = 0.0
    """Baseline wander, a sine of 0.05 to 0.5 Hz: its amplitude over the segment's standard deviation."""
    shift: float = 0.0
    """Largest circular shift, as a share of the window."""
    mixup: float = 0.0
    """Alpha of the Beta distribution that mixes two segments and their labels."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, in declared order."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> ModelConfig:
        """Rebuild from `to_dict`; raises ConfigError for a key that is no field."""
        known = {f.name for f in dataclasses.fields(cls)}
        for key in fields:
            if key not in known:
                raise ConfigError(f"unknown key {key!r} in a model config; known: {', '.join(sorted(known))}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)

    def describe(self) -> str:
        """Say what it is in one short line: "cnn 8-16-32 + lstm 16, lr 0.002, 900 x 128"."""
        parts = []
        if self.channels:
            kind = "separable cnn" if self.separable else "cnn"
            parts.append(f"{kind} {'-'.join(map(str, self.channels))}")
        if self.cell != "none":
            layers = f" x{self.layers}" if self.layers > 1 else ""
            parts.append(f"{'bi' if self.bidirectional else ''}{self.cell} {self.units}{layers}")
        return f"{' + '.join(parts)}, lr {self.learning_rate:.2g}, {self.steps} x {self.batch}"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a model costs on a device, known before training.

    ``parameters`` are trained, ``fixed`` are stored but not trained (batch-norm statistics); ``macs``
    are multiply-accumulates for one window; ``size_bytes`` is the exported ONNX file; ``peak_bytes`` is
    the largest sum of activations alive at once, float32.
    """

    parameters: int
    fixed: int
    macs: int
    size_bytes: int
    peak_bytes: int


LIMITS = ("size_kib", "macs", "ram_kib", "operators")
"""Names of the constraints that a budget makes."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a device has room for; None where it does not matter.

    ``size_kib`` of exported file, ``macs`` for one window, ``ram_kib`` of activations alive at once, and the
    ONNX ``operators`` that its runtime knows.
    """

    size_kib: float
    macs: float | None = None
    ram_kib: float | None = None
    operators: frozenset[str] | None = None

    def excess(self, cost: Cost, used: frozenset[str] = frozenset()) -> dict[str, float]:
        """Return by how much a model is over each limit that is set: at or below 0 it keeps it.

        ``used`` are the operators of its graph; each that the device lacks counts 1.
        """
        over = {"size_kib": cost.size_bytes / 1024 - self.size_kib}
        if self.macs is not None:
            over["macs"] = cost.macs - self.macs
        if self.ram_kib is not None:
            over["ram_kib"] = cost.peak_bytes / 1024 - self.ram_kib
        if self.operators is not None:
            over["operators"] = float(len(used - self.operators))
        return over

    def broken(self, cost: Cost, used: frozenset[str] = frozenset()) -> str:
        """Say which limits a model breaks, "" where it keeps all."""
        words = {
            "size_kib": f"{cost.size_bytes / 1024:.1f} KiB",
            "macs": f"{cost.macs:,} MACs",
            "ram_kib": f"{cost.peak_bytes / 1024:.1f} KiB of RAM",
            "operators": f"needs {', '.join(sorted(used - (self.operators or used)))}",
        }
        return ", ".join(words[name] for name, over in self.excess(cost, used).items() if over > 0)

    def describe(self) -> str:
        """Say the limits in words."""
        words = [f"at most {self.size_kib:g} KiB"]
        if self.macs is not None:
            words.append(f"{self.macs:,.0f} MACs a window")
        if self.ram_kib is not None:
            words.append(f"{self.ram_kib:g} KiB of RAM")
        if self.operators is not None:
            words.append(f"{len(self.operators)} operators")
        return ", ".join(words)


@dataclass(frozen=True)
class Predictions:
    """Outputs on labelled segments: ``logits (n, classes)``, ``y (n,)``, ``subject (n,)``."""

    logits: Float32
    y: Int64
    subject: Strings
    positive: int = 1

    def margin(self) -> Float32:
        """Positive logit minus the best other logit, ``(n,)``; the decision is ``margin >= 0``."""
        others = np.delete(self.logits, self.positive, axis=1).max(axis=1)
        return np.asarray(self.logits[:, self.positive] - others, dtype=np.float32)

    def decided(self, threshold: float = 0.0) -> npt.NDArray[np.bool_]:
        """Which segments are called positive, ``(n,)``; a tie counts as positive."""
        return np.asarray(self.margin() >= threshold)

    def truth(self) -> npt.NDArray[np.bool_]:
        """Which segments are positive, ``(n,)``."""
        return np.asarray(self.y == self.positive)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One trial's result.

    ``value`` is the objective over all subjects predicted out of fold so far, ``fold_values[k]`` that of
    fold k alone; ``curves[k]`` holds ``(fraction, training loss, held-out value)``. ``rows`` are the row
    numbers of the dataset that ``predictions`` belong to. ``diverged`` says that training produced a
    value that is not finite; ``constant`` that a fold's model calls every held-out segment the same;
    either ends the trial. ``finished`` says that every fold ran to its end.
    """

    value: float
    fold_values: tuple[float, ...]
    train_values: tuple[float, ...]
    curves: tuple[tuple[tuple[float, float, float], ...], ...]
    seconds: float
    """Spent training, validation left out."""
    steps: int
    finished: bool
    diverged: bool = False
    constant: bool = False
    rows: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    predictions: Predictions | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial as the study keeps it.

    ``state`` is "running", "waiting", "complete", "pruned" or "failed". ``role`` is "search" for a trial
    that counts, "finalist" for a repeat of trial ``of`` on a fresh seed. ``origin`` tells where the
    parameters came from: "default", "reference" (drawn from the declared space), "sampled", "audit" (drawn
    in a rejected region) or "queued" (given by hand). ``constraints`` are feasible at or below 0.
    ``steps[s]`` is the value reported at step s. ``result`` is what a finished trial left: fold values,
    metrics, seconds. ``marks`` is what the sampler wrote of regions. ``failure`` says why it came to nothing,
    "" where it did not: what its worker did, or who went down with it.
    """

    number: int
    state: str
    role: str = "search"
    origin: str = "sampled"
    of: int | None = None
    value: float | None = None
    seed: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    config: ModelConfig | None = None
    cost: Cost | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    steps: dict[int, float] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    started: datetime.datetime | None = None
    ended: datetime.datetime | None = None

    @property
    def finished(self) -> bool:
        """Whether it ended with a result: complete or pruned."""
        return self.state in ("complete", "pruned")

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint."""
        return all(v <= 0 for v in self.constraints.values())
