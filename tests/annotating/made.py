"""ECG of known beats, and a minute network that tells them apart."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from atml.artifacts.export import onnx_bytes
from atml.artifacts.model import describe
from atml.data.beat_windows import gather
from atml.models import build
from atml.models.config import ModelConfig
from atml.tasks.task import Task

# Windows that hold one beat alone: a network that learns in a second can't tell which of several is meant.
TASK = Task(
    name="beats",
    kind="multiclass",
    classes=("N", "S", "V"),
    sampling_rate=125,
    window=100,
    leads=2,
    after_beat=0.3,
)
CONFIG = ModelConfig(channels=(8, 8), kernels=(9, 5), strides=(3, 2), pool="max", normalise="centre")

# Two torch threads crawl as soon as anything else runs beside the tests.
torch.set_num_threads(1)

RATE = 250


def times(text: str, rr: float = 0.8, start: float = 0.4) -> np.ndarray:
    """When the beats of a text come: S and V early, what follows V late; "_" is a beat that is left out."""
    found, at = [], start
    for letter, after in zip(text, [*text[1:], ""], strict=True):
        if letter != "_":
            found.append(at)
        early = 0.7 if after in "SV" and after else 1.0
        at += rr * (0.75 if letter == after == "V" else 1.3 if letter == "V" and after != "V" else early)
    return np.array(found)


def ecg(text: str, rate: float = RATE, *, rr: float = 0.8, tail: float = 3.0, seed: int = 0) -> np.ndarray:
    """Return two leads in mV, ``(2, samples)``; V is wide and upside down, S has its P wave upside down."""
    when, letters = times(text, rr), text.replace("_", "")
    t = np.arange(round((when[-1] + tail) * rate)) / rate
    x = np.random.default_rng(seed).normal(0, 0.01, (2, len(t)))
    for at, letter in zip(when, letters, strict=True):
        near = slice(max(0, int((at - 0.6) * rate)), int((at + 0.8) * rate))
        d = t[near] - at
        wide, high = (0.045, -1.4) if letter == "V" else (0.012, 1.2)
        x[:, near] += np.exp(-((d / wide) ** 2) / 2) * [[high], [-0.6 * high]]
        x[:, near] += np.exp(-(((d - 0.28) / 0.05) ** 2) / 2) * [[0.2], [0.15]]
        p = {"N": 0.15, "S": -0.35, "V": 0.0}[letter]
        x[:, near] += p * np.exp(-(((d + 0.16) / 0.025) ** 2) / 2)
    return x.astype(np.float32)


@functools.cache
def exported() -> bytes:
    """Train a minute network to tell N, S and V of `ecg`, and return its file."""
    random = np.random.default_rng(0)
    text = "".join(random.choice(list("NNNNSVNNVVN")) for _ in range(150))
    text = "N" + text
    x, y = ecg(text, 125), ["NSV".index(letter) for letter in text]
    at = np.round(times(text) * 125).astype(int)
    windows = torch.tensor(np.concatenate([gather(x, at + shift, TASK) for shift in (0, 2)]))
    wanted = torch.tensor(y * 2)
    torch.manual_seed(0)
    net = build(CONFIG, TASK)
    optimiser = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(net(windows), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2, loss
    return onnx_bytes(net.eval(), TASK, properties(TASK, CONFIG))


def properties(task: Task, config: ModelConfig, *, lead_choice: tuple[str, ...] = ()) -> dict[str, str]:
    return describe(
        task=task,
        config=config,
        study="small",
        trial=1,
        offsets=(0.0,) * len(task.classes),
        data_name="made",
        data_fingerprint="00",
        synthetic=True,
        subjects=(),
        lead_choice=lead_choice,
    )


def write_record(
    folder: Path,
    name: str,
    x: np.ndarray,
    rate: float = RATE,
    *,
    leads: Sequence[str] = ("MLII", "V1"),
    comments: Sequence[str] = (),
    start: object = None,
) -> Path:
    """Write a WFDB record; return its path without ending."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, at how wfdb uses it
        import wfdb

        folder.mkdir(parents=True, exist_ok=True)
        wfdb.wrsamp(
            name,
            rate,
            ["mV"] * len(x),
            list(leads),
            p_signal=np.asarray(x.T, np.float64),
            fmt=["16"] * len(x),
            comments=list(comments),
            base_datetime=start,
            write_dir=str(folder),
        )
    return folder / name
