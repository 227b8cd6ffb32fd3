"""JSON files of an export, which somebody may have edited, damaged or removed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def fields_of(file: Path) -> dict[str, Any]:
    """Read a JSON object; {} where the file is missing, damaged, or holds something else.

    Example:
        >>> fields_of(Path("nothing/metrics.json"))
        {}
    """
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
