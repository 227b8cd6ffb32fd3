"""The numbers of the input step in C: ``runtime/mean.c`` and ``runtime/input.c`` read them."""

from __future__ import annotations

from atml.device.c.text import number
from atml.device.program import Input
from atml.ecg.beats import FRACTION
from atml.models import beat_view, rr_series
from atml.models.beat_view import BeatPlan
from atml.models.rr_series import RRPlan


def needs(source: Input) -> set[str]:
    """Return the names of what a step needs of ``runtime/``, as `atml.device.c.fragments` asks for them."""
    found = set()
    if source.kind in ("zscore", "maxabs", "centre"):
        found |= {"MEAN", "MEAN_OF"}
    if source.kind in ("zscore", "maxabs"):
        found.add(source.kind.upper())
    if source.kind in ("zscore", "rr", "beat"):
        found.add("ROOT")
    if source.kind == "rr":
        found |= {"RR", "LOG"}
    if source.kind == "beat":
        found.add("BEAT_VIEW")
    if source.upright:
        found |= {"UPRIGHT", "MEAN_OF"}
    if not found & {"MEAN", "UPRIGHT"}:
        found.add("UNUSED_X")
    return found


def constants(source: Input) -> dict[str, str]:
    """Return what the steps "rr" and "beat" need defined; nothing for the others.

    Example:
        >>> constants(Input(leads=1, samples=500, kind="zscore"))
        {}
    """
    if source.rr is not None:
        return _rr(source.rr)
    if source.beat is not None:
        return {"CHANNELS": str(source.channels)} | _beat(source.beat)
    return {}


def _rr(plan: RRPlan) -> dict[str, str]:
    return {
        "REACHED": str(plan.window + plan.box - 1),
        "SLOPE": str(plan.step),
        "BOX": str(plan.box),
        "BOX_BITS": str(len(f"{plan.box:b}") - 2),
        "SECOND": str(plan.second),
        "SECONDS": str(plan.seconds),
        "REFRACTORY": str(plan.reach),
        "LONGEST": str(plan.longest),
        "MOST_BEATS": str(plan.most),
        "BEAT": "int16_t" if plan.window <= 2**15 else "int32_t",
        "USUAL": number(1 / plan.usual),
        "GAIN": number(rr_series.GAIN),
        "FRACTION": number(FRACTION),
    }


def _beat(plan: BeatPlan) -> dict[str, str]:
    return {
        "BEAT": str(plan.beat),
        "SLOPE": str(plan.step),
        "ALIKE": str(plan.reach),
        "HIDDEN": str(plan.hidden),
        "SHAPE_FROM": str(plan.beat - plan.before),
        "SHAPE_TO": str(plan.beat + plan.after + 1),
        "GAIN": number(beat_view.ALIKE_GAIN),
        "FLOOR": number(beat_view.FLOOR),
        "MOST_SIZE": number(beat_view.LARGEST),
        "EPSILON": number(beat_view.EPSILON),
    }
