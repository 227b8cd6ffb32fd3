"""A sampler that keeps any other Optuna sampler out of rejected regions.

A config is drawn whole before its first parameter is returned: the search space is called with a draft, whose
values come from the proposer, jointly where it proposes jointly. Only then is it known which parameters the
config has, and so which boxes it lies in. A config in a rejected box is drawn again. Where the proposer
repeats itself, parameters that the box names are drawn from Q instead, until the config lies outside. So a
choice of which every completion is rejected ends no search.

Queued parameters bypass samplers: `Bounds.hits` returns the boxes that they lie in, for a warning.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from atml.regions.bounds import SUSPECT_RATE, Bounds
from atml.regions.box import Box
from atml.regions.space import Axis, Draft
from atml.regions.values import same
from atml.searching.samplers.parameters import STARTUP, MarkingSampler, reference_value
from atml.storage.optuna_internals import trial_id
from atml.training.records import ParameterSource

MARKS = "regions"
"""User attribute of a trial: how many boxes were "known" when it was drawn, and which it is "aimed" at."""

JOINT = 8
"""Proposals that are tried before one is mended."""

MENDED = 50
"""Times that one parameter for each box is drawn from Q, before whole configs are."""

ENOUGH = 5000
"""Draws from Q after which the search space counts as closed; were 1% open, the chance is exp(-50)."""


class RegionSampler(MarkingSampler):
    """Keeps sampled trials out of rejected regions.

    ``proposer`` is any Optuna sampler, ``suggest`` the search space. ``bounds()`` returns the bounds of the
    regions now; it is called when a trial begins and when its config is drawn. Trials are "reference",
    "audit" or "sampled" as `Bounds.origin` returns, or "queued" where their values were given. Reference
    draws in rejected regions are drawn again as `Bounds.spared` says.

    ``resampled`` counts the rejected proposals so far, ``mended`` the configs with parameters from Q.
    """

    def __init__(
        self,
        proposer: BaseSampler,
        suggest: Callable[[Any], Any],
        bounds: Callable[[], Bounds],
        *,
        study_seed: int,
        startup: int = STARTUP,
    ) -> None:
        super().__init__(proposer, study_seed, startup)
        self._suggest = suggest
        self._bounds = bounds
        self._plans: dict[int, dict[str, Any]] = {}
        self.resampled = 0
        self.mended = 0

    def marks(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the source of the trial's parameters, the boxes known now, and the box that it audits."""
        bounds, box = self._bounds(), None
        origin = ParameterSource.QUEUED
        if not trial.system_attrs.get("fixed_params"):
            drawn = self.reference_draws(study, trial)
            origin, box = bounds.origin(trial.number, drawn, self._startup)
        return {MARKS: {"known": bounds.known, **({"aimed": box.id} if box else {})}, "origin": origin}

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return none: `sample_independent` returns every parameter from the plan."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return none."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one value of the plan, which is made at the first call."""
        plan = self._plans.get(trial_id(trial))
        if plan is None or any(n in plan and not same(plan[n], v) for n, v in trial.params.items()):
            plan = self._plans[trial_id(trial)] = self._plan(study, trial)
        if param_name in plan and param_distribution._contains(
            param_distribution.to_internal_repr(plan[param_name])
        ):
            return plan[param_name]
        # The search space asks for other parameters than it did for the draft.
        return self._proposer.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the plan, and inform the proposer."""
        self._plans.pop(trial_id(trial), None)
        super().after_trial(study, trial, state, values)

    def _plan(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Draw a whole config; values that the trial has already stay."""
        given = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        # Read anew, since ``trial`` may have been read before it was marked.
        attrs = study._storage.get_trial(trial_id(trial)).user_attrs
        origin, bounds = attrs.get("origin"), self._bounds()
        if origin == ParameterSource.REFERENCE:
            return self._reference(study, trial, given, bounds)
        if origin == ParameterSource.AUDIT:
            aimed = attrs.get(MARKS, {}).get("aimed")
            for box in (*bounds.closed, *bounds.imported):
                if box.id == aimed:
                    return self._inside(box, trial.number, given)
        return self._sampled(study, trial, given, bounds)

    # --- drawing

    def _drawn(self, source: Callable[[Axis], Any], given: Mapping[str, Any]) -> dict[str, Any]:
        draft = Draft(source, given)
        self._suggest(draft)
        return draft.params

    def _reference(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Any], bounds: Bounds
    ) -> dict[str, Any]:
        """Draw from Q, again while `Bounds.spared` is true; a requeued trial gets the draw that it had."""

        def drawn(attempt: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
            def value(axis: Axis) -> Any:
                return reference_value(self._study_seed, study, trial, axis.name, distribution(axis), attempt)

            return self._drawn(value, given or {})

        if given:
            for attempt in range(MENDED):
                params = drawn(attempt)
                if all(n in params and same(params[n], v) for n, v in given.items()):
                    return params
            return drawn(0, given)
        for attempt in range(ENOUGH):
            params = drawn(attempt)
            if not bounds.spared(params):
                return params
        return drawn(0)

    def _inside(self, box: Box, number: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Draw from Q inside a box."""
        rng = random.Random(f"{self._study_seed}/{number}/audit")
        params: dict[str, Any] = {}
        for _ in range(ENOUGH):
            params = self._drawn(lambda axis: axis.draw(rng), given)
            if box.contains(params):
                break
        return params

    def _sampled(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Any], bounds: Bounds
    ) -> dict[str, Any]:
        """Propose until a config avoids the rejected boxes; else mend the last one; else draw from Q."""
        rng = random.Random(f"{self._study_seed}/{trial.number}/sampled")
        params: dict[str, Any] = {}

        def passes() -> bool:
            if not bounds.hits(params) and (not bounds.slows(params) or rng.random() < SUSPECT_RATE):
                return True
            self.resampled += 1
            return False

        for _ in range(JOINT):
            params = self._proposed(study, trial, given)
            if passes():
                return params
        self.mended += 1
        for _ in range(MENDED):
            around = [box for box in (*bounds.closed, *bounds.slowed) if box.contains(params)]
            # One parameter for each box; the rest of the proposal stays.
            named = {rng.choice(box.names) for box in around}
            kept = {name: value for name, value in params.items() if name not in named}
            params = self._drawn(_keeping(kept, lambda axis: axis.draw(rng)), given)
            if passes():
                return params
        for _ in range(ENOUGH):
            params = self._drawn(lambda axis: axis.draw(rng), given)
            if not bounds.hits(params):
                return params
        return params

    def _proposed(self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Any]) -> dict[str, Any]:
        """Ask the proposer for a whole config."""
        joint = self._proposer.infer_relative_search_space(study, trial)
        proposal = self._proposer.sample_relative(study, trial, joint)

        def alone(axis: Axis) -> Any:
            kind = distribution(axis)
            if kind.single():
                return axis.choices[0] if axis.kind == "categorical" else axis.low
            return self._proposer.sample_independent(study, trial, axis.name, kind)

        return self._drawn(_keeping(proposal, alone), given)


def distribution(axis: Axis) -> BaseDistribution:
    """Return an axis as a distribution of Optuna."""
    if axis.kind == "categorical":
        return CategoricalDistribution(axis.choices)
    if axis.kind == "int":
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def _keeping(values: Mapping[str, Any], otherwise: Callable[[Axis], Any]) -> Callable[[Axis], Any]:
    """Prefer given ``values``, where the range of their parameter contains them."""

    def source(axis: Axis) -> Any:
        if axis.name in values and axis.contains(values[axis.name]):
            return values[axis.name]
        return otherwise(axis)

    return source
