"""Finding, loading and checking the files in ``search_spaces/`` and ``objectives/``."""

from atml.task_files.builtin import FOLDERS
from atml.task_files.definition import TaskDefinition, find, names

__all__ = ["FOLDERS", "TaskDefinition", "find", "names"]
