"""Where the built-in task files lie, and the search spaces that earlier versions had."""

from __future__ import annotations

from pathlib import Path

from atml.task_files.loading import hash_of_file

FOLDERS = ("search_spaces", "objectives")
EARLIER = "earlier"
"""Folder in ``search_spaces/`` with built-in spaces of earlier versions, ``TASK_1.py`` the first of a task.

They are no tasks. A study that began with one goes on in it: its trials and its regions are about that space.
A built-in search space that changes is copied there first, as it was.
"""


def folder(kind: str) -> Path:
    """Return the built-in folder: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / kind
    return inside if inside.is_dir() else package.parent / kind


def is_builtin(path: Path) -> bool:
    """Whether a file is one of the built-in ones, of this version or an earlier one."""
    return any(path.is_relative_to(folder(kind)) for kind in FOLDERS)


def is_earlier(path: Path) -> bool:
    """Whether a file is a built-in search space of an earlier version."""
    return path.parent == folder("search_spaces") / EARLIER


def earlier_space(task: str, code_hash: str) -> Path | None:
    """Return the earlier built-in search space of a task that has this hash, None where there is none."""
    for path in sorted((folder("search_spaces") / EARLIER).glob(f"{task}_*.py")):
        if hash_of_file(path) == code_hash:
            return path
    return None
