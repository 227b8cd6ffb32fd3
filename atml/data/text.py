"""Text that people and other programs wrote: lists, headers, tables and task files, in any encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

from atml.formatting import is_utf8

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks, that of UTF-32 before its beginning, which is that of UTF-16."""


def read(file: Path) -> str:
    r"""Return the text of a file in whatever encoding it is, as `decoded`, every end of a line as ``\n``.

    Raises:
        OSError: It can't be read.
    """
    return decoded(file.read_bytes()).replace("\r\n", "\n").replace("\r", "\n")


def name(given: str) -> str:
    r"""Return the name of a file as text: one that is no UTF-8 by `decoded`, as what a list says of it.

    Python has a letter of its own for each byte that the language of the system (``LC_ALL=C``) lacks.

    Example:
        >>> name("caf\udce9"), name("caf\udcc3\udca9"), name("r1")
        ('café', 'café', 'r1')
    """
    if is_utf8(given):
        return given
    try:
        return decoded(given.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # of no file: half a letter of UTF-16
        return decoded(given.encode("utf-8", "surrogatepass"))


def decoded(data: bytes) -> str:
    """Return text in the encoding that its byte order mark names, else UTF-8, else Latin-1.

    Without a mark, UTF-16 is known by the zero byte of its first letter, which no other text has. Never
    raises: every byte is a letter in Latin-1. What is no text in the encoding of a mark is replaced.

    Example:
        >>> decoded("µV".encode("utf-16")), decoded("µV".encode("latin-1")), decoded("µV".encode("utf-8-sig"))
        ('µV', 'µV', 'µV')
        >>> decoded("a line".encode("utf-16-le"))
        'a line'
    """
    if encoding := _marked(data):
        return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def beginning(data: bytes) -> tuple[str, str]:
    """Return the name of the encoding of a file by its first bytes, as `decoded` has it, and their text.

    Example:
        >>> beginning("µV".encode("latin-1")), beginning("µ".encode()[:1])
        (('latin-1', 'µV'), ('utf-8', ''))
    """
    if encoding := _marked(data):
        return encoding, codecs.getincrementaldecoder(encoding)("replace").decode(data)
    try:
        return "utf-8", codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return "latin-1", data.decode("latin-1")


def _marked(data: bytes) -> str:
    """Return the encoding that the first bytes tell, "" for none."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding
    if len(data) > 1 and (data[0] == 0) != (data[1] == 0):
        return "utf-16-be" if data[0] == 0 else "utf-16-le"
    return ""
