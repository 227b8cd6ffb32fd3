"""Studies as a search would leave them, made without training: real parameters, real costs, invented values.

Values follow the parameters with some noise, and trials are cut short as a search cuts them, so that a report
has something to tell.
"""

from __future__ import annotations

import dataclasses
import datetime
import math
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.samplers import RandomSampler
from optuna.trial import TrialState, create_trial

from atml import data, models, regions, task_files
from atml.errors import ShapeError
from atml.models.config import ModelConfig
from atml.searching import pruning
from atml.searching.region_learning import fingerprint
from atml.storage import Store

FOLDS, TRIALS = 5, 72
START = datetime.datetime(2026, 3, 2, 20, 0)


def spec(**changes: Any) -> dict[str, Any]:
    """What a study of built-in synthetic ECG remembers."""
    definition = task_files.find("afib")
    dataset = data.open(None, task=definition.task, label=definition.label)
    return {
        "version": 1,
        "task": definition.name,
        "space": definition.space_hash,
        "objective": definition.objective_hash,
        "space_path": str(definition.space_path),
        "objective_path": str(definition.objective_path),
        "objective_name": definition.objective_name,
        "window": definition.task.seconds,
        "data": None,
        "sampling_rate": None,
        "leads": [],
        "held_out": [],
        "data_name": dataset.name,
        "data_fingerprint": dataset.fingerprint,
        "synthetic": True,
        "folds": FOLDS,
        "seed": 0,
        "qualifies": definition.qualifies,
        "max_size_kib": 64.0,
        "max_macs": None,
        "max_ram_kib": None,
        **changes,
    }


def study(store: Store, name: str, trials: int = 40, *, finalists: int = 2, seed: int = 0) -> None:
    """Fill a study with ``trials`` search trials, and two repeats of each of the best."""
    told = spec()
    made = store.study(name, told)
    definition = task_files.find("afib")
    probe = optuna.create_study(sampler=RandomSampler(seed=seed))
    rng = np.random.default_rng(seed)
    peers: dict[int, list[float]] = {}
    clock, templates = START, []
    for number in range(trials):
        asked = probe.ask()
        config = definition.suggest(asked)
        try:
            cost = dataclasses.asdict(models.cost(config, definition.task))
            limits = {"size_kib": cost["size_bytes"] / 1024 - told["max_size_kib"]}
        except ShapeError:
            cost, limits = None, {"shape": 1.0}
        attrs: dict[str, Any] = {
            "origin": "default" if number == 0 else "reference" if number < 16 else "sampled",
            "config": config.to_dict(),
            "seed": number,
            **({"cost": cost} if cost else {}),
        }
        steps: dict[int, float] = {}
        if max(limits.values()) <= 0:
            steps, attrs["result"] = _run(_worth(config, number / trials), peers, rng)
        templates.append(_template(asked, attrs, steps, clock, limits))
        clock += datetime.timedelta(seconds=attrs.get("result", {}).get("wall_s", 0.1) / 2)
    templates += _repeats(templates, finalists, clock, rng)
    made.add_trials(templates)
    _date(store, made, templates)
    best = sorted({t.user_attrs["of"] for t in templates if "of" in t.user_attrs})
    judged = {
        str(of): float(np.mean([t.value for t in templates if t.user_attrs.get("of") == of])) for of in best
    }
    made.set_user_attr("judged", judged)
    dataset = data.open(None, task=definition.task, label=definition.label)
    rows = np.arange(len(dataset))
    for record in store.trials(name):
        if record.role == "finalist":
            margin = 2.0 * (2 * dataset.y - 1) + rng.normal(0, 1.5, len(rows))
            logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
            store.save_predictions(name, record.number, rows, logits)


def refused(store: Store, name: str, trials: int) -> None:
    """Fill a study that learns regions with random draws of which none fits the device."""
    told = spec()
    made = store.study(name, told)
    definition = task_files.find("afib")
    # Lenient limits, so that few draws decide.
    # By the claim of version 0.1: by that of today what no device can run is no draw.
    ledger = regions.begin(
        regions.learn(definition.suggest), fingerprint(told), p0=0.5, alpha=0.5, claim=regions.Claim.QUALIFIES
    )
    store.save_ledger(name, ledger.to_dict())
    probe = optuna.create_study(sampler=RandomSampler(seed=1))
    templates = []
    for _ in range(trials):
        asked = probe.ask()
        definition.suggest(asked)
        templates.append(_template(asked, {"origin": "reference"}, {}, START, {"size_kib": 1.0}))
    made.add_trials(templates)


