"""Whole studies, copied from one storage to another or deleted."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atml.errors import StudyError
from atml.storage import Store, copying, missing, urls
from atml.storage.copying import Contents

__all__ = ["Contents", "Copied", "copy", "deletable", "delete", "url"]


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was copied: each study by its new name, and how many evaluations of test sets.

    ``exports_left`` counts exports that were not copied because they belong to another study of the target,
    as they do where a study is copied under a second name within one storage.
    """

    source: str
    target: str
    studies: tuple[Contents, ...]
    new_evaluations: int
    exports_left: int


def url(place: str) -> str:
    """Return the URL of a storage that is given as a URL or as the path of an SQLite file.

    Raises StudyError for a URL with a password: see `urls.from_command_line`.

    >>> url("studies.db")
    'sqlite:///studies.db'
    """
    # A mistyped URL may hold a password too. Errors about URLs hide it, those about paths would not.
    return urls.from_command_line(place) if re.match("[a-z][a-z+]+:", place) else f"sqlite:///{place}"


def copy(
    source: str, target: str, names: Sequence[str] = (), *, new_name: str | None = None, live: bool = False
) -> Copied:
    """Copy studies (all of them where none is named) between two storages, given by their URLs.

    A copy is what a search that was stopped at this moment would have left. With ``live`` the original may be
    worked on meanwhile; its running trials wait in the copy. Each copy is compared with its original, and
    nothing is copied where one differs.

    Raises StudyError for a study that is not there, a name that is taken, and a study that is worked on.
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
                f"--as {new_name} is one name for {len(chosen)} studies; name one with --study NAME"
            )
        for name in () if live else chosen:
            _refuse_at_work(old, name, "add --live to copy it as it stands now")
        mapping = {name: new_name or name for name in chosen}
        fresh = missing(target)
        new = None
        try:
            new = Store(target)
            evaluations = copying.copy(old, new, mapping)
            studies = tuple(copying.contents(new, name) for name in mapping.values())
        except BaseException:
            # A study that another process began there meanwhile is kept.
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
                new_evaluations=evaluations,
                exports_left=max(before - sum(one.exports for one in studies), 0),
            )


def _refuse_at_work(store: Store, name: str, way_out: str) -> None:
    if holders := copying.at_work(store, name):
        raise StudyError(
            f"study {name!r} in {store.name} is in use by {', '.join(holders)}, or was until a minute ago:"
            f" stop them first, or {way_out}"
        )


def _remove(target: str) -> None:
    """Remove the SQLite file that a failed copy made."""
    path = urls.name(target)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)


def deletable(store: Store, name: str) -> Contents:
    """Return what a study consists of; raises StudyError where it is not there or is worked on."""
    if store.spec(name) is None:
        raise StudyError(f"no study {name!r} in {store.name}; `atml status` lists them")
    _refuse_at_work(store, name, "wait until it has been quiet for two minutes")
    return copying.contents(store, name)


def delete(store: Store, name: str) -> None:
    """Delete a study with its trials. Its exports stay on disk, and evaluations of test sets stay counted.

    Raises StudyError as `deletable` does.
    """
    deletable(store, name)
    copying.delete(store, name)
