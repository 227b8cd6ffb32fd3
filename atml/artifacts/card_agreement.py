"""The part of a model card on windows that were changed: how many decisions stay as they were."""

from __future__ import annotations

from atml.artifacts.record import ExportRecord
from atml.data.cases import case_of
from atml.ecg.changes import in_words
from atml.formatting import figure, table


def under_changes(record: ExportRecord) -> list[str]:
    """Write the section; nothing where the runs did not predict changed windows."""
    found = record.result.agreement
    if not found:
        return []
    words = in_words(record.task.around_beats)
    rows = [(kind, words.get(kind, kind), figure(share)) for kind, share in found.items()]
    worst = min(found, key=lambda kind: found[kind])
    return [
        "\n\n".join(
            [
                "## Under changes of the recording",
                f"The share of held-out {case_of(record.task).many} that are decided as before, whether"
                f" right or wrong, when the"
                f" recording is changed and the heart is not. Lowest: {worst} with {found[worst]:.3f}.",
                table(("change", "what is done", "decided as before"), rows, left=2),
            ]
        )
    ]