def _date(store: Store, study: optuna.Study, templates: list[optuna.trial.FrozenTrial]) -> None:
    """Write down when trials began: Optuna takes the moment of adding."""
    trials = sa.table("trials", *map(sa.column, ("study_id", "number", "datetime_start")))
    change = (
        trials.update()
        .where(trials.c.study_id == study._study_id, trials.c.number == sa.bindparam("n"))
        .values(datetime_start=sa.bindparam("at"))
    )
    with store._db.engine.begin() as db:
        db.execute(change, [{"n": n, "at": t.datetime_start} for n, t in enumerate(templates)])


def _worth(config: ModelConfig, progress: float) -> float:
    """Say what a config would reach: its learning rate, its smoothing and its kind matter, and practice."""
    rate = abs(math.log10(config.learning_rate / 2e-3))
    kind = 0.04 if config.channels and config.cell != "none" else 0.0 if config.channels else -0.12
    return 0.82 + kind - 0.12 * rate - 0.4 * abs(config.label_smoothing - 0.08) + 0.03 * progress


def _run(worth: float, peers: dict[int, list[float]], rng: np.random.Generator, *, cut: bool = True) -> Any:
    """Report fold after fold until others did better; return reported values and the result."""
    steps: dict[int, float] = {}
    curves: list[list[list[float]]] = []
    folds: list[float] = []
    goes_on = True
    for fold in range(FOLDS):
        curves.append([])
        shift = 0.05 * math.sin(3 * fold) + rng.normal(0, 0.02)
        for fraction in pruning.FRACTIONS:
            value = float(np.clip(worth + shift - 0.25 * (1 - fraction) ** 2 + rng.normal(0, 0.01), 0, 1))
            step = pruning.step(fold, fraction)
            curves[-1].append([fraction, 0.35 + 0.4 * (1 - fraction) + float(rng.normal(0, 0.01)), value])
            steps[step] = value if fraction < 1 else float(np.mean([*folds, value]))
            goes_on = not cut or pruning.holds_up(steps[step], step, peers.get(step, []))
            peers.setdefault(step, []).append(steps[step])
            if not goes_on:
                break
        if curves[-1][-1][0] == 1.0:
            folds.append(curves[-1][-1][2])
        if not goes_on:
            break
    finished = len(folds) == FOLDS
    seconds = 6.0 * sum(curve[-1][0] for curve in curves)
    value = float(np.mean(folds)) if folds else curves[0][-1][2]
    return steps, {
        "value": value,
        "fold_values": folds,
        "train_values": [min(v + 0.04, 1.0) for v in folds],
        "curves": curves,
        "training_s": round(seconds, 3),
        "wall_s": round(1.1 * seconds, 3),
        "steps": 300 * len(curves),
        "finished": finished,
        "metrics": dict.fromkeys(("F1", "accuracy", "precision", "recall"), value),
    }


def _template(
    asked: optuna.Trial | optuna.trial.FrozenTrial,
    attrs: dict[str, Any],
    steps: dict[int, float],
    clock: datetime.datetime,
    constraints: dict[str, float],
) -> optuna.trial.FrozenTrial:
    result = attrs.get("result", {})
    finished = result.get("finished", False)
    last = steps[max(steps)] if steps else None
    made = create_trial(
        state=TrialState.COMPLETE if finished else TrialState.PRUNED,
        value=result["value"] if finished else last,
        params=asked.params,
        distributions=asked.distributions,
        user_attrs=attrs,
        intermediate_values=steps,
        constraints=constraints,
    )
    made.datetime_start = clock
    made.datetime_complete = clock + datetime.timedelta(seconds=result.get("wall_s", 0.1))
    return made


def _repeats(
    templates: list[optuna.trial.FrozenTrial],
    finalists: int,
    clock: datetime.datetime,
    rng: np.random.Generator,
) -> list[optuna.trial.FrozenTrial]:
    """Run the best trials again, two times each."""
    whole = [(t.value or 0.0, n) for n, t in enumerate(templates) if t.state == TrialState.COMPLETE]
    made = []
    for value, number in sorted(whole, reverse=True)[:finalists]:
        for repeat in range(2):
            steps, result = _run(value - 0.01, {}, rng, cut=False)
            kept = {key: templates[number].user_attrs[key] for key in ("config", "cost")}
            attrs = {"origin": "repeat", "role": "finalist", "of": number, "seed": 10**6 + repeat, **kept}
            attrs["result"] = result
            made.append(_template(templates[number], attrs, steps, clock, {}))
            clock += datetime.timedelta(seconds=result["wall_s"])
    return made
