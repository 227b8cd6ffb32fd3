"""The part of a model card that says which decision ships, and what a tuned one is worth."""

from __future__ import annotations

from atml.artifacts.record import ExportRecord
from atml.formatting import between, mean, table


def what_ships(record: ExportRecord, name: str, plain: str, where: str) -> list[str]:
    """Write a sentence and a table on the decision.

    ``name`` is what is tuned: "a threshold" or "offsets"; ``plain`` is the row of the decision as trained,
    ``where`` ends that of the chosen one, as in "judged where it was chosen".
    """
    result = record.result
    told = result.target.describe_decision(result.offsets)
    gain = result.tuning
    worth = "gain nothing" if gain is None else f"gain {gain.value:+.3f} ({between(gain)}, 98% interval)"
    worth = worth if name == "offsets" else worth.replace("gain", "gains", 1)
    rows = [
        (plain, f"{mean(result.naive):.3f}"),
        ("cross-fitted: chosen on the other folds", f"{mean(result.cross_fitted):.3f}"),
    ]
    if result.wish is not None:
        rates = ", ".join(
            f"{key} {result.rates[key].value:.3f} ({between(result.rates[key])})"
            for key in ("sensitivity", "specificity")
        )
        said = (
            f"The decision was moved for a {result.wish}, as asked for: {told}, part of the exported file."
            f" Moved in this way on the other folds it gave {rates}, with 95% intervals, on subjects that"
            " were not used to choose it. It holds over all windows, not for every subject."
        )
        return [said, table(("decision", "value out of fold"), rows)]
    if result.is_tuned:
        rows.append((f"{told}, {where}", f"{mean(result.tuned):.3f}"))
        pays = gain is not None and gain.low > 0
        why = "" if pays else ", but reaches the gate of the objective, and that one does not"
        said = (
            f"The decision ships tuned: {told}, part of the exported file. On folds that were not used to"
            f" choose it, {name} chosen so {worth} over the decision as trained{why}. The figures of this"
            " card are the cross-fitted ones; the last row looks better than it is."
        )
    else:
        least = "" if gain is None else ", which is within its noise"
        said = (
            f"The decision ships as trained, and all figures of this card are of that decision: {name} chosen"
            f" on the other folds {worth}{least}."
        )
    return [said, table(("decision", "value out of fold"), rows)]
