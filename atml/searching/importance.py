"""What a finished search says of its parameters: what each was drawn from, and how much it mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from atml.regions.space import Axis
from atml.storage import Store

LEAST = 50
"""Trials that importances take: a tenth of them is what the good ones are, and Optuna asks for five."""

MOST = 1500
"""Trials that importances are taken over; of more evenly chosen ones along their order, for it takes time."""

RARE = 5
"""Trials of the best tenth that have a parameter, for its importance to be more than one trial's."""


def axes(store: Store, study: str) -> dict[str, Axis]:
    """Return every parameter that a trial was given, in the order of asking, with what it was drawn from."""
    found: dict[str, Axis] = {}
    with store.errors():
        trials = store.study(study).get_trials(deepcopy=False)
    for trial in trials:
        for name, kind in trial.distributions.items():
            if name not in found:
                found[name] = _axis(name, kind)
    return found


def importances(store: Store, study: str, values: Mapping[int, float]) -> dict[str, float]:
    """Return the share of each parameter in what sets the best tenth of ``values`` (by trial) apart.

    PED-ANOVA (Watanabe, Bansal and Hutter 2023), which takes parameters that not every trial has; the largest
    first, 1 in all. A parameter that fewer than `RARE` of the best tenth have is left out: one trial would
    decide. Empty with fewer than `LEAST` values, or where they are all the same.
    """
    if len(values) < LEAST or len(set(values.values())) < 2:
        return {}
    with store.errors():
        trials = store.study(study).get_trials(deepcopy=False)
    ordered = sorted(values, key=lambda number: -values[number])
    if len(ordered) > MOST:
        ordered = [ordered[i * len(ordered) // MOST] for i in range(MOST)]
    best, taken = ordered[: max(1, len(ordered) // 10)], set(ordered)
    often = Counter(name for number in best for name in trials[number].params)
    names = [name for name in axes(store, study) if often[name] >= RARE]
    # Optuna looks at complete trials alone; these stand for trials that were cut short as well.
    stand_in = optuna.create_study(direction="maximize")
    stand_in.add_trials(
        [
            create_trial(
                state=TrialState.COMPLETE,
                value=values[trial.number],
                params=trial.params,
                distributions=trial.distributions,
            )
            for trial in trials
            if trial.number in taken and trial.params
        ]
    )
    found = get_param_importances(stand_in, evaluator=PedAnovaImportanceEvaluator(), params=names)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _axis(name: str, kind: optuna.distributions.BaseDistribution) -> Axis:
    if isinstance(kind, CategoricalDistribution):
        return Axis(name=name, kind="categorical", choices=tuple(kind.choices))
    assert isinstance(kind, FloatDistribution | IntDistribution)
    which = "int" if isinstance(kind, IntDistribution) else "float"
    return Axis(name=name, kind=which, low=kind.low, high=kind.high, log=kind.log, step=kind.step)
