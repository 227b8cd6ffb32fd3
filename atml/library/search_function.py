"""`atml.search`: a search as a function."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from atml import task_files
from atml.errors import InputError, Interrupted, Stopped, TaskFileError
from atml.library import notebook_view
from atml.library.path_arguments import PathLike, paths
from atml.library.search_result import SearchResult
from atml.library.task_source import TaskSource
from atml.searching import progress
from atml.searching.entry_points import search as run
from atml.searching.progress import View
from atml.searching.search_options import Options
from atml.storage import urls
from atml.task_files.builtin import FOLDERS

Progress = bool | Literal["lines"]


def search(
    task: str | TaskSource = "afib",
    data: PathLike | Sequence[PathLike] | None = None,
    *,
    trials: int = 100,
    timeout: float | str | None = None,
    study: str | None = None,
    storage: str | None = None,
    out: PathLike = "exports",
    workers: int | None = None,
    seed: int | None = None,
    folds: int | None = None,
    fold_by: str | None = None,
    finalists: int | None = None,
    repeats: int | None = None,
    longer: int | None = None,
    patience: int = 200,
    max_size: float | None = None,
    max_macs: float | None = None,
    max_ram: float | None = None,
    board: str | None = None,
    format: str | None = None,
    latency_ms: float | None = None,
    flash_kib: float | None = None,
    ram_kib: float | None = None,
    window: float | None = None,
    lead: str | Sequence[str] = (),
    sampling_rate: int | None = None,
    labels: PathLike | None = None,
    subjects: PathLike | None = None,
    hold_out: float | str | Sequence[str] | None = None,
    objective: PathLike | None = None,
    space: PathLike | None = None,
    task_folder: PathLike | None = None,
    device: str = "auto",
    hang_after: float | str | None = None,
    regions: PathLike | None = None,
    learn_regions: bool | None = None,
    unqualified: bool = False,
    prefer: str | None = None,
    accept_changes: bool = False,
    log_to: str | None = None,
    from_study: str | None = None,
    test: PathLike | Sequence[PathLike] | None = None,
    progress: Progress | View = True,
) -> SearchResult:
    """Search for a small classifier, pick the best on fresh seeds and export it.

    The same call again continues the study. It works from a script (with or without
    ``if __name__ == "__main__":``), from ``python -`` and from a notebook. Training runs in worker processes.
    Ctrl-C, or a notebook's stop button, leaves the study intact.

    Args:
        task: Name of a task (``atml tasks`` lists them), or one made in Python.
        data: Path, or several, as for ``atml search --data``; None for synthetic ECG.
        trials: Trials in all, including those of earlier runs.
        timeout: Time for the whole job, in seconds or as text such as "90m".
        study: Name of the study; None names it by task and data.
        storage: Where studies are kept, an SQLAlchemy URL; None for ``$ATML_STORAGE``, else ``studies.db`` in
            the working directory.
        out: Folder of the exports.
        workers: Worker processes; None for one a core.
        seed: Seed of the split, the sampling and the training; None for the study's, or 0.
        folds: Number of folds of the cross-validation by subject; None for the study's, or 5.
        fold_by: "set" holds out a whole set in each fold, where ``data`` names several; None for that of the
            study, or "subject".
        finalists: How many of the best trials are trained again; None for 4, within a third of the trials'
            time.
        repeats: Fresh seeds for each finalist; None for 2, within a third of the trials' time.
        longer: How many times as long as a trial the final training may be, where that is better out of fold;
            1 for no longer, None for 4 where a third of the trials' time is enough to try it.
        patience: Stop after this many trials without a better one; 0 never stops.
        max_size: Largest ONNX file in KiB; None for the task's.
        max_macs: Most multiply-accumulates for one window.
        max_ram: Most RAM in KiB for activations that are held at once.
        board: Board that every trial is estimated for, a name of `atml.device.boards.BOARDS`.
        format: Format that sizes and estimates are of: "f32", "w8" or "w8a8".
        latency_ms: Longest time for one window on the board in ms, by the middle of the estimate.
        flash_kib: Most flash of the board in KiB, for code and weights.
        ram_kib: Most RAM of the board in KiB, for variables, stack and window.
        window: Length of a window in seconds, for a task that allows a choice.
        lead: Lead by name or number, with alternatives between commas; one entry for each lead of the task.
        sampling_rate: Sampling rate in Hz of files that don't state theirs; None for the task's.
        labels: Table (file, label, patient) of recordings in a folder that tells their labels nowhere else.
        subjects: Table (recording, subject), or a regular expression with brackets around the subject, that
            says whose each recording is; "data" for the names that the data give.
        hold_out: Share of the subjects (0.2), or their names, kept out of the search for `atml.score`.
        objective: One of the task's objectives by name, or an objective file.
        space: Search-space file; None for the task's.
        task_folder: Folder that holds ``search_spaces/`` and ``objectives/``, where it is not the working
            directory. A `TaskSource` is written there.
        device: "auto", "cpu", "cuda", or such as "cuda:0,cuda:1".
        hang_after: How long a worker may be silent before it is replaced, in seconds or as text; None for 10
            minutes.
        regions: File with the regions of another study, which are tested first.
        learn_regions: Learn which regions to reject; None does so with
            ``regions``, and in a study that did so before.
        unqualified: Export the best model, marked unqualified, where none reaches the objective's gate.
        prefer: Which of the finalists that can't be told apart is taken: "smallest" (the default) or
            "fastest".
        accept_changes: Continue the study although its search space, objective or limits have changed.
        log_to: "mlflow", "wandb" or "tensorboard": where each trial that ends is logged as well.
        from_study: Name of an earlier study of the task in ``storage``: the parameters of its finalists are
            tried first, trained anew on ``data``. Nobody of its test splits or of whom it held out may be
            among the ``data``.
        test: Frozen test sets, as for ``data``: nobody of them may be among the ``data``.
        progress: True shows a live view in a terminal, a line that is rewritten in a notebook, and lines
            elsewhere; "lines" prints lines anywhere; False prints nothing. The methods of a
            `atml.searching.progress.View` are called instead.

    Returns:
        The `SearchResult`: the study's name, finalists, exports, trials.

    Raises:
        InputError: an argument, the data or the study can't be used (`DataError`, `TaskFileError`,
            `StudyError` ...); the message is one line that states the way out.
        Interrupted: after Ctrl-C or SIGTERM; it is a KeyboardInterrupt too.

    Example:
        >>> result = search("afib", data="afib.npz", trials=2, folds=2, finalists=1, repeats=1,
        ...                 study="example", progress=False)
        >>> len(result.trials.query("role == 'search'")), len(result.exports)
        (2, 1)
    """
    if isinstance(task, TaskSource):
        task.write(task_folder or ".")
        task = task.name
    if task_folder is not None:
        space, objective = _files(task, Path(task_folder), space, objective)
    url = storage or urls.default()
    options = Options(
        task=task,
        data=paths(data),
        trials=_at_least("trials", trials, 1),
        timeout=None if timeout is None else duration("timeout", timeout),
        workers=None if workers is None else _at_least("workers", workers, 1),
        study=study,
        storage=url,
        seed=None if seed is None else _at_least("seed", seed, 0),
        folds=None if folds is None else _at_least("folds", folds, 2),
        fold_by=fold_by,
        max_size_kib=max_size,
        max_macs=max_macs,
        max_ram_kib=max_ram,
        board=board,
        format=format,
        latency_ms=latency_ms,
        flash_kib=flash_kib,
        board_ram_kib=ram_kib,
        device=device,
        hang_after=None if hang_after is None else duration("hang_after", hang_after),
        space=None if space is None else Path(space),
        objective=None if objective is None else os.fspath(objective),
        window=window,
        leads=(lead,) if isinstance(lead, str) else tuple(lead),
        hold_out=_held_out(hold_out),
        sampling_rate=sampling_rate,
        labels=None if labels is None else Path(labels),
        subjects="" if subjects is None else os.fspath(subjects),
        patience=_at_least("patience", patience, 0),
        finalists=None if finalists is None else _at_least("finalists", finalists, 1),
        repeats=None if repeats is None else _at_least("repeats", repeats, 1),
        longer=None if longer is None else _at_least("longer", longer, 1),
        out=Path(out),
        unqualified=unqualified,
        prefer=prefer,
        accept_changes=accept_changes,
        log_to=log_to,
        regions=learn_regions,
        imported=None if regions is None else Path(regions),
        start=from_study,
        test=paths(test),
    )
    view = _view(progress)
    try:
        return SearchResult.of(run(options, view), url)
    except Stopped as error:
        if view is progress:  # the caller's own view reports how the search ended
            raise
        raise Interrupted(str(error)) from None
    finally:
        if view is not progress:
            view.close()


def duration(name: str, given: float | str) -> float:
    """Return a duration in seconds, given as a number of them or as text such as "2h", "90m" or "1h30m".

    Raises:
        InputError: it is not a duration above 0; the message calls it ``name``.

    Example:
        >>> duration("timeout", "1h30m")
        5400.0
    """
    if isinstance(given, str):
        pattern = r"(?:(\d+\.?\d*)h)?(?:(\d+\.?\d*)m(?:in)?)?(?:(\d+\.?\d*)s?)?"
        found = re.fullmatch(pattern, given.strip().lower())
        hours, minutes, rest = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
        total = 3600 * hours + 60 * minutes + rest
    else:
        total = float(given)
    if not 0 < total < float("inf"):
        raise InputError(
            f"{name} {given!r} is not a duration; give seconds, or text such as 2h, 90m, 1h30m or 45s"
        )
    return total


def _at_least(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is {value!r}; give a whole number, {least} or more")
    return value


def _held_out(given: float | str | Sequence[str] | None) -> str | None:
    """Return a share or names in the form that ``--hold-out`` takes."""
    if given is None or isinstance(given, str):
        return given
    return str(given) if isinstance(given, int | float) else ",".join(map(str, given))


def _files(
    task: str, folder: Path, space: PathLike | None, objective: PathLike | None
) -> tuple[PathLike | None, PathLike | None]:
    """Return the search-space and objective file of a task in a folder, unless others were given."""
    found = {kind: (folder / kind / f"{task}.py").resolve() for kind in FOLDERS}
    if not any(file.is_file() for file in found.values()):
        known = ", ".join(task_files.names(folder)) or "none"
        raise TaskFileError(
            f"{folder} holds no search_spaces/{task}.py or objectives/{task}.py; known: {known}"
        )
    space_file, objective_file = found.values()
    if space is None and space_file.is_file():
        space = space_file
    if objective_file.is_file():
        asked = "" if objective is None else os.fspath(objective)
        if not asked:
            objective = objective_file
        elif not (asked.endswith(".py") or ".py:" in asked or "/" in asked):
            objective = f"{objective_file}:{asked}"
    return space, objective


def _view(wanted: Progress | View) -> View:
    if isinstance(wanted, View):
        return wanted
    if wanted is False:
        return View()
    if wanted == "lines":
        return progress.Lines()
    if wanted is not True:
        raise InputError(f'progress is {wanted!r}; give True, False or "lines"')
    if notebook_view.is_notebook():
        return notebook_view.NotebookView()
    return progress.choose(as_json=False, is_terminal=sys.stdout.isatty())
