"""Where the parameters of a trial come from.

The first trials are reference draws: every parameter drawn at random from the declared space. After
them a multivariate, grouped TPE proposes. Each trial is marked with where it came from when it is asked
for, because only reference draws can speak for the space as a whole.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

# It would tell of every study on the terminal.
optuna.logging.set_verbosity(optuna.logging.ERROR)

STARTUP = 15
"""Reference draws before TPE proposes."""


class SearchSampler(BaseSampler):
    """Reference draws first, then TPE, each trial marked in its user attribute ``origin``.

    A reference draw depends on ``study_seed`` (``seed`` where it is not given), the trial's number and the
    parameter's name alone: it is the same whoever asks, and several searches of one study draw apart.
    Any other Optuna sampler can take TPE's place as ``proposer``. ``seed`` is TPE's; see `tpe`.
    """

    def __init__(
        self,
        seed: int,
        *,
        study_seed: int | None = None,
        startup: int = STARTUP,
        proposer: BaseSampler | None = None,
    ) -> None:
        self._study_seed = seed if study_seed is None else study_seed
        self._startup = startup
        self._proposer = proposer or tpe(seed)

    def origin(self, study: optuna.Study, trial: FrozenTrial) -> str:
        """Say "default" for a queued trial, else "reference" or "sampled"; the first answer stays."""
        known = trial.user_attrs.get("origin")
        if known is not None:
            return str(known)
        drawn = sum(
            t.user_attrs.get("origin") == "reference"
            and t.number < trial.number
            and t.state != TrialState.FAIL
            for t in study.get_trials(deepcopy=False)
        )
        return "reference" if drawn < self._startup else "sampled"

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Leave reference draws to `sample_independent`, one parameter at a time."""
        if self.origin(study, trial) != "sampled":
            return {}
        return self._proposer.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose the joint part."""
        return self._proposer.sample_relative(study, trial, search_space) if search_space else {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter."""
        if self.origin(study, trial) == "sampled":
            return self._proposer.sample_independent(study, trial, param_name, param_distribution)
        return reference_value(self._study_seed, study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Mark the trial with its origin."""
        if "origin" not in trial.user_attrs:
            study._storage.set_trial_user_attr(trial._trial_id, "origin", self.origin(study, trial))
        self._proposer.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Hand over to the proposer."""
        self._proposer.after_trial(study, trial, state, values)


def reference_value(
    study_seed: int,
    study: optuna.Study,
    trial: FrozenTrial,
    name: str,
    distribution: BaseDistribution,
    attempt: int = 0,
) -> Any:
    """Draw one parameter of a reference draw; ``attempt`` counts the draws that this one takes the place of.

    One stream for each parameter: a trial that goes on where it was cut off draws the rest as it would have.
    """
    parts = (study_seed, trial.number, name, attempt) if attempt else (study_seed, trial.number, name)
    sampler = RandomSampler(seed=_seed(*parts))
    return sampler.sample_independent(study, trial, name, distribution)


def _seed(*parts: object) -> int:
    """Make 32 bits of what names a draw."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:4], "big")


class _ByNumber(TPESampler):
    """TPE whose random state is that of the trial it proposes for.

    So a search that was cut off proposes as it would have, and two that work on one study do not propose the
    same: they never propose for the same trial.
    """

    def __init__(self, seed: int, **how: Any) -> None:
        super().__init__(seed=seed, **how)
        self._seed = seed

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Take up the random state of this trial."""
        self._rng.rng.seed(_seed(self._seed, trial.number, "tpe"))
        self._random_sampler._rng.rng.seed(_seed(self._seed, trial.number, "random"))
        super().before_trial(study, trial)


def tpe(seed: int) -> TPESampler:
    """Return the sampler that proposes after the reference draws."""
    with warnings.catch_warnings():
        # `group` is what conditional spaces need; Optuna still calls it experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _ByNumber(seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=10)


def from_params(suggest: Callable[[Any], Any], params: Mapping[str, Any]) -> Any:
    """Call a search space with fixed parameter values, without a study."""
    return suggest(optuna.trial.FixedTrial(dict(params)))


def draws(suggest: Callable[[Any], Any], count: int, seed: int) -> list[tuple[dict[str, Any], Any]]:
    """Draw ``count`` random ``(parameters, what suggest made of them)`` from a search space."""
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    drawn = []
    for _ in range(count):
        trial = study.ask()
        made = suggest(trial)
        drawn.append((dict(trial.params), made))
        study.tell(trial, state=TrialState.FAIL)
    return drawn
