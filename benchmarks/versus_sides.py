"""The ways to search that `benchmarks/versus.py` compares, and one loop for all of them.

Every side asks its sampler for parameters of the same space, has them trained by the same function, and
spends the same seconds. What differs is where parameters come from and when a training is cut short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from atml import models
from atml.errors import ConfigError
from atml.models.config import ModelConfig
from atml.searching import pruning
from atml.searching.samplers.parameters import SearchSampler, from_params
from atml.task_files.definition import TaskDefinition
from atml.training.records import POINTS_KEPT, ReportPoint, points_to

FORMER = pruning.Schedule(
    ({0.25: 0.75, 0.5: 0.75, 0.75: 0.75, 1.0: 0.4}, {0.25: 0.75, 0.5: 0.75, 0.75: 0.75, 1.0: 0.75})
)
"""The schedule of atml before: a comparison at each report point."""

FINALISTS = 3
"""Trials that are trained again, DEFAULT beside them."""

FOR_TRIALS = 0.75
"""Share of the time that is left to trials where finalists are trained: repeats take a third of theirs."""

REFUSALS = 2000
"""Configs over the budget in a row after which a space counts as empty."""


@dataclass(frozen=True)
class How:
    """One way to search; with ``schedule`` it is atml's, which queues DEFAULT and rejects by constraint.

    ``ranks`` compares the AUC at the first point and ends what has learned nothing. ``default`` queues
    DEFAULT, which a schedule does too; ``remembers`` queues what earlier searches picked after it, in place
    of the portfolio of the space. With ``finalists`` the last quarter of the time trains DEFAULT and the best
    three trials again on fresh seeds, in rounds, and the pick is the best by those alone: what a search does,
    but for intervals.
    """

    name: str
    sampler: Callable[[int], BaseSampler]
    pruner: Callable[[], BasePruner] = NopPruner
    schedule: pruning.Schedule | None = None
    ranks: bool = False
    default: bool = False
    remembers: bool = False
    finalists: bool = False


PLAIN = "plain"
SIDES = {
    PLAIN: How("plain TPE", lambda seed: TPESampler(seed=seed)),
    "median": How("TPE, median pruner", lambda seed: TPESampler(seed=seed), MedianPruner),
    "random": How("random", lambda seed: RandomSampler(seed=seed)),
    "former": How("atml, former schedule", SearchSampler, schedule=FORMER),
    "atml": How("atml", SearchSampler, schedule=pruning.SCHEDULE, ranks=True),
    "finalists": How("atml, finalists", SearchSampler, schedule=pruning.SCHEDULE, ranks=True, finalists=True),
    "uncut": How("atml, nothing cut", SearchSampler, default=True),
    "seeded": How("plain TPE, DEFAULT first", lambda seed: TPESampler(seed=seed), default=True),
    "memory": How(
        "atml, earlier picks first", SearchSampler, schedule=pruning.SCHEDULE, ranks=True, remembers=True
    ),
}
"""What is compared, by the name that the command line takes; the first is what the others are set against."""


@dataclass(frozen=True)
class Trained:
    """How a training ended: ``worth`` is what its config is worth on average, where that is known.

    ``value`` is that of the folds it got through, ``whole`` says whether those were all.
    """

    value: float
    seconds: float
    whole: bool
    broken: dict[str, float]
    learned: bool
    worth: float = math.nan


Train = Callable[[dict[str, Any], ModelConfig, Callable[[ReportPoint], bool]], Trained]


@dataclass(frozen=True)
class Ending:
    """One trial: ``at`` is the second at which it ended, ``value`` is -inf where it is no candidate."""

    number: int
    params: dict[str, Any]
    value: float
    worth: float
    at: float
    seconds: float
    learned: bool


@dataclass
class Course:
    """One search: its trials in the order in which they ended."""

    side: str
    seconds: float
    trials: list[Ending] = field(default_factory=list)
    chosen: Ending | None = None
    """What fresh seeds chose in the end; its value is theirs."""

    def picks(self) -> list[Ending]:
        """Return the best candidate so far, after each trial that became it."""
        best: list[Ending] = []
        for trial in self.trials:
            if trial.value > (best[-1].value if best else -math.inf):
                best.append(trial)
        return best

    def pick(self, seconds: float) -> Ending | None:
        """Return the best candidate after ``seconds``, in the end the one that fresh seeds chose."""
        if self.chosen is not None and seconds >= self.seconds:
            return self.chosen
        found = [trial for trial in self.picks() if trial.at <= seconds]
        return found[-1] if found else None

    def until(self, figure: str, value: float) -> float:
        """Return when the pick's ``figure``, "value" or "worth", reaches ``value``, inf if never."""
        reached = (trial.at for trial in self.picks() if getattr(trial, figure) >= value)
        return min(reached, default=math.inf)

    @property
    def learned(self) -> float:
        """Share of its trials that learned something; 0 without trials."""
        return float(np.mean([t.learned for t in self.trials])) if self.trials else 0.0

    @property
    def wasted(self) -> float:
        """Seconds of the trials that learned nothing."""
        return sum(t.seconds for t in self.trials if not t.learned)


