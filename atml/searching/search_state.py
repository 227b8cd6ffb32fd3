"""Where a search stands: its goal, its results, and how much time is left for trials."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from atml.searching import pruning
from atml.searching.plan import CODE, Plan, same_code, same_rules
from atml.searching.progress import View
from atml.searching.search_options import Goal, Options
from atml.training.records import TrialRecord

LISTEN_S = 2.0
"""Seconds between two looks at whether the search that one serves is over."""


class SearchState:
    """What is read of a study, again and again, by one who works on it; ``end`` is of `time.monotonic`.

    One who is to ``serve`` somebody else's search ends with it.
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
        self.stagnant = False
        """Whether the last ``patience`` results brought no better value; 0 switches that off."""

    def refresh(self) -> None:
        """Read what is finished and where the study is to get to, and when the finalists need their time.

        Raises StudyError where the study went on with other code than runs here.
        """
        self._follow()
        records = self._plan.store.trials(self._plan.name)
        finished = [t for t in records if t.finished and t.role == "search"]
        self.done = len(finished)
        self.best = max(
            (t for t in finished if t.state == "complete" and t.feasible),
            key=lambda t: t.value or 0.0,
            default=None,
        )
        self.stagnant = self._no_better(finished)
        if self._end_of_job is not None:
            self._deadline = self._end_of_job - self._reserve(finished)

    def stop_now(self) -> bool:
        """Whether the time for trials is over, or that of the search which this process works for."""
        if self._serve and time.monotonic() - self._read > LISTEN_S:
            self._follow()
        return self.over() or self._out_of_time()

    def called_off(self) -> bool:
        """Whether the search that this process serves is over by now; costs nothing where it serves none."""
        if self._serve:
            self._follow()
        return self.over()

    def _out_of_time(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def over(self) -> bool:
        """Whether the search that this process serves has run out of time."""
        return self._serve and self.goal.over

    def left(self, seconds: float | None) -> float | None:
        """Return the seconds left for trials: ``seconds`` at the present pace, or up to the deadline."""
        if self._deadline is None:
            return seconds
        to_deadline = max(self._deadline - time.monotonic(), 0.0)
        return to_deadline if seconds is None else min(seconds, to_deadline)

    def _follow(self) -> None:
        """Read where the study is to get to; raises StudyError where it went on by other code or rules."""
        plan = self._plan
        kept = plan.store.facts(plan.name)
        self._read = time.monotonic()
        same_code(plan.name, kept.get(CODE), plan.code)
        same_rules(plan, kept)
        goal = Goal.of(kept) or self.goal
        if goal.over and not self._serve and not self._out_of_time():
            # Another search ran out of time. This one did not, and the workers are its own now.
            goal = replace(goal, over=False)
            goal.keep(plan.store, plan.name)
        if goal.trials != self.goal.trials:
            self._view.say(f"study {plan.name} is to have {goal.trials} trials now")
        self.goal = goal

    def _no_better(self, finished: list[TrialRecord]) -> bool:
        patience = self.goal.patience
        if not patience or len(finished) < patience:
            return False
        ordered = sorted(finished, key=lambda t: (t.ended is None, t.ended, t.number))
        values = [t.value if t.state == "complete" and t.feasible else None for t in ordered]
        return pruning.since_improved(values) >= patience

    def _reserve(self, finished: list[TrialRecord]) -> float:
        """Seconds that the finalists and exports will take, half of the time given at most; 0 without any."""
        whole = [t.result["wall_s"] for t in finished if t.state == "complete"]
        if not whole:
            return 0.0
        # Repeats run every fold; a final training costs about one fold and a quarter.
        jobs = self._options.finalists * (self._options.repeats + 1.25 / len(self._plan.folds))
        assert self._options.timeout is not None
        return float(min(statistics.median(whole) * jobs / self._workers, self._options.timeout / 2))
