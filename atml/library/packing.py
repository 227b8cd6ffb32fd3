"""One archive of a study: its database, exports, scores and report, and no ECG."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from atml.artifacts.export import safe_name
from atml.data.dataset import DataSource
from atml.errors import InputError, StudyError
from atml.formatting import utf8
from atml.searching.study_spec import SOURCES
from atml.storage import Store, study_transfer
from atml.task_files import builtin

DATABASE = "studies.db"

ABOUT = """Study {name}, packed by atml: its trials, exports, scores and report. No ECG is in it.

    atml status                 what is in it
    atml best                   its best models
    atml compare {name} ...     beside others
    reports/{report}/index.html its report, without the pictures that are drawn from ECG

Run these in this folder. To search on, or to have a report with ECG, name the data: --data PATH.
Names of subjects are in it, where the data have them.
"""


@dataclass(frozen=True)
class Packed:
    """An archive that was written: its path, and how many trials and exports are in it.

    ``gone`` are the folders of exports that are not there any more.
    """

    path: Path
    trials: int
    exports: int
    gone: tuple[Path, ...]


def pack(storage: str, study: str, out: Path) -> Packed:
    """Write a study into one ``.tar.gz``, whole or not at all. Unpacked anywhere, it works as it stands.

    Windows of ECG are neither in the database nor in exports; the report is written without them.

    Args:
        storage: URL of the database.
        study: Name of the study.
        out: The archive; its name without ``.tar.gz`` is the folder inside.

    Raises:
        InputError: ``out`` is there already, does not end in ``.tar.gz``, or can't be written.
        StudyError: There is no such study, or it is worked on.

    Example:
        >>> packed = pack("sqlite:///studies.db", "mine", Path("mine.tar.gz"))
        >>> packed.trials, packed.exports
        (2, 1)
    """
    if not out.name.endswith(".tar.gz") or out.name == ".tar.gz":
        raise InputError(f"--out {out}: give a name that ends in .tar.gz")
    if out.exists():
        raise InputError(f"{out} is there already; name another with --out")
    if not out.absolute().parent.is_dir():
        raise InputError(f"no such folder: {out.absolute().parent}; make it, or name another with --out")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "study"
        folder.mkdir()
        copied = study_transfer.copy(storage, f"sqlite:///{folder / DATABASE}", [study])
        with contextlib.closing(Store(storage, create=False)) as store:
            exports = dict.fromkeys(path for _, path in store.exports(study))
        # Exported twice, a trial has two folders of one name: the later is taken.
        there = list({path.name: path for path in exports if path.is_dir()}.values())
        place = Path("exports") / safe_name(study)
        for path in there:
            shutil.copytree(path, folder / place / path.name)
        _settle(folder, study, {path.name: place / path.name for path in there})
        about = ABOUT.format(name=study, report=safe_name(study))
        (folder / "README.txt").write_bytes(utf8(about))
        _archive(folder, out)
    return Packed(
        path=out,
        trials=copied.studies[0].trials,
        exports=len(there),
        gone=tuple(path for path in exports if not path.is_dir()),
    )


def _settle(folder: Path, study: str, places: dict[str, Path]) -> None:
    """Let the packed database name what lies beside it, write its own task files and the report."""
    from atml import report

    with contextlib.closing(Store(f"sqlite:///{folder / DATABASE}", create=False)) as store:
        spec = store.spec(study)
        if spec is None:
            raise StudyError(f"no study {study!r} in {store.name}; `atml status` lists them")
        spec["data"] = [path.name for path in DataSource.from_dict(spec).paths] or None
        for key in ("labels", "subjects_by"):  # no folder of this machine
            if Path(spec.get(key) or "").is_absolute():
                spec[key] = Path(spec[key]).name
        texts = store.facts(study).get(SOURCES) or {}
        for key, kind in (("space", "search_spaces"), ("objective", "objectives")):
            path = Path(spec[f"{key}_path"])
            spec[f"{key}_path"] = f"{kind}/{path.name}"
            if key in texts and not builtin.is_builtin(path):
                (folder / kind).mkdir(exist_ok=True)
                (folder / kind / path.name).write_text(texts[key], encoding="utf-8")
        store.study(study, spec)
        store.move_exports(study, places)
        with contextlib.chdir(folder):
            report.write(store, study, Path("reports"), charts=False, say=lambda line: None)


def _archive(folder: Path, out: Path) -> None:
    aside = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        with tarfile.open(aside, "w:gz") as archive:
            archive.add(folder, out.name.removesuffix(".tar.gz"))
        aside.replace(out)
    except OSError as error:
        raise InputError(
            f"{out} can't be written: {error.strerror or error}; name another with --out"
        ) from error
    finally:
        aside.unlink(missing_ok=True)
