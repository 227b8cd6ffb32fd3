"""All that a report is made of: what is kept of a study, and what came of it."""

from __future__ import annotations

from functools import cached_property

from atml.report.on_device import OnDevice
from atml.report.outcome import Outcome
from atml.report.study_contents import StudyContents


class Material(StudyContents):
    """What is known of one study; each property is read when it is first asked for."""

    @cached_property
    def outcome(self) -> Outcome:
        """What came of the study, in figures and row by row."""
        return Outcome(self)

    @cached_property
    def device(self) -> OnDevice:
        """What the winner takes on a board."""
        return OnDevice(self, self.outcome)
