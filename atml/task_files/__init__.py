"""Finding, loading and checking the files in ``search_spaces/`` and ``objectives/``."""

from atml.task_files.definition import FOLDERS, TaskDefinition, find, names

__all__ = ["FOLDERS", "TaskDefinition", "find", "names"]
