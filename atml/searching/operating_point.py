"""An exported model at another operating point: the same weights, the decision moved until a rate is met.

Nothing is trained. The threshold is chosen on the out-of-fold scores of the study and becomes part of the
file; what it costs is measured on the folds that had no say in it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atml.arrays import Float32
from atml.artifacts import export
from atml.artifacts.backends.onnx import lowered
from atml.artifacts.model import EVALUATIONS, METRICS, ExportedModel, infer, load
from atml.artifacts.record import ExportRecord, Final, Machine
from atml.device import ranges_file
from atml.errors import ExportError, ParityError, StudyError
from atml.evaluation.decision import Wish
from atml.formatting import between
from atml.searching.exporting import record_of
from atml.searching.finalists import Finalist, Finalists
from atml.searching.picking import pick
from atml.searching.plan import Plan, reopen
from atml.searching.progress import View
from atml.searching.search_options import Options
from atml.storage import Store


def export_at(
    store: Store, name: str, number: int, wish: Wish, options: Options, view: View | None = None
) -> ExportedModel:
    """Write the export of a trial again with its decision moved until ``wish`` is met, and return that.

    It gets a folder of its own beside the export, named by figures, trial and wish; the study goes on naming
    the export that it chose.

    Raises:
        StudyError: no such study or export of it in ``options.out``, a task without a positive class, or a
            wish that is not between 0 and 1.
        ExportError: a damaged export, or a folder that can't be written; nothing is left behind.
    """
    view = view or View()
    if not 0 < wish.least < 1:
        raise StudyError(f"--min-{wish.rate} {wish.least:g} is not between 0 and 1")
    plan = reopen(store, name, view.say)
    if plan.definition.task.positive is None:
        raise StudyError(
            f"task {plan.definition.task.name} has no positive class, so no {wish.rate} to ask for with"
            f" --min-{wish.rate}: leave it out"
        )
    finals = Finalists(plan, store.study(name), view, options, numbers=[number])
    before = finals.exported().get(number)
    if before is None:
        raise StudyError(
            f"trial {number} of study {name!r} has no export in {options.out} whose decision could be moved:"
            " `atml best export` makes one"
        )
    judged = finals.moved(pick(finals).finalists[0], wish)
    record, model, parity = _moved(finals, judged, load(before))
    result = judged.result
    said = f"{wish.rate}-{100 * wish.least:g}"
    folder = before.parent / f"{result.name}-t{number:04d}-{said}"
    earlier = [path for path in before.parent.glob(f"*-t{number:04d}-{said}") if path.is_dir()]
    files = export.contents(record, model, parity)
    # A test set that the model was scored on is no fresh one for another decision of it; ranges are the same.
    for name in (EVALUATIONS, ranges_file.NAME):
        if (before / name).is_file():
            files[name] = (before / name).read_bytes()
    written = export.publish(folder, files, number, earlier)
    for key in ("sensitivity", "specificity"):
        rate = result.rates[key]
        asked = f"; asked for: {wish.least:g}" if key == wish.rate else ""
        view.say(f"{key} {rate.value:.3f} (95% interval {between(rate)}), out of fold, cross-fitted{asked}")
    mark = f" (unqualified: {'; '.join(record.unqualified)})" if record.unqualified else ""
    view.say(f"exported {folder}{mark}")
    return written


def _moved(finals: Finalists, judged: Finalist, before: ExportedModel) -> tuple[ExportRecord, bytes, Any]:
    """Return the record and the file of a model with its decision moved, checked against the file before."""
    assert before.folder is not None
    plan, offsets = finals.plan, judged.result.offsets
    if before.config != judged.config:
        raise ExportError(
            f"{before.folder} was trained in another way than the study ships it: export it again"
        )
    written = _json(before.folder / METRICS)
    try:
        fields = dict(written["final"])
        final = Final(windows=fields.pop("segments"), **fields)
        machine = Machine(**written["machine"])
    except (KeyError, TypeError) as error:
        raise ExportError(
            f"{before.folder / METRICS} is damaged ({error}): export the model again"
        ) from error
    # The value on the training data is that of the moved file, run on them.
    record = record_of(finals, judged, final, machine, written.get("worst_value"))
    by = np.asarray(offsets, np.float32) - np.asarray(before.offsets, np.float32)
    model = lowered(before.model, by.tolist(), export.metadata_of(record))
    logits, parity = _checked(plan, before.model, model, by)
    seen = plan.definition.target.predictions(logits, plan.dataset.y, plan.dataset.subject)
    board = None if judged.record.cost is None else judged.record.cost.board
    value = plan.definition.value(replace(seen, changed={}, board=board))
    return replace(record, final=replace(final, train_value=value)), model, parity


def _checked(plan: Plan, before: bytes, model: bytes, by: Float32) -> tuple[Float32, export.Parity]:
    """Run both files on the training data; return the logits of the moved one.

    Raises ParityError where they are not those of the one before, moved.
    """
    x = np.asarray(plan.dataset.x)
    found, expected = infer(model, x), infer(before, x) - by
    worst = float(np.abs(found - expected).max())
    if not worst <= export.TOLERANCE + export.RELATIVE * float(np.abs(expected).max()):
        raise ParityError(f"the moved model differs from the one before by {worst:.3g}; nothing was exported")
    return found, export.Parity(len(x), worst)


def _json(file: Path) -> dict[str, Any]:
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{file} can't be read ({error}): export the model again") from error
    if not isinstance(read, dict):
        raise ExportError(f"{file} is damaged: export the model again")
    return read