class Side:
    """One search of one side."""

    def __init__(
        self,
        how: How,
        definition: TaskDefinition,
        seed: int,
        memory: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.how, self.definition = how, definition
        self.study = optuna.create_study(direction="maximize", sampler=how.sampler(seed), pruner=how.pruner())
        if how.default or how.schedule is not None:
            self.study.enqueue_trial(dict(definition.default), user_attrs={"origin": "default"})
        if how.schedule is not None:
            for params in memory if how.remembers else definition.portfolio:
                self.study.enqueue_trial(dict(params), user_attrs={"origin": "portfolio"})
        self._peers = pruning.Peers()
        self._points: dict[int, tuple[float, float]] = {}
        self._cut = self._nothing = False

    def search(self, train: Train, seconds: float) -> Course:
        """Search for ``seconds`` of training; a trial that would end later is not counted."""
        course, spent, refused = Course(self.how.name, seconds), 0.0, 0
        trials_end = seconds * FOR_TRIALS if self.how.finalists else seconds
        while spent < trials_end:
            trial = self.study.ask()
            config = self.definition.suggest(trial)
            if broken := over(self.definition, config):
                refused += 1
                if refused > REFUSALS:
                    where = self.definition.space_path
                    raise SystemExit(f"{where}: {REFUSALS} configs in a row were over the budget")
                self._end(trial, None, broken)
                continue
            refused, self._points, self._cut, self._nothing = 0, {}, False, False
            trained = train(trial.params, config, partial(self._go_on, trial))
            spent += trained.seconds
            if spent > seconds:
                break
            value = self._judged(trial, trained)
            course.trials.append(
                Ending(
                    number=trial.number,
                    params=dict(trial.params),
                    value=-math.inf if value is None else value,
                    worth=trained.worth,
                    at=spent,
                    seconds=trained.seconds,
                    learned=trained.learned and not self._nothing,
                )
            )
        if self.how.finalists:
            course.chosen = self._chosen(course, train, spent)
        return course

    def _chosen(self, course: Course, train: Train, spent: float) -> Ending | None:
        """Train the finalists again, one round after another while there is time; return the best of them.

        None where there was no time for one round.
        """
        whole = sorted((t for t in course.trials if t.value > -math.inf), key=lambda t: -t.value)
        default = [trial for trial in whole if trial.number == 0]
        finalists = default + [trial for trial in whole if trial.number != 0][:FINALISTS]
        rounds: list[list[float]] = []
        while finalists:
            values = []
            for trial in finalists:
                config = from_params(self.definition.suggest, trial.params)
                trained = train(dict(trial.params), config, lambda _: True)
                spent += trained.seconds
                values.append(trained.value if trained.whole and not trained.broken else -math.inf)
                if spent > course.seconds:
                    break
            if spent > course.seconds:
                break
            rounds.append(values)
        if not rounds:
            return None
        means = np.mean(rounds, axis=0)
        return replace(finalists[int(np.argmax(means))], value=float(means.max()), at=course.seconds)

    def _go_on(self, trial: optuna.Trial, point: ReportPoint) -> bool:
        step = pruning.step(point.fold, point.fraction)
        schedule = self.how.schedule
        if schedule is None:
            trial.report(point.value, step)
            self._cut = trial.should_prune()
            return not self._cut
        self._points[step] = (point.auc, point.spread)
        trial.set_user_attr(POINTS_KEPT, points_to(self._points))
        trial.report(point.value, step)
        others = self.study.get_trials(deepcopy=False)
        if self.how.ranks:
            self._nothing = pruning.learned_nothing(point)
            held = not self._nothing and self._peers.allow(point, others, trial.number)
        else:
            peers = self._peers.at(step, others, trial.number)
            held = pruning.holds_up(point.value, step, peers, schedule)
        self._cut = not held
        return held

    def _judged(self, trial: optuna.Trial, trained: Trained) -> float | None:
        """Tell the study how a trial ended; return its value where it is a candidate."""
        if self.how.schedule is None:
            if "diverged" in trained.broken:
                self.study.tell(trial, state=TrialState.FAIL)  # as for an objective that returns NaN
                return None
            value = self._end(trial, None if self._cut and not trained.whole else trained.value, {})
            return value if trained.whole else None
        broken = {**trained.broken, **({"constant": 1.0} if self._nothing else {})}
        return self._end(trial, trained.value if trained.whole and not broken else None, broken)

    def _end(self, trial: optuna.Trial, value: float | None, broken: dict[str, float]) -> float | None:
        if self.how.schedule is not None:
            for name, excess in broken.items():
                trial.set_constraint(name, excess)
        self.study.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)
        return value


def over(definition: TaskDefinition, config: ModelConfig) -> dict[str, float]:
    """Return what of the budget a config exceeds; its shape, where it can't be built."""
    try:
        cost = models.cost(config, definition.task)
    except ConfigError:
        return {"shape": 1.0}
    excess = definition.budget.excess(cost, frozenset())
    return {name: more for name, more in excess.items() if more > 0}


def quarters(values: Sequence[float]) -> tuple[float, float, float]:
    """Return lower quartile, median and upper quartile, each one of the values: infinity has no middle.

    Of five values they are the second, the third and the fourth.
    """
    low, middle, high = np.quantile(np.asarray(values), (0.25, 0.5, 0.75), method="inverted_cdf")
    return float(low), float(middle), float(high)


def quartiles(values: Sequence[float], digits: int = 2) -> str:
    """Write the median, and the quartiles in brackets; "never" for infinity, a dash for minus infinity."""
    low, middle, high = quarters(values)
    words = {math.inf: "never", -math.inf: "-"}
    said = [words.get(value, f"{value:.{digits}f}") for value in (low, middle, high)]
    return f"{said[1]} ({said[0]} to {said[2]})"
