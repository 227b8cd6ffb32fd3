"""The parameters of a search: what each was drawn from, and how much it mattered."""

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
"""Fewest trials for importances: the best tenth counts as good, and Optuna needs five good ones."""

MOST = 1500
"""Most trials for importances, since they take time; of more, some are chosen evenly along their ranking."""

RARE = 5
"""Fewest trials of the best tenth with a parameter, so that no single trial decides its importance."""


def axes(store: Store, study: str) -> dict[str, Axis]:
    """Return the range of every parameter of any trial, in the order in which they were asked for."""
    found: dict[str, Axis] = {}
    with store.errors():
        trials = store.study(study).get_trials(deepcopy=False)
    for trial in trials:
        for name, kind in trial.distributions.items():
            if name not in found:
                found[name] = _axis(name, kind)
    return found


def importances(store: Store, study: str, values: Mapping[int, float]) -> dict[str, float]:
    """Return how much each parameter separates the best tenth of ``values``, by trial number, from the rest.

    Computed by PED-ANOVA (Watanabe, Bansal and Hutter 2023), which allows for parameters that some trials
    lack. The largest importance is first, and they sum to 1. Parameters of fewer than `RARE` trials of the
    best tenth are left out. Empty with fewer than `LEAST` values, or where all are the same.
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
    # Optuna counts complete trials only, so pruned ones are entered as complete.
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
