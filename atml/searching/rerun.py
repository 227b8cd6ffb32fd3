"""One trial trained again with the same config, seed and folds, and compared with its record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from atml.errors import AtmlError, StudyError
from atml.searching import pruning
from atml.searching.plan import Plan
from atml.searching.progress import Progress, Running, phase
from atml.searching.trial_outcome import place
from atml.searching.workers.dispatch import JobSource
from atml.searching.workers.jobs import Job, Report, TrialJob
from atml.storage import Store
from atml.training import fingerprint
from atml.training.records import Measurement, Role, State, TrialRecord


@dataclass(frozen=True)
class RerunComparison:
    """Recorded and new values: ``(step, recorded, new)`` by step, ``(recorded, new)`` of the trial.

    ``differs`` lists in words what else differs from the time of the record: code, torch, device, processor.
    """

    trial: int
    steps: tuple[tuple[int, float, float | None], ...]
    value: tuple[float | None, float | None]
    differs: str

    @property
    def same(self) -> bool:
        """Whether all values are the same, bit for bit."""
        return all(alike(*pair) for pair in [*((before, now) for _, before, now in self.steps), self.value])


def alike(before: float | None, now: float | None) -> bool:
    """Whether two numbers have the same bits, which is so where all their digits are the same."""
    return repr(before) == repr(now)


def rerunnable(store: Store, name: str, number: int) -> TrialRecord:
    """Return a trial that can be trained again.

    Raises StudyError for one that does not exist, has not ended, failed, or was never trained.
    """
    records = store.trials(name)
    if not 0 <= number < len(records):
        held = f"trials 0 to {len(records) - 1}" if records else "none"
        raise StudyError(f"no trial {number} in study {name!r}; it has {held}")
    record = records[number]
    if record.state == State.FAILED:
        why = record.failure or "its worker was lost"
        raise StudyError(
            f"trial {number} of study {name!r} failed and recorded nothing to compare with: {why}"
        )
    if record.config is None or not record.result:
        why = record.state if not record.finished else "one that was stopped before any training"
        raise StudyError(f"trial {number} of study {name!r} has no value to compare with: it is {why}")
    return record


class Rerun(JobSource):
    """Source of one job: a trial of a study, trained again. It writes nothing to the study."""

    def __init__(self, plan: Plan, record: TrialRecord) -> None:
        self._plan, self._record = plan, record
        self._given = False
        self._steps: dict[int, float] = {}
        self._measured: Measurement | None = None
        self.device = "cpu"

    @property
    def _last(self) -> int | None:
        """Step at which the trial was stopped; None where it was not."""
        if self._record.result["finished"] or "diverged" in self._record.constraints:
            return None
        return max(self._recorded(), default=None)

    def _recorded(self) -> dict[int, float]:
        """Return the values by step of the training that ended the trial.

        Later steps are of an earlier training on another machine, which got further before it was requeued.
        Repeats report no steps; theirs are taken from the curves, which hold the value of each fold.
        """
        return {
            # At the end of a fold a trial reports the value of all subjects so far, a curve of that fold
            # alone.
            step: self._record.steps.get(step, value)
            for step, value in _by_step(self._record.result["curves"]).items()
            if step in self._record.steps or (step + 1) % pruning.POINTS
        }

    def next(self) -> Job | None:
        """Return the job, once."""
        if self._given:
            return None
        self._given = True
        assert self._record.config is not None
        board = None if self._record.cost is None else self._record.cost.board
        return TrialJob(
            number=self._record.number, config=self._record.config, seed=self._record.seed, board=board
        )

    def go_on(self, job: Job, report: Report) -> bool:
        """Stop at the step at which the trial was stopped."""
        step = pruning.step(report.fold, report.fraction)
        self._steps[step] = report.value
        return step != self._last

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Take the measurement; raises AtmlError where there is none."""
        if report.measurement is None:
            raise AtmlError(f"trial {job.number} has no value this time: {report.reason}")
        self._measured, self.device = report.measurement, device

    def requeue(self, job: Job) -> None:
        """Do nothing: the study does not know of the job."""

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Return whether the job is done."""
        return phase("again", int(self._measured is not None), 1, running, elapsed)

    def compared(self) -> RerunComparison:
        """Return recorded and new values side by side."""
        assert self._measured is not None
        before = self._recorded()
        now = self._steps if self._record.role == Role.SEARCH else _by_step(self._measured.curves)
        return RerunComparison(
            trial=self._record.number,
            steps=tuple((step, before[step], now.get(step)) for step in sorted(before)),
            value=(self._record.value, self._measured.out_of_fold),
            differs=self._differs(),
        )

    def _differs(self) -> str:
        """List in words what differs from the time of the record."""
        kept, here = self._record.result, place(self.device)
        if "code" not in kept:
            return "an earlier atml recorded it, without the code that trained it"
        words = [fingerprint.differences(kept["code"], self._plan.code, "then", "now")]
        words += [
            f"{name} {was} then and {here.get(name)} now"
            for name, was in kept["place"].items()
            if here.get(name) != was
        ]
        return ", ".join(filter(None, words))


def _by_step(curves: Iterable[Iterable[Sequence[float]]]) -> dict[int, float]:
    """Return the held-out values of learning curves, by step."""
    return {pruning.step(fold, point[0]): point[2] for fold, curve in enumerate(curves) for point in curve}


def rows(compared: RerunComparison) -> dict[str, Any]:
    """Return a comparison as JSON types."""
    steps = [
        {
            "fold": step // pruning.POINTS,
            "fraction": pruning.FRACTIONS[step % pruning.POINTS],
            "recorded": before,
            "now": now,
            "same": alike(before, now),
        }
        for step, before, now in compared.steps
    ]
    recorded, now = compared.value
    return {
        "trial": compared.trial,
        "steps": steps,
        "recorded": recorded,
        "now": now,
        "value_same": alike(recorded, now),
        "same": compared.same,
        "differs": compared.differs,
    }
