"""One trial trained again by itself: the same config, seed and folds, and whether the same came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atml.errors import AtmlError, StudyError
from atml.searching import pruning
from atml.searching.plan import Plan
from atml.searching.progress import Progress, Running, phase
from atml.searching.trial_outcome import place
from atml.searching.workers.jobs import Job, Report, TrialJob
from atml.storage import Store
from atml.training import fingerprint
from atml.training.records import Measurement, TrialRecord


@dataclass(frozen=True)
class RerunComparison:
    """What was recorded and what came out now: values by step, then the value of the whole.

    ``differs`` says what else is not as it was when it was recorded: code, torch, device, processor.
    """

    trial: int
    steps: tuple[tuple[int, float, float | None], ...]
    value: tuple[float | None, float | None]
    differs: str

    @property
    def same(self) -> bool:
        """Whether every number is the same, bit for bit."""
        return all(alike(*pair) for pair in [*((before, now) for _, before, now in self.steps), self.value])


def alike(before: float | None, now: float | None) -> bool:
    """Whether two numbers have the same bits: those have the same digits."""
    return repr(before) == repr(now)


def rerunnable(store: Store, name: str, number: int) -> TrialRecord:
    """Return a trial that can be trained again.

    Raises StudyError for one that is not there, has not ended, failed, or was never trained.
    """
    records = store.trials(name)
    if not 0 <= number < len(records):
        held = f"trials 0 to {len(records) - 1}" if records else "none"
        raise StudyError(f"no trial {number} in study {name!r}; it has {held}")
    record = records[number]
    if record.state == "failed":
        why = record.failure or "its worker was lost"
        raise StudyError(f"trial {number} of study {name!r} failed and left nothing to compare with: {why}")
    if record.config is None or not record.result:
        why = record.state if not record.finished else "one that was given up before any training"
        raise StudyError(f"trial {number} of study {name!r} has no value to compare with: it is {why}")
    return record


class Rerun:
    """Source of one job: a trial of a study, trained anew. It writes nothing to the study."""

    def __init__(self, plan: Plan, record: TrialRecord) -> None:
        self._plan, self._record = plan, record
        self._given = False
        self._steps: dict[int, float] = {}
        self._measured: Measurement | None = None
        self.device = "cpu"

    @property
    def _last(self) -> int | None:
        """Step at which it was stopped; None where it went on to an end of its own."""
        ended_itself = self._record.constraints.keys() & {"diverged", "constant"}
        if self._record.result["finished"] or ended_itself:
            return None
        return max(self._recorded(), default=None)

    def _recorded(self) -> dict[int, float]:
        """Values by step, as recorded in the training that ended it.

        Steps after that one are of an earlier training on another machine, which got further. Repeats report
        no steps: of theirs the curves hold what each fold came to.
        """
        curves = self._record.result["curves"]
        reached = {
            pruning.step(fold, point[0]): point[2] for fold, curve in enumerate(curves) for point in curve
        }
        return {
            # At the end of a fold a trial reports all subjects so far, a curve that fold alone.
            step: self._record.steps.get(step, value)
            for step, value in reached.items()
            if step in self._record.steps or (step + 1) % pruning.POINTS
        }

    def next(self) -> Job | None:
        """Return the job, once."""
        if self._given:
            return None
        self._given = True
        assert self._record.config is not None
        return TrialJob(number=self._record.number, config=self._record.config, seed=self._record.seed)

    def more(self) -> bool:
        """One is all."""
        return False

    def waits(self) -> bool:
        """Nobody else does it."""
        return False

    def go_on(self, job: Job, report: Report) -> bool:
        """Stop where it was stopped."""
        step = pruning.step(report.fold, report.fraction)
        self._steps[step] = report.value
        return step != self._last

    def ended(self, job: Job, report: Report, device: str) -> None:
        """Take what came out; raises AtmlError where nothing did."""
        if report.measurement is None:
            why = report.text.strip().splitlines()[-1]
            raise AtmlError(f"trial {job.number} came to no value this time: its worker {why}")
        self._measured, self.device = report.measurement, device

    def requeue(self, job: Job) -> None:
        """Nothing was taken."""

    def stop_now(self) -> bool:
        """It has the time it needs."""
        return False

    def progress(self, running: tuple[Running, ...], elapsed: float) -> Progress:
        """Say where it stands."""
        return phase("again", int(self._measured is not None), 1, running, elapsed)

    def compared(self) -> RerunComparison:
        """Put side by side what was recorded and what came out."""
        assert self._measured is not None
        kept = self._record.result
        before = self._recorded()
        if self._record.role != "search":
            now = {
                pruning.step(fold, point[0]): point[2]
                for fold, curve in enumerate(self._measured.curves)
                for point in curve
            }
        else:
            now = self._steps
        return RerunComparison(
            trial=self._record.number,
            steps=tuple((step, before[step], now.get(step)) for step in sorted(before)),
            value=(kept["value"], self._measured.value),
            differs=self._differs(),
        )

    def _differs(self) -> str:
        """Say what is not as it was when the trial was recorded."""
        kept, here = self._record.result, place(self.device)
        if "code" not in kept:
            return "an earlier atml recorded it, and not what trained it"
        words = [fingerprint.differences(kept["code"], self._plan.code, "then", "now")]
        words += [
            f"{name} {was} then and {here.get(name)} now"
            for name, was in kept["place"].items()
            if here.get(name) != was
        ]
        return ", ".join(filter(None, words))


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
