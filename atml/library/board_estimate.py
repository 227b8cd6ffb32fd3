"""An export or a trial on a board: what it takes there, and what a contest's rule awards for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atml.artifacts.json_file import fields_of
from atml.artifacts.model import METRICS, load
from atml.device import reading, untrained
from atml.device.boards import Board
from atml.device.estimate import Estimate, estimate
from atml.device.folder import written_format
from atml.device.program import F32, Program
from atml.errors import ExportError, InputError, in_one_line
from atml.metrics import Counts, prediction_counts
from atml.report.study_contents import StudyContents
from atml.scoring.official_total import OfficialTotal, data_in_words, official_total, tables_of
from atml.scoring.rules.awarded import CONTESTS
from atml.storage import Store
from atml.tasks.task import Task


@dataclass(frozen=True)
class Subject:
    """What is estimated.

    Attributes:
        name: How sentences name it.
        program: What runs.
        task: Its task.
        tables: Counts by subject of each repeat, out of fold, by the format of the weights; empty for a trial
            without export.
        unqualified: What it lacks of its objective's gate, in words.
        data: What it was trained and judged on, in words.
        format: Format of the C that lies in an export's ``device/``; None where none does.
    """

    name: str
    program: Program
    task: Task
    tables: Mapping[str, tuple[Counts, ...]] = field(default_factory=dict)
    unqualified: tuple[str, ...] = ()
    data: str = ""
    format: str | None = None


@dataclass(frozen=True)
class OnBoard:
    """An estimate and the points that the official rule awards for it.

    Attributes:
        subject: What was estimated.
        estimate: What it takes.
        official: What the rule awards, beside its leaderboard; None for a rule without points for speed and
            size.
    """

    subject: Subject
    estimate: Estimate
    official: OfficialTotal | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return {
            "what": self.subject.name,
            "task": self.subject.task.name,
            "unqualified": list(self.subject.unqualified),
            **self.estimate.to_dict(),
            **({"rule": None, "total": None} if self.official is None else self.official.to_dict()),
        }


def of_export(path: Path) -> Subject:
    """Return an export folder or an ONNX file of atml; raises ExportError for anything else, or damage."""
    model = load(path)
    tables: dict[str, tuple[Counts, ...]] = {}
    if model.folder is not None:
        file = model.folder / METRICS
        try:
            tables = tables_of(fields_of(file))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ExportError(f"{file} is damaged ({in_one_line(error)}): export the model again") from error
    program = reading.read(model.model, model.config, model.task)
    data = data_in_words(model.synthetic, model.data_name)
    form = written_format(model)
    return Subject(str(path), program, model.task, tables, model.unqualified, data, form)


def of_trial(storage: str, study: str | None, number: int | None) -> Subject:
    """Return a trial of a study, its export where there is one; None for the best trial.

    Of a trial without one the figures are those of its own predictions, as trained, where the data of the
    study can be opened: they helped to pick it, so they flatter it.

    Raises:
        InputError: no such study or trial, or a trial without a config.
    """
    from atml import task_files
    from atml.searching.leaderboard import entries

    store = Store(storage, create=False)
    assert study is not None
    records = store.trials(study)
    ranking = entries(store.facts(study), records, store.exports(study))
    if number is None:
        if not ranking:
            raise InputError(f"study {study!r} has no trial that ran over every fold yet; name an export")
        number = ranking[0].number
    found = next((one for one in ranking if one.number == number), None)
    if found is not None and found.folder is not None:
        return of_export(found.folder)
    record = next((one for one in records if one.number == number), None)
    if record is None or record.config is None:
        raise InputError(
            f"study {study!r} has no trial {number} with a network; it has {len(records)} trials"
        )
    contents = StudyContents(store, study)
    spec, kept = contents.spec, contents.definition
    task = (kept or task_files.find(str(spec["task"]), window=spec.get("window"))).task
    tables: dict[str, tuple[Counts, ...]] = {}
    if (
        record.state == "complete"
        and task.positive is not None
        and (found_again := contents.predictions(number))
    ):
        _, one = found_again
        tables = {F32: (prediction_counts(one),)}
        tables |= {name: (prediction_counts(one.in_format(name)),) for name in one.quantised}
    program = untrained.program(record.config, task)
    return Subject(
        f"trial {number} of study {study!r}",
        program,
        task,
        tables,
        data=f"{data_in_words(spec['synthetic'], spec['data_name'])}, which helped to pick it",
    )


def on_board(
    subject: Subject,
    board: str | Board,
    *,
    format: str | None = None,
    compiler: str = "zig",
    rule: str | None = None,
) -> OnBoard:
    """Estimate a subject on a board; ``rule`` names the official rule, by default its task's.

    ``format`` is by default that of the C which lies beside an export, else that of its file.

    Raises:
        InputError: no such board, format or compiler.
        ExportError: a ``rule`` for another kind of task.
    """
    found = estimate(subject.program, board, format or subject.format, compiler=compiler)
    named = rule or _rule_of(subject.task)
    if named not in CONTESTS:
        return OnBoard(subject, found, None)
    CONTESTS[named].fits(subject.task)
    # Exports of earlier versions have the figures of the weights as they were trained.
    tables = subject.tables.get(found.format) or subject.tables.get(F32, ())
    return OnBoard(subject, found, official_total(named, tables, found.ms, found.flash_kib, subject.data))


def _rule_of(task: Task) -> str | None:
    from atml import task_files
    from atml.errors import TaskFileError

    try:
        return task_files.find(task.name).rule
    except TaskFileError:  # an export travels further than the files of its task
        return None
