"""`atml annotate`: a recording, or a stream of samples, beat by beat."""

from __future__ import annotations

import contextlib
import json as encoding
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atml.cli.reading_bar import waiting
from atml.cli.shared_options import AsJson, Lead, SamplingRate, show
from atml.cli.values import number

if TYPE_CHECKING:
    from atml.annotating.beats import Annotated as Found

COUNTING = "What is counted"

CHUNK = 1 << 16
"""Bytes that are read at once from standard input, at most; what is there is taken at once."""


def annotate(
    export: Annotated[
        Path,
        typer.Argument(help="Export of a task round beats, a folder or an ONNX file.", metavar="EXPORT"),
    ],
    record: Annotated[
        Path,
        typer.Argument(
            help="WFDB record, EDF, .npy, .csv or .txt (a sample a line, a lead a column); - reads such lines"
            " from standard input and prints each beat as it is decided.",
            metavar="RECORD",
        ),
    ],
    lead: Lead = None,
    sampling_rate: SamplingRate = None,
    pause: Annotated[
        float,
        typer.Option(
            parser=number(0),
            help="RR interval that is a pause if it is exceeded.",
            metavar="SECONDS",
            show_default="2",
            rich_help_panel=COUNTING,
        ),
    ] = 2.0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New folder for the annotations, beats.csv, summary.json and a page with strips.",
            metavar="FOLDER",
            show_default="none",
        ),
    ] = None,
    extension: Annotated[
        str,
        typer.Option(
            help="Extension of the WFDB annotation file.",
            metavar="NAME",
        ),
    ] = "atml",
    json: AsJson = False,
) -> None:
    """Find the beats of a recording, name each N, S or V, and sum them up as a Holter report does."""
    from atml.library import annotation

    if str(record) == "-":
        found = annotation.annotate_lines(
            export,
            _chunks(),
            sampling_rate=sampling_rate,
            lead=lead or (),
            pause_s=pause,
            extension=extension,
            out=out,
            on_beats=lambda beats: _say(beats, json),
        )
        if json:
            _line(encoding.dumps({"summary": found.to_dict()}))
        else:
            typer.echo(f"\n{found}")
    else:
        with waiting("reading"):
            found = annotation.annotate(
                export,
                record,
                lead=lead or (),
                sampling_rate=sampling_rate,
                pause_s=pause,
                extension=extension,
                out=out,
            )
        show(found.to_dict() if json else str(found), json)
    if out is not None and not json:
        typer.echo(f"wrote {out}: annotations, beats.csv, summary.json and index.html")


def _say(found: Found, json: bool) -> None:
    """Print the beats that were just decided: sample, time in s and class."""
    from atml.library.annotation import seconds

    for sample, time, symbol in zip(found.beats.sample.tolist(), seconds(found), found.symbols, strict=True):
        if json:
            _line(encoding.dumps({"sample": sample, "time_s": round(time, 4), "symbol": symbol}))
        else:
            _line(f"{sample} {time:.3f} {symbol}")


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _chunks() -> Iterator[bytes]:
    """Yield what comes on standard input until it ends, or until Ctrl-C or SIGTERM, which end it as well."""
    with _ending() as ends:
        while data := ends.read():
            yield data


@contextlib.contextmanager
def _ending() -> Iterator[_Input]:
    source = _Input()
    before: dict[signal.Signals, Any] = {}
    with contextlib.suppress(ValueError):  # outside the main thread signals are not ours
        for one in (signal.SIGINT, signal.SIGTERM):
            before[one] = signal.signal(one, source.interrupted)
    try:
        yield source
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


class _Input:
    """Standard input, whose reading a signal ends; what is worked on meanwhile is finished."""

    def __init__(self) -> None:
        self._reading = self._ended = False

    def interrupted(self, number: int, frame: object) -> None:
        """Handle a signal."""
        self._ended = True
        if self._reading:
            raise KeyboardInterrupt

    def read(self) -> bytes:
        """Return what is there, waiting for something; b"" at the end."""
        buffer: Any = getattr(sys.stdin, "buffer", sys.stdin)
        try:
            self._reading = True
            found: bytes = b"" if self._ended else buffer.read1(CHUNK)
        except KeyboardInterrupt:
            found = b""
        finally:
            self._reading = False
        return found
