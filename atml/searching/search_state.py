"""The state of a search: its goal, its results, and the time left for trials."""

from __future__ import annotations

import time
from dataclasses import replace

from atml.searching import pruning
from atml.searching.finalist_time import reserve, typical
from atml.searching.plan import Plan
from atml.searching.progress import View
from atml.searching.search_options import Goal, Options
from atml.searching.study_spec import CODE, check_code, check_rules
from atml.storage import SPEC
from atml.training.records import Role, State, TrialRecord

PLATEAU = 50
"""Results without an improvement after which a search says how to end it, and again after as many more."""

LISTEN_S = 2.0
"""Seconds between two readings of whether a joined search is over."""


class SearchState:
    """What a process reads again and again of the study that it works on.

    ``end`` is a time of `time.monotonic`. With ``serve`` the process has joined a search, and stops when that
    search stops.
    """

    def __init__(
        self,
        plan: Plan,
        view: View,
        options: Options,
        *,
        workers: int,
        end: float | None,
        regions: bool,
        serve: bool = False,
    ) -> None:
        self._plan, self._view, self._options = plan, view, options
        self._workers = workers
        self._end_of_job = end
        self._deadline: float | None = None
        self._serve = serve
        self._read = -float("inf")
        self.goal = Goal(trials=options.trials, patience=options.patience, regions=regions)
        self.done = 0
        """Trials of the study with a result."""
        self.best: TrialRecord | None = None
        self._settled: frozenset[int] = frozenset()
        self._late = False
        self._said = 0
        self.stagnant = False
        """Whether none of the last ``patience`` results was an improvement; with patience 0 it never is."""

    def refresh(self) -> None:
        """Read the goal and the results, and compute how much time the finalists will need.

        Raises StudyError where the study is searched with other code or rules by now.
        """
        self._follow()
        records = self._plan.store.trials(self._plan.name)
        finished = [t for t in records if t.finished and t.role == Role.SEARCH]
        self.done = len(finished)
        self.best = max(
            (t for t in finished if t.state == State.COMPLETE and t.feasible),
            key=lambda t: t.value or 0.0,
            default=None,
        )
        self._since(finished)
        if self._end_of_job is not None:
            # One that has joined a search leaves the finalists to it.
            kept = 0.0 if self._serve else self._reserve(records)
            self._deadline = self._end_of_job - kept

    def settle(self, late: bool) -> bool:
        """Take note that the repeats of the trials so far are over; return whether more trials have time.

        ``late``: some were left out for lack of time. Time is kept then for the first export alone.
        """
        records = self._plan.store.trials(self._plan.name)
        self._settled, self._late = frozenset(t.number for t in records if t.finished), late
        self.refresh()
        if self._deadline is None or self.complete or self.stagnant:
            return False
        return time.monotonic() + typical(records) <= self._deadline

    @property
    def complete(self) -> bool:
        """Whether the study has as many trials with a result as its goal."""
        return self.done >= self.goal.trials

    def stop_now(self) -> bool:
        """Whether the time for trials is over, here or in the search that this process has joined."""
        if self._serve and time.monotonic() - self._read > LISTEN_S:
            self._follow()
        return self.over() or self._out_of_time()

    def called_off(self) -> bool:
        """Whether the joined search is over by now, read from the study; False in a search of its own."""
        if self._serve:
            self._follow()
        return self.over()

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def over(self) -> bool:
        """Whether the joined search had run out of time when the study was last read."""
        return self._serve and self.goal.over

    def left(self, seconds: float | None) -> float | None:
        """Return the seconds left for trials: ``seconds`` as estimated, or less up to the deadline."""
        if self._deadline is None:
            return seconds
        to_deadline = max(self._deadline - time.monotonic(), 0.0)
        return to_deadline if seconds is None else min(seconds, to_deadline)

    def _follow(self) -> None:
        """Read the goal of the study; raises StudyError for other code or rules than here."""
        plan = self._plan
        kept = plan.store.facts(plan.name)
        self._read = time.monotonic()
        check_code(plan.name, kept.get(CODE), plan.code)
        check_rules(plan.name, kept[SPEC], plan.rules)
        goal = Goal.of(kept) or self.goal
        if goal.over and not self._serve and not self._out_of_time():
            # Another search ran out of time, this one has not: the workers that joined continue for it.
            goal = replace(goal, over=False)
            goal.keep(plan.store, plan.name)
        if goal.trials != self.goal.trials:
            self._view.say(f"the goal of study {plan.name} is {goal.trials} trials now")
        self.goal = goal

    def _since(self, finished: list[TrialRecord]) -> None:
        """Count the results without an improvement; say so from `PLATEAU` on, and how to end the search."""
        ordered = sorted(finished, key=lambda t: (t.ended is None, t.ended, t.number))
        values = [t.value if t.state == State.COMPLETE and t.feasible else None for t in ordered]
        since, patience = pruning.since_improved(values), self.goal.patience
        self.stagnant = bool(patience) and since >= patience
        if since < PLATEAU:
            self._said = 0
        elif (
            since // PLATEAU > self._said and not self.stagnant and not self._serve and self.best is not None
        ):
            self._said = since // PLATEAU
            self._view.say(
                f"no better trial in the last {since} (best so far: trial {self.best.number}): to go"
                f" on to the finalists now, press Ctrl-C and run the same command with --trials {self.done}"
            )

    def _reserve(self, records: list[TrialRecord]) -> float:
        """Return the seconds that finalists and the first export will take."""
        plan = self._plan
        return reserve(
            records,
            plan.budget,
            self._options,
            folds=len(plan.folds),
            workers=self._workers,
            windows=len(plan.dataset),
            settled=self._settled,
            late=self._late,
        )
