"""Tasks: what is decided, from what signal."""

from atml.tasks.task import Task

__all__ = ["Task"]
