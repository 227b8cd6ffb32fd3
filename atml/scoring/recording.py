"""Evaluations of test sets, recorded before any of their figures is shown."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from atml.artifacts.model import SCORES
from atml.data.dataset import Dataset
from atml.errors import ExportError, StudyError
from atml.formatting import utf8
from atml.scoring import carried
from atml.scoring.presentation import ScoreReport
from atml.scoring.rules import Judged


class Evaluations(Protocol):
    """Where evaluations of test sets are kept: `atml.storage.Store`."""

    def record(
        self,
        *,
        data_fingerprint: str,
        export_sha256: str,
        rule: str,
        result: dict[str, Any],
        subjects: Mapping[str, Sequence[str]],
    ) -> int:
        """Store an evaluation; return the number of evaluations of this test set, this one included.

        An earlier evaluation is of this test set if its fingerprint is the same, or if it included any of the
        ``subjects`` of a set of the same name.
        """

    def take_over(self, evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Add evaluations that were recorded elsewhere, once each."""

    def evaluations_of(
        self, data_fingerprint: str, subjects: Mapping[str, Sequence[str]]
    ) -> list[dict[str, Any]]:
        """Return the evaluations of a test set, as `take_over` adds them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pending:
    """A model judged on test data whose evaluation is not recorded yet; its figures must not be shown.

    ``judged`` holds its decisions, ``people`` the subjects by data set. ``left_out`` are subjects of the data
    who are not judged, as the model was trained on them.
    """

    report: ScoreReport
    judged: Judged
    people: Mapping[str, Sequence[str]]
    left_out: frozenset[str] = frozenset()

    def recorded(self, evaluations: Evaluations) -> ScoreReport:
        """Record the evaluation, then write the report beside the model.

        Raises ExportError where the model's folder can't be written, and StudyError where the evaluation
        can't be recorded.
        """
        return record([self], lambda: evaluations)[0]


def by_set(dataset: Dataset, *, several: bool) -> dict[str, list[str]]:
    """Return the subjects of each set by their names in that set; synthetic subjects are left out."""
    if dataset.synthetic:
        return {}
    names = sorted(set(dataset.subject.tolist()))
    if not several:
        return {dataset.name: names}
    found: dict[str, list[str]] = {}
    for name in names:
        place, who = name.split("/", 1)
        found.setdefault(place, []).append(who)
    return found


def record(pending: Sequence[Pending], evaluations: Callable[[], Evaluations]) -> list[ScoreReport]:
    """Record an evaluation for each of several models, and write each report beside its model.

    Every report is written to a temporary file before ``evaluations`` is called and anything is recorded.

    Raises ExportError where a folder can't be written; nothing is recorded then. Raises StudyError, which
    states how many evaluations were recorded, where one can't be.
    """
    with contextlib.ExitStack() as stack:
        temporary = [stack.enter_context(_temporary_report(one.report)) for one in pending]
        reports: list[ScoreReport] = []
        kept = evaluations()
        for one, file in zip(pending, temporary, strict=True):
            try:
                reports.append(_recorded(one.report, kept, one.people, file))
            except StudyError as error:
                if not reports:
                    raise
                raise StudyError(
                    f"{error}; {len(reports)} of {len(pending)} evaluations are on record, no figure shown"
                ) from error
        return reports


def _recorded(
    report: ScoreReport,
    evaluations: Evaluations,
    subjects: Mapping[str, Sequence[str]],
    temporary: Path | None,
) -> ScoreReport:
    """Record the evaluation, then move the report to its place.

    Evaluations that the export carries count too, and it carries this one from now on.
    """
    folder, fingerprint = report.exported.folder, report.data_fingerprint
    before = carried.numbered(folder, fingerprint)
    try:
        if known := carried.read(folder):
            evaluations.take_over(known)
    except ValueError as error:
        note = f"{error}: evaluations that it alone knew of are not counted"
        report = dataclasses.replace(report, notes=(*report.notes, note))
    if folder is None:
        note = "a file alone carries no count: only the evaluations of this database are known"
        report = dataclasses.replace(report, notes=(*report.notes, note))
    number = evaluations.record(
        data_fingerprint=report.data_fingerprint,
        export_sha256=report.exported.sha256,
        rule=report.score.rule,
        result={key: value for key, value in report.to_dict().items() if key != "look"},
        subjects=subjects,
    )
    report = dataclasses.replace(report, evaluation=max(number, before + 1))
    if temporary is None or folder is None:
        return report
    number = report.evaluation
    try:
        carried.write(folder, evaluations.evaluations_of(fingerprint, subjects))
        temporary.write_bytes(_json(report))
        file = _free(temporary.parent, report.score.rule, number)
        temporary.replace(file)
    except OSError as error:
        # The evaluation is recorded, so its figures are shown, with a note on the missing report.
        note = f"the report could not be written to {folder}: {error.strerror}"
        return dataclasses.replace(report, notes=(*report.notes, note))
    return dataclasses.replace(report, file=file)


@contextlib.contextmanager
def _temporary_report(report: ScoreReport) -> Iterator[Path | None]:
    """Write the report to a temporary file, to find a full disk or read-only folder before recording."""
    if report.exported.folder is None:
        yield None
        return
    scores = report.exported.folder / SCORES
    temporary: Path | None = None
    try:
        try:
            scores.mkdir(exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{report.score.rule}-", dir=scores)
            os.close(handle)
            temporary = Path(name)
            temporary.chmod(0o644)
            temporary.write_bytes(_json(report))
        except OSError as error:
            raise ExportError(f"{scores} can't be written: {error.strerror}; nothing was scored") from error
        yield temporary
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            scores.rmdir()  # fails, as it should, if there are reports of earlier evaluations


def _free(folder: Path, rule: str, number: int) -> Path:
    """Return a free file name for the evaluation: another database may have used the same number."""
    while (folder / f"{rule}-{number}.json").exists():
        number += 1
    return folder / f"{rule}-{number}.json"


def _json(report: ScoreReport) -> bytes:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    fields = {"at": now, **report.to_dict()}
    return utf8(json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
