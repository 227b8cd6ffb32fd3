"""Hashes of source code that comments, blank lines and the version of Python do not change."""

from __future__ import annotations

import ast
import hashlib


def source_hash(tree: object) -> str:
    """Return 16 hexadecimal digits that change with the code of a syntax tree, or of a list of them."""
    return hashlib.sha256(written(tree).encode()).hexdigest()[:16]


def written(node: object) -> str:
    """Write a syntax tree the same in every version of Python: the hash of it goes into exported files.

    `ast.dump` does not: since 3.12 functions have a field more, and since 3.13 empty fields are left out.
    """
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return f"{type(node).__name__}({', '.join(f'{name}={written(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(written, node))}]"
    return repr(node)
