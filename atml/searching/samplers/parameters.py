"""Where the parameters of a trial come from.

The first trials are reference draws: every parameter is drawn at random from the search space. After them a
multivariate, grouped TPE proposes. Each trial is marked with the source of its parameters before it has any,
because only reference draws are evidence about the space as a whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from atml import models
from atml.errors import InputError, TaskFileError
from atml.models.config import ModelConfig
from atml.searching.samplers.proposing import seed_of, tpe
from atml.storage.optuna_internals import trial_id
from atml.storage.trial_records import source_of
from atml.task_files.definition import TaskDefinition
from atml.training.records import ParameterSource

# It would print a line for every study.
optuna.logging.set_verbosity(optuna.logging.ERROR)

STARTUP = 15
"""Reference draws before TPE proposes."""


class MarkingSampler(BaseSampler):
    """Marks each trial with the source of its parameters, and leaves the rest to ``proposer``.

    The base of `SearchSampler` and `RegionSampler`. Reference draws are the first ``startup`` trials at
    least. They depend on ``study_seed``, the trial's number and the parameter's name alone, so several
    searches of one study draw the same values for the same trial, and different ones for different trials.
    """

    def __init__(self, proposer: BaseSampler, study_seed: int, startup: int) -> None:
        self._proposer = proposer
        self._study_seed = study_seed
        self._startup = startup

    def marks(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the user attributes that mark a new trial, the source of its parameters as "origin"."""
        raise NotImplementedError

    def reference_draws(self, study: optuna.Study, trial: FrozenTrial) -> int:
        """Count the reference draws of a study before a trial; failed ones are drawn again."""
        return sum(
            source_of(t) == ParameterSource.REFERENCE
            and t.number < trial.number
            and t.state != TrialState.FAIL
            for t in study.get_trials(deepcopy=False)
        )

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Mark the trial."""
        if source_of(trial) is None:
            for key, value in self.marks(study, trial).items():
                study._storage.set_trial_user_attr(trial_id(trial), key, value)
        self._proposer.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Inform the proposer."""
        self._proposer.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Reseed the proposer; reference draws have no state."""
        self._proposer.reseed_rng()


class SearchSampler(MarkingSampler):
    """Reference draws first, then TPE.

    ``seed`` is TPE's (see `tpe`), and the study's where ``study_seed`` is not given. Any other Optuna sampler
    can take the place of TPE as ``proposer``.
    """

    def __init__(
        self,
        seed: int,
        *,
        study_seed: int | None = None,
        startup: int = STARTUP,
        proposer: BaseSampler | None = None,
    ) -> None:
        super().__init__(proposer or tpe(seed), seed if study_seed is None else study_seed, startup)

    def marks(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return "reference" or "sampled" as the source."""
        drawn = self.reference_draws(study, trial)
        return {"origin": ParameterSource.REFERENCE if drawn < self._startup else ParameterSource.SAMPLED}

    def _is_sampled(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        source = source_of(trial) or self.marks(study, trial)["origin"]
        return bool(source == ParameterSource.SAMPLED)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the proposer's, none for reference draws: their parameters are drawn one at a time."""
        if not self._is_sampled(study, trial):
            return {}
        return self._proposer.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Propose several parameters jointly."""
        return self._proposer.sample_relative(study, trial, search_space) if search_space else {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter."""
        if self._is_sampled(study, trial):
            return self._proposer.sample_independent(study, trial, param_name, param_distribution)
        return reference_value(self._study_seed, study, trial, param_name, param_distribution)


def reference_value(
    study_seed: int,
    study: optuna.Study,
    trial: FrozenTrial,
    name: str,
    distribution: BaseDistribution,
    attempt: int = 0,
) -> Any:
    """Draw one parameter of a reference draw; ``attempt`` counts the rejected draws of this trial before it.

    Each parameter has its own random stream, so a requeued trial draws its missing parameters as before.
    """
    parts = (study_seed, trial.number, name, attempt) if attempt else (study_seed, trial.number, name)
    sampler = RandomSampler(seed=seed_of(*parts))
    return sampler.sample_independent(study, trial, name, distribution)


def from_params(suggest: Callable[[Any], Any], params: Mapping[str, Any]) -> Any:
    """Call a search space with fixed parameter values, without a study."""
    return suggest(optuna.trial.FixedTrial(dict(params)))


def within(suggest: Callable[[Any], Any], params: Mapping[str, Any]) -> Any:
    """Call a search space as `from_params` does; raise TaskFileError for a value outside its range."""
    trial = optuna.trial.FixedTrial(dict(params))
    with warnings.catch_warnings():
        # Optuna prints a warning for such a value, and goes on with it.
        warnings.simplefilter("ignore")
        made = suggest(trial)
    for name, kind in trial.distributions.items():
        if not kind._contains(kind.to_internal_repr(params[name])):
            ends = f"{getattr(kind, 'low', '')} to {getattr(kind, 'high', '')}"
            raise TaskFileError(f"{name} is {params[name]!r}, outside {ends}")
    return made


def portfolio(definition: TaskDefinition) -> tuple[ModelConfig, ...]:
    """Return the configs that a search space wants tried first, DEFAULT apart.

    Raises TaskFileError, with the number of the config, for one that the space can't make of its parameters,
    that does not fit the window, or that has a value outside its range.
    """
    made = []
    for number, params in enumerate(definition.portfolio, 1):
        try:
            config = within(definition.suggest, params)
            models.cost(config, definition.task)
        except InputError as error:
            raise TaskFileError(
                f"{definition.space_path}: PORTFOLIO, config {number}: "
                + str(error).removeprefix(f"{definition.space_path}: ")
            ) from error
        made.append(config)
    return tuple(made)
