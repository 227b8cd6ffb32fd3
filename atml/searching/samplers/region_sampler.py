"""Regions bind any Optuna sampler.

A config is drawn whole before the first of its parameters is handed out: the search space is called with a
draft, whose values come from the sampler, jointly where it proposes jointly, and one at a time else. Only
then is it known which parameters the config has, and so which boxes it lies in. In a rejected box it is
drawn again; where the sampler insists, a parameter that the box names is drawn from Q instead, until the
config lies in what is left. There is no dead end: a choice that leaves only rejected completions is part of
no config that is handed out.

What is queued bypasses samplers: `Bounds.hits` says which boxes a config lies in, so that one can warn.
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
from atml.searching.samplers.parameters import STARTUP, reference_value

MARKS = "regions"
"""User attribute of a trial: boxes "known" when it was drawn, and what it is "aimed" at."""

JOINT = 8
"""Proposals of the sampler that are tried before a proposal is mended."""

MENDED = 50
"""Times that one parameter for each box is drawn from Q before the whole config is."""

ENOUGH = 5000
"""Draws from Q after which nothing is taken to be left: of an open share of 1%, a chance of exp(-50)."""


class RegionSampler(BaseSampler):
    """Marks each trial with its origin, and keeps the sampled ones out of rejected regions.

    ``proposer`` is any Optuna sampler, ``suggest`` the search space, ``bounds()`` says where things stand; it
    is asked when a trial begins and when its config is drawn. Trials are "reference", "audit" or "sampled" as
    `Bounds.origin` says, "queued" where their values were given; the user attribute ``origin`` says which. A
    reference draw depends on ``study_seed``, the trial's number and the parameter's name, and on how many
    draws were spared before it: whoever asks gets the same.

    ``resampled`` counts the proposals thrown away so far, ``mended`` the configs that had to be mended.
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
        self._proposer = proposer
        self._suggest = suggest
        self._bounds = bounds
        self._seed = study_seed
        self._startup = startup
        self._plans: dict[int, dict[str, Any]] = {}
        self.resampled = 0
        self.mended = 0

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Mark the trial with what it is for."""
        if "origin" not in trial.user_attrs:
            bounds = self._bounds()
            origin, box = self._origin(study, trial, bounds)
            marks = {"known": bounds.known, **({"aimed": box.id} if box else {})}
            study._storage.set_trial_user_attr(trial._trial_id, MARKS, marks)
            study._storage.set_trial_user_attr(trial._trial_id, "origin", origin)
        self._proposer.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Leave everything to `sample_independent`: the plan is whole already."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose nothing here."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Hand out one value of the plan, which is made when the first is asked for."""
        plan = self._plans.get(trial._trial_id)
        if plan is None or any(n in plan and not same(plan[n], v) for n, v in trial.params.items()):
            plan = self._plans[trial._trial_id] = self._plan(study, trial)
        if param_name in plan and param_distribution._contains(
            param_distribution.to_internal_repr(plan[param_name])
        ):
            return plan[param_name]
        # A space that answers one way now and another way then.
        return self._proposer.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Forget the plan, and hand over to the proposer."""
        self._plans.pop(trial._trial_id, None)
        self._proposer.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Hand over to the proposer; reference draws have no state."""
        self._proposer.reseed_rng()

    # --- what a trial is for

    def _origin(self, study: optuna.Study, trial: FrozenTrial, bounds: Bounds) -> tuple[str, Box | None]:
        if trial.system_attrs.get("fixed_params"):
            return "queued", None
        drawn = sum(
            t.user_attrs.get("origin") == "reference"
            and t.number < trial.number
            and t.state != TrialState.FAIL
            for t in study.get_trials(deepcopy=False)
        )
        return bounds.origin(trial.number, drawn, self._startup)

    def _plan(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Draw a whole config, around the values that the trial has already."""
        given = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        # Read anew: it may have been marked after it was handed to us.
        attrs = study._storage.get_trial(trial._trial_id).user_attrs
        origin, bounds = attrs.get("origin"), self._bounds()
        if origin == "reference":
            return self._reference(study, trial, given, bounds)
        if origin == "audit":
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
        """Draw from Q, again where the draw is spared; a trial that was cut off gets the draw it had."""

        def drawn(attempt: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
            def value(axis: Axis) -> Any:
                return reference_value(self._seed, study, trial, axis.name, distribution(axis), attempt)

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
        rng = random.Random(f"{self._seed}/{number}/audit")
        params: dict[str, Any] = {}
        for _ in range(ENOUGH):
            params = self._drawn(lambda axis: axis.draw(rng), given)
            if box.contains(params):
                break
        return params

    def _sampled(
        self, study: optuna.Study, trial: FrozenTrial, given: Mapping[str, Any], bounds: Bounds
    ) -> dict[str, Any]:
        """Propose until a proposal keeps out of the rejected boxes, mend the last one, or draw from Q."""
        rng = random.Random(f"{self._seed}/{trial.number}/sampled")
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
            # One parameter for each box: the rest of what was learnt stays.
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
    """Return an axis as Optuna knows it."""
    if axis.kind == "categorical":
        return CategoricalDistribution(axis.choices)
    if axis.kind == "int":
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log, step=int(axis.step or 1))
    return FloatDistribution(axis.low, axis.high, log=axis.log, step=axis.step)


def _keeping(values: Mapping[str, Any], otherwise: Callable[[Axis], Any]) -> Callable[[Axis], Any]:
    """Take the values there are, where their parameter can have them."""

    def source(axis: Axis) -> Any:
        if axis.name in values and axis.contains(values[axis.name]):
            return values[axis.name]
        return otherwise(axis)

    return source
