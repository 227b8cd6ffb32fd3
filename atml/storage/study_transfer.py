"""Studies as a whole: copied from one storage to another, or deleted."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atml.errors import StudyError
from atml.storage import Store, copying, missing, urls
from atml.storage.copying import Contents

__all__ = ["Contents", "Copied", "copy", "delete", "look", "url"]


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a copy holds: each study by its new name, and how many looks came with them.

    ``exports_left`` are those that the target knows as another study's already, as a second name for a study
    in one and the same storage brings about.
    """

    source: str
    target: str
    studies: tuple[Contents, ...]
    new_looks: int
    exports_left: int


def url(place: str) -> str:
    """Return the URL of a storage that is given as one, or as the path of an SQLite file.

    Raises StudyError for a URL with a password: see `urls.from_command_line`.
    """
    # A mistyped URL has its password all the same, which reading it as one hides.
    return urls.from_command_line(place) if re.match("[a-z][a-z+]+:", place) else f"sqlite:///{place}"


def copy(
    source: str, target: str, names: Sequence[str] = (), *, new_name: str | None = None, live: bool = False
) -> Copied:
    """Copy studies (all of them where none is named) between two storages, given by their URLs.

    A copy is what a search stopped at this moment would have left: with ``live`` somebody may be at work on
    the original, and the trials in hand wait in the copy. It was compared with the original, or is not there.

    Raises StudyError for a study that is not there, a name that is taken, and one that somebody works on.
    """
    with contextlib.closing(Store(source, create=False)) as old:
        known = old.studies()
        if not known:
            raise StudyError(f"no study in {old.name}, so nothing to copy")
        for name in names:
            if name not in known:
                raise StudyError(f"no study {name!r} in {old.name}; there are: {', '.join(known)}")
        chosen = list(dict.fromkeys(names)) or known
        if new_name is not None and len(chosen) > 1:
            raise StudyError(
                f"--as {new_name} is one name for {len(chosen)} studies; say which with --study NAME"
            )
        for name in () if live else chosen:
            _refuse_at_work(old, name, "add --live to copy it as it stands now")
        mapping = {name: new_name or name for name in chosen}
        fresh = missing(target)
        new = None
        try:
            new = Store(target)
            looks = copying.copy(old, new, mapping)
            studies = tuple(copying.contents(new, name) for name in mapping.values())
        except BaseException:
            # Whoever began a study there meanwhile keeps it.
            keep = not fresh or (new is not None and bool(new.studies()))
            if new is not None:
                new.close()
            if not keep:
                _remove(target)
            raise
        with contextlib.closing(new):
            before = sum(copying.contents(old, name).exports for name in mapping)
            return Copied(
                source=old.name,
                target=new.name,
                studies=studies,
                new_looks=looks,
                exports_left=max(before - sum(one.exports for one in studies), 0),
            )


def _refuse_at_work(store: Store, name: str, way_out: str) -> None:
    if hands := copying.at_work(store, name):
        raise StudyError(
            f"study {name!r} in {store.name} is being worked on by {', '.join(hands)} (or was, a minute ago):"
            f" stop that first, or {way_out}"
        )


def _remove(target: str) -> None:
    """Remove an SQLite file that a copy would have made."""
    path = urls.name(target)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)


def look(store: Store, name: str) -> Contents:
    """Say what would go if a study were deleted.

    Raises StudyError where there is no such study, or somebody is at work on it.
    """
    if store.spec(name) is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    _refuse_at_work(store, name, "wait until it has been quiet for two minutes")
    return copying.contents(store, name)


def delete(store: Store, name: str) -> None:
    """Delete a study, its trials and all that is kept of them. Exports stay, and so do looks at test sets.

    Raises StudyError as `look` does.
    """
    look(store, name)
    copying.delete(store, name)
