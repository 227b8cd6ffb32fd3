"""``model.h``: what a project that includes a model sees of it."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Sequence

from atml.device.program import Program
from atml.errors import ConfigError

_LICENCE = "SPDX-License-Identifier: MIT"

_WIDTH = 104


def text(
    program: Program,
    sampling_rate: int,
    hop: int,
    classes: Sequence[str] = (),
    head: Sequence[str] = (),
    after: int | None = None,
) -> str:
    """Return the header; arguments and errors are those of `atml.device.c.writer.write`."""
    if not 1 <= hop < 2**31:
        raise ConfigError(f"hop is {hop}; give 1 sample or more from one decision to the next, below 2^31")
    source = program.input
    positive = -1 if program.positive is None else program.positive
    names = ", ".join(quoted(name) for name in classes or map(str, range(program.classes)))
    return (
        comment(head)
        + f"""
#ifndef ATML_MODEL_H
#define ATML_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define ATML_LEADS {program.leads}
#define ATML_WINDOW {source.samples} /* samples a lead */
#define ATML_RATE {sampling_rate} /* Hz */
#define ATML_CLASSES {program.classes}
#define ATML_NAMES {{{names}}}
#define ATML_POSITIVE ({positive}) /* the class that is looked for; -1 for none */
#define ATML_UNUSABLE (-1) /* undecided: all logits are NaN */
#define ATML_WAIT (-2) /* no decision yet */
"""
        + (_HOPS.replace("HOP_HERE", str(hop)) if after is None else f"#define ATML_AFTER {after} {_AFTER}")
        + _RUN
        + (_STREAM if after is None else _BEATS)
        + _END
    )


_HOPS = """
/* Of a stream, in samples; the compiler's -D sets others. */
#ifndef ATML_HOP
#define ATML_HOP HOP_HERE /* from one decision to the next */
#endif
#ifndef ATML_MERGE
#define ATML_MERGE 0 /* windows of a class that are so far apart, or less, are one event */
#endif
#ifndef ATML_SHORTEST
#define ATML_SHORTEST 0 /* shorter events are left out */
#endif
"""

_AFTER = "/* samples of a window that come after its beat */\n"

_RUN = """
/* Decide on one window of ATML_LEADS x ATML_WINDOW samples in mV, lead after lead: returns the class, or
   ATML_UNUSABLE where a sample is NaN or infinite, and leaves the logits. Not reentrant: what it works with
   is static. */
int atml_run(const float *window, float *logits);
"""

_STREAM = """
/* The same on a stream. atml_reset forgets what came. atml_push takes one sample of each lead, NaN for a
   missing one, and returns a class when a window is full and after every ATML_HOP further samples, with
   atml_logits; else ATML_WAIT. It returns ATML_UNUSABLE where a sample of the window is missing, a lead is
   off (it keeps one value) or an amplifier at its rail. atml_end ends the stream: it decides on the last
   window if samples came since the last decision, else it returns ATML_WAIT. */
void atml_reset(void);
int atml_push(const float *sample);
int atml_end(void);
extern float atml_logits[ATML_CLASSES];

/* What windows of one class come to, once it is over: of ATML_POSITIVE, or of every class where there is
   none. Samples since atml_reset, modulo 2^32; `end` is the first one after. Of overlapping windows each
   counts up to where the next begins. After every decision and after atml_end, call atml_event_next until it
   returns 0: each 1 is one event. */
typedef struct {
    int class_;
    uint32_t onset, end;
} atml_event;
int atml_event_next(atml_event *event);
"""

_BEATS = """
/* The same on a stream, whose beats are found in its first lead. atml_reset forgets what came. atml_push
   takes one sample of each lead, NaN for a missing one, and returns a class when the window round a beat is
   whole, ATML_AFTER samples after the beat, with atml_logits and atml_beat; else ATML_WAIT. It returns
   ATML_UNUSABLE where a sample of the window is missing, a lead is off (it keeps one value) or an amplifier
   at its rail. After the last sample call atml_end until it returns ATML_WAIT: each other answer is one more
   beat, whose window goes on with the last sample, as those of the first beats begin with the first. */
void atml_reset(void);
int atml_push(const float *sample);
int atml_end(void);
extern float atml_logits[ATML_CLASSES];
extern uint32_t atml_beat; /* the beat decided: its R peak, in samples since atml_reset modulo 2^32 */
"""

_END = """
#ifdef __cplusplus
}
#endif

#endif
"""


def comment(lines: Sequence[str]) -> str:
    """Return lines as the comment that opens a file, the licence last; nothing in them ends or opens another.

    Example:
        >>> print(comment(["afib */ trial 7???/"]))
        /*
         * afib * / trial 7? ? ?/
         *
         * SPDX-License-Identifier: MIT
         */
        <BLANKLINE>
    """
    found: list[str] = []
    for line in (*lines, "", _LICENCE):
        found += textwrap.wrap(_tame(line), _WIDTH, subsequent_indent="  ") or [""]
    body = "\n".join(f" * {line}".rstrip() for line in found)
    return f"/*\n{body}\n */\n"


def _tame(line: str) -> str:
    """Return a line without what C reads in a comment, and without signs that turn the direction of text."""
    shown = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in line)
    return re.sub(r"\?(?=\?)", "? ", shown).replace("/*", "/ *").replace("*/", "* /")


def quoted(name: str) -> str:
    r"""Return a name as a C string.

    Example:
        >>> print(quoted('a "b" ??'), quoted("\u00e4"))
        "a \"b\" \?\?" "\303\244"
    """
    kept = [
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else _escape(byte) for byte in name.encode()
    ]
    return f'"{"".join(kept)}"'


def _escape(byte: int) -> str:
    return f"\\{chr(byte)}" if chr(byte) in '"\\?' else f"\\{byte:03o}"
