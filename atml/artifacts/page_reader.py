"""What reads pictures of pages with an exported network."""

from __future__ import annotations

import numpy as np

from atml.arrays import Float32
from atml.artifacts.model import ExportedModel, Session
from atml.errors import ExportError
from atml.models.paper_config import PaperConfig
from atml.paper.reading import Reader
from atml.tasks.task import WAVEFORM


def reader_of(exported: ExportedModel) -> Reader:
    """Return what reads pictures with a network that was exported; raises ExportError for another kind."""
    if exported.task.kind != WAVEFORM or not isinstance(exported.config, PaperConfig):
        raise ExportError(
            f"{exported.path} is of task {exported.task.name!r}, which reads no leads off a page; give an"
            " export of atml search --task paper"
        )
    session = Session(exported.model)

    def maps(page: Float32) -> Float32:
        return session(np.ascontiguousarray(page, np.float32))

    return Reader(exported.config, maps)
