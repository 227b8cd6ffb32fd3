"""What codes of SNOMED CT say of the ten conditions."""

from __future__ import annotations

from collections.abc import Sequence

from atml.pages.conditions import CONDITIONS

SNOMED = {
    "164889003": "AF",
    "427172004": "PVC",
    "17338001": "PVC",
    "164884008": "PVC",
    "427084000": "TACHY",
    "426177001": "BRADY",
    "59118001": "RBBB",
    "713427006": "RBBB",
    "164909002": "LBBB",
    "733534002": "LBBB",
    "270492004": "AVB1",
}
"""Codes of SNOMED CT that a header may name, and the conditions that they mean. No code tells where an ST
segment is raised."""


def labels(codes: Sequence[str] | None) -> dict[str, int | None]:
    """Return what a header's codes say of each condition: 1, 0, or None where nothing is said.

    Example:
        >>> found = labels(["164889003", "59118001"])
        >>> found["AF"], found["RBBB"], found["PVC"], found["STE_INF"], labels(None)["AF"]
        (1, 1, 0, None, None)
    """
    if codes is None:
        return dict.fromkeys(CONDITIONS)
    has = {SNOMED[code] for code in codes if code in SNOMED}
    return {name: None if name not in SNOMED.values() else int(name in has) for name in CONDITIONS}
