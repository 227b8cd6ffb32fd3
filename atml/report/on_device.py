"""What the winner takes on a board: its program, estimates of it, and what was written and checked of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from atml.artifacts.json_file import fields_of
from atml.device.boards import BOARDS, Board
from atml.device.estimate import Estimate, estimate
from atml.device.folder import FOLDER, REPORT
from atml.device.program import F32, Program
from atml.errors import AtmlError, in_one_line
from atml.models.budget import Budget
from atml.report.outcome import Outcome
from atml.report.study_contents import StudyContents

CONTEST_BOARDS = {"iesd2024": "2k0500", "iccad2022": "l432kc", "iccad2023": "l432kc"}
"""Boards that official rules measure latency on."""


class OnDevice:
    """The winner of a study on a board; what is missing is None, and ``why`` says so.

    Its program is that of the exported file. Where there is none it is that of the config before training:
    what a program costs depends on shapes alone.
    """

    def __init__(self, material: StudyContents, outcome: Outcome) -> None:
        self.material = material
        self.outcome = outcome

    @property
    def format(self) -> str:
        """Format of the weights that the study was searched for; float32 where it names none."""
        return Budget.of_spec(self.material.spec).format

    @property
    def board(self) -> Board | None:
        """The board that the study was searched for; None where it names none, or one that is not known."""
        return BOARDS.get(Budget.of_spec(self.material.spec).board)

    @property
    def shown(self) -> Board:
        """The board that stands first: the study's, else that of its task's contest, else any."""
        definition = self.material.definition
        contest = CONTEST_BOARDS.get("" if definition is None else definition.rule, next(iter(BOARDS)))
        return self.board or BOARDS[contest]

    @cached_property
    def _read(self) -> tuple[Program | None, str]:
        from atml.device import reading, untrained

        best, definition = self.material.best, self.material.definition
        exported, why = self.outcome.exported
        try:
            if exported is not None:
                return reading.read(exported.model, exported.config, exported.task), ""
            if best is None or best.config is None:
                return None, why
            if definition is None:
                return None, f"{why}, and {self.material.task_gone}"
            return untrained.program(best.config, definition.task), ""
        except AtmlError as error:
            return None, f"the network has no form on a device: {in_one_line(error)}"

    @property
    def program(self) -> Program | None:
        """What runs; None where ``why`` says why."""
        return self._read[0]

    @property
    def why(self) -> str:
        """Why there is no program, "" where there is one."""
        return self._read[1]

    @property
    def what(self) -> str:
        """Say which network it is."""
        exported, why = self.outcome.exported
        if exported is not None and exported.folder is not None:
            return f"the file of {exported.folder.name}"
        best = self.material.best
        number = "?" if best is None else best.number
        return f"trial {number} by the shapes of its config, for {why}"

    def estimate(self, board: Board, format: str | None = None) -> tuple[Estimate | None, str]:
        """Return what it takes on a board in a format, that of the study by default; or why there is none."""
        if self.program is None:
            return None, self.why
        try:
            return estimate(self.program, board, format or self.format), ""
        except AtmlError as error:
            return None, in_one_line(error)

    @cached_property
    def written(self) -> dict[str, Any]:
        """What the report.json of the export's ``device/`` says; {} where no C was written."""
        winner = self.material.winner
        return {} if winner is None else fields_of(winner.folder / FOLDER / REPORT)

    @property
    def outdated(self) -> bool:
        """Whether ``device/`` was written of another file than the export has now."""
        exported, model = self.outcome.exported[0], self.written.get("model")
        if exported is None or not isinstance(model, dict):
            return False
        return model.get("sha256") != exported.sha256

    @property
    def formats(self) -> list[str]:
        """Formats by name that anything is known of: float32, those judged out of fold, the study's."""
        source = self.outcome.source
        judged = list((source.figures.get("formats") or {}) if source is not None else {})
        return list(dict.fromkeys([F32, *judged, self.format]))
