"""Reading pictures of pages with an exported network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atml.arrays import Float32
from atml.artifacts.model import ExportedModel, Session, load
from atml.errors import ExportError
from atml.models.paper_config import PaperConfig
from atml.paper.reading import Reader
from atml.tasks.task import WAVEFORM


def page_reader(export: Path) -> Reader:
    """Return what reads pictures with a network: an export folder of a task "waveform", or its ONNX file.

    Raises:
        ExportError: No export there, or one of another kind of task.
    """
    return reader_of(load(Path(export)))


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
