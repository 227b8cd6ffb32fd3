"""The part of a model card on formats of fewer bits: what the network keeps of its figures in them."""

from __future__ import annotations

from collections.abc import Mapping

from atml.artifacts.record import ExportRecord
from atml.formatting import figure, table
from atml.metrics import FOUR

WORDS = {
    "w8": "weights in 8 bits, a scale a row; all else in float32",
    "w8a8": "weights and activations in 8 bits, states of cells in 16",
}
"""What each format is."""


def in_fewer_bits(record: ExportRecord, size_bytes: int, sizes: Mapping[str, int]) -> list[str]:
    """Write the section; nothing where the runs did not predict in other formats.

    ``size_bytes`` is the size of the ONNX file in float32, ``sizes`` those in other formats, by name.
    """
    result = record.result
    if not result.formats:
        return []
    names = [*FOUR, *(name for name in result.rates if name not in FOUR)]
    header = ("format", "ONNX file", "as in f32", "objective", *names, "gate")
    exact = {**result.four, **{name: rate.value for name, rate in result.rates.items()}}
    rows = [
        _row("f32", size_bytes, 1.0, result.value, exact, names, record.unqualified),
        *(
            _row(one.format, sizes.get(one.format), one.agreement, one.value, one.figures, names,
                 record.lacks_in_format.get(one.format, ()))
            for one in result.formats
        ),
    ]  # fmt: skip
    words = "; ".join(f"{one.format}: {WORDS[one.format]}" for one in result.formats)
    return [
        "\n\n".join(
            [
                "## With fewer bits",
                f"{words[0].upper()}{words[1:]}. Out of fold: the network of each fold was written in the"
                ' format and judged on the windows it never saw, at the decision that ships. "As in f32" is'
                " the share of windows decided alike.",
                table(header, rows, left=1),
            ]
        )
    ]


def _row(
    name: str,
    size: int | None,
    agreement: float,
    value: float | None,
    figures: Mapping[str, float],
    names: list[str],
    lacks: tuple[str, ...],
) -> tuple[str, ...]:
    return (
        name,
        "-" if size is None else f"{size / 1024:.1f} KiB",
        figure(agreement),
        "-" if value is None else figure(value),
        *(figure(figures[one]) for one in names),
        "; ".join(lacks) or "reached",
    )
