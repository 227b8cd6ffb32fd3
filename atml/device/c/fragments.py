"""The parts of the C that every model shares, with only those lines that a program needs.

A file in ``runtime/`` is C with three kinds of lines of its own: ``//if NAME``, ``//else`` and ``//end``.
They nest; what stands between them is kept where ``NAME`` is among the needs of a program.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

FOLDER = Path(__file__).parent / "runtime"


def fragment(name: str, needs: Collection[str]) -> str:
    """Return a file of ``runtime/`` with the lines that ``needs`` ask for.

    Example:
        >>> print(fragment("arithmetic.c", {"SIGMOID"}).splitlines()[0])
        static float sigmoid(float x)
    """
    return chosen((FOLDER / name).read_text(encoding="utf-8"), needs)


def chosen(text: str, needs: Collection[str]) -> str:
    r"""Return the lines of ``text`` that ``needs`` ask for.

    Example:
        >>> chosen("//if A\na\n//else\nb\n//end\n", {"B"})
        'b\n'
    """
    kept: list[str] = []
    stack: list[bool] = []
    for line in text.splitlines():
        word = line.strip()
        if word.startswith("//if "):
            stack.append(word.removeprefix("//if ") in needs)
        elif word == "//else":
            stack[-1] = not stack[-1]
        elif word == "//end":
            stack.pop()
        elif all(stack):
            kept.append(line)
    assert not stack, "an //if without its //end"
    return "\n".join(kept) + "\n" if kept else ""
