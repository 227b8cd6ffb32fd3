"""A small conditional space, its draws, and trials with a known truth."""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest

from atml.regions import Outcome, Space, learn

BEGAN = datetime.datetime(2026, 11, 21, 9, 0)


def suggest(trial: Any) -> dict[str, Any]:
    cell = trial.suggest_categorical("cell", ["none", "lstm", "gru"])
    if cell != "none":
        trial.suggest_int("units", 4, 24, step=4)
        if not trial.suggest_categorical("bidirectional", [False, True]):
            trial.suggest_int("layers", 1, 2)
    optimizer = trial.suggest_categorical("optimizer", ["adam", "sgd"])
    low, high = (1e-4, 1e-2) if optimizer == "adam" else (1e-2, 1.0)
    trial.suggest_float("rate" if optimizer == "adam" else "rate_sgd", low, high, log=True)
    trial.suggest_float("dropout", 0.0, 0.5)
    trial.suggest_categorical("batch", [64, 128])
    return dict(trial.params)


@pytest.fixture(scope="session")
def toy() -> Any:
    return suggest


@pytest.fixture(scope="session")
def space() -> Space:
    return learn(suggest)


@pytest.fixture(scope="session")
def drawn(space: Space) -> Any:
    """Return reference draws of which those qualify that ``good`` says, one a minute."""

    def make(count: int, good: Any, *, seed: int = 0, known: int = 0, first: int = 0) -> list[Outcome]:
        rng = random.Random(seed)
        return [
            Outcome(
                number=first + i,
                params=(params := space.sample[rng.randrange(len(space.sample))]),
                origin="reference",
                verdict="qualifies" if good(params) else "fails",
                known=known,
                ended=BEGAN + datetime.timedelta(minutes=first + i),
            )
            for i in range(count)
        ]

    return make
