"""AED performance goals: shock advice judged per rhythm, as in files for automatic external defibrillators.

Source: Kerber et al., "Automatic external defibrillators for public access defibrillation: recommendations
for specifying and reporting arrhythmia analysis algorithm performance", Circulation 95:1677 (1997), for the
American Heart Association. Goals and lower limits were compared with those that manufacturers' manuals
print; the least n of each row, and which limits for the rate of ventricular tachycardia are in use (150 and
180 a minute), were not compared with the paper.

- Each row has a goal, which the observed share must exceed, and a limit, which the one-sided 90% lower
  confidence limit (exact binomial, Clopper and Pearson) must reach. A row with fewer windows than its least n
  is not assessable, whatever its figures. In the row of organised rhythms one rhythm alone must have the
  least n.
- Ventricular fibrillation is coarse from 0.2 mV peak to peak (`atml.ecg.waves.amplitude`), else fine.
  Tachycardia is rapid above the limit of its rate (`atml.ecg.waves.rate_per_minute`), else "other VT".
  Asystole stays below 0.1 mV throughout (`atml.ecg.waves.largest`).
- Ventricular flutter counts as fibrillation: the annotations of the MIT-BIH databases bracket the two as
  one ("ventricular flutter/fibrillation"), and that goal is the stricter. The statement does not say.
- A tie counts as a shock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atml import metrics
from atml.arrays import Bools, Floats, Int64
from atml.ecg import waves
from atml.metrics import Counts, Interval
from atml.scoring.rules import contest_figures
from atml.scoring.rules.base import Figure, Judged, Score, Table
from atml.tasks.task import Task

NAME = "aha-aed"
OPTIONS: Mapping[str, float] = {"vf_amplitude": 0.2, "vt_rate": 150.0}
"""Coarse fibrillation from this, in mV; rapid tachycardia above this, a minute."""
AWARDS = False

LEVEL = 0.90
ASYSTOLE_MV = 0.1
MILLIVOLTS = (0.05, 20.0)
"""Where the typical wave of a surface ECG lies; a set outside it is in another unit."""


@dataclass(frozen=True)
class Category:
    """A row of the standard.

    ``shock`` says whether its rhythms are to be shocked. ``goal`` and ``limit`` are shares, None in a row
    that is only reported; ``least`` is the least n. With ``any_one`` a single rhythm must have the least n.
    """

    name: str
    shock: bool
    least: int | None = None
    goal: float | None = None
    limit: float | None = None
    any_one: bool = False


COARSE = Category("coarse VF, flutter", True, 200, 0.90, 0.87)
RAPID = Category("rapid VT", True, 50, 0.75, 0.67)
SINUS = Category("normal sinus rhythm", False, 100, 0.99, 0.97)
ORGANISED = Category("AF, SB, SVT, block, idioventricular, PVC", False, 30, 0.95, 0.88, any_one=True)
ASYSTOLE = Category("asystole", False, 100, 0.95, 0.92)
FINE = Category("fine VF, flutter", True, 25)
SLOW = Category("other VT", True, 25)
UNSIZED = Category("VF, flutter of unknown amplitude", True)
OTHER_SHOCK = Category("other shockable", True)
OTHER = Category("other non-shockable", False)
CATEGORIES = (COARSE, RAPID, SINUS, ORGANISED, ASYSTOLE, FINE, SLOW, UNSIZED, OTHER_SHOCK, OTHER)

FIBRILLATION = ("VF", "VFIB", "VFb", "VFL", "VFt")
TACHYCARDIA = ("VT",)
STANDSTILL = ("ASYS",)
NORMAL = ("N", "NSR", "SR")
ORGANISED_RHYTHMS = {
    "AF": ("AFIB", "AF", "AFb"),
    "SB": ("SBR",),
    "SVT": ("SVTA", "SVT", "AFL", "AFt"),
    "block": ("BI", "BII", "BIII"),
    "idioventricular": ("IVR", "VER"),
    "PVC": ("PVC", "VPD", "B", "T", "HGEA"),
}
"""The rhythms of the fifth goal, by the names that data sets use; atrial flutter is with the SVT."""
ELECTROGRAM = ("VFb", "VFt", "AFb", "AFt", "VPD")
"""Names of a set of intracardiac electrograms, whose millivolts are not those of the skin."""


def fits(task: Task) -> None:
    """Raise ExportError for a model of another shape than two classes, shock being 1."""
    contest_figures.fits_two(task, NAME)


def decide(outputs: npt.ArrayLike) -> Int64:
    """Class of each row of ``outputs (n, 2)``: 0 if the first is larger, else 1; ``(n,)``."""
    return contest_figures.decide_two(outputs, NAME)


def rows(judged: Judged, options: Mapping[str, float]) -> tuple[Int64, tuple[str, ...]]:
    """Find the row of `CATEGORIES` of each window, ``(n,)``, and notes for the person.

    The rhythm's name and the measured signal decide the row. Rhythms without a row are "other", and so are
    windows whose label (shock or not) contradicts the row of their rhythm.
    """
    names, rate = judged.rhythm, judged.task.sampling_rate
    shock = judged.y_true == contest_figures.POSITIVE
    place = {category: i for i, category in enumerate(CATEGORIES)}
    organised = [name for group in ORGANISED_RHYTHMS.values() for name in group]
    row = np.where(shock, place[OTHER_SHOCK], place[OTHER])
    row[~shock & np.isin(names, NORMAL)] = place[SINUS]
    row[~shock & np.isin(names, organised)] = place[ORGANISED]
    notes = []
    vf, still = shock & np.isin(names, FIBRILLATION), ~shock & np.isin(names, STANDSTILL)
    why = _unsized(judged)
    if why:
        row[vf] = place[UNSIZED]
        row[still] = place[ASYSTOLE]
        notes.append(f"{why}: no coarse, fine or asystole by amplitude; the goals are for surface ECG in mV")
    else:
        sizes = waves.amplitude(judged.x[vf], rate)
        row[vf] = np.where(sizes >= options["vf_amplitude"], place[COARSE], place[FINE])
        quiet = waves.largest(judged.x[still], rate) < ASYSTOLE_MV
        row[still] = np.where(quiet, place[ASYSTOLE], place[OTHER])
        if not quiet.all():
            notes.append(
                f"{np.sum(~quiet)} of {len(quiet)} windows of asystole reach {ASYSTOLE_MV:g} mV:"
                " counted with other non-shockable rhythms"
            )
    vt = shock & np.isin(names, TACHYCARDIA)
    rates = waves.rate_per_minute(judged.x[vt], rate)
    row[vt] = np.where(rates > options["vt_rate"], place[RAPID], place[SLOW])  # NaN is not above
    if np.isnan(rates).any():
        notes.append(f"{np.isnan(rates).sum()} windows of VT show no rate: counted with other VT")
    return row.astype(np.int64), tuple(notes)


def _unsized(judged: Judged) -> str:
    """Say why amplitudes can't be measured in mV; "" where they can."""
    found = sorted(set(np.unique(judged.rhythm).tolist()) & set(ELECTROGRAM))
    if found:
        return f"intracardiac electrograms (rhythm {', '.join(found)})"
    some = judged.x[:: max(1, len(judged.x) // 500)]
    typical = float(np.median(waves.largest(some, judged.task.sampling_rate)))
    if not MILLIVOLTS[0] <= typical <= MILLIVOLTS[1]:
        return f"the typical window is {typical:.3g} high, so the unit is not mV"
    return ""


def verdict(category: Category, right: int, n: int, most: int) -> str:
    """Judge a row: "passed", "failed", "not assessable" or "report only".

    ``right`` of ``n`` windows are called right; ``most`` is the n of the most frequent rhythm of the row, for
    rows in which one rhythm alone must have the least n.

    Example:
        >>> verdict(SINUS, 100, 100, 0), verdict(SINUS, 99, 99, 0)
        ('passed', 'not assessable')
    """
    if category.goal is None or category.limit is None or category.least is None:
        return "report only"
    if (most if category.any_one else n) < category.least:
        return "not assessable"
    found = metrics.clopper_pearson(right, n, LEVEL, one_sided=True)
    return "passed" if found.value > category.goal and found.low >= category.limit else "failed"


def score(judged: Judged, options: Mapping[str, float]) -> Score:
    """Score labels 0 or 1, 1 = shock; ``options`` as in `OPTIONS`.

    Raises InputError without windows.
    """
    table = contest_figures.counted(judged)
    whole = table.pooled()
    row, notes = rows(judged, options)
    records = [r for i in range(len(CATEGORIES)) if (r := _record(i, judged, row == i)) is not None]
    return Score(
        rule=NAME,
        figures=tuple(
            Figure(key, f"{key.replace('_', ' ')}, all windows", one.value, one)
            for key, one in _rates(table).items()
        ),
        tables=(_table(records),),
        options=dict(options),
        details={"confusion": dataclasses.asdict(whole)},
        notes=(*notes, *_notes(judged, options, row)),
    )


def _rates(table: Counts) -> dict[str, Interval]:
    """Sensitivity, specificity and their mean over all windows; 0 where a class has no windows."""
    cells = np.stack([table.tp, table.fn, table.tn, table.fp], axis=1)

    def figures(sums: Floats) -> dict[str, Floats]:
        right, all_ = sums[:, [0, 2]], sums[:, [0, 2]] + sums[:, [1, 3]]
        rates = np.where(all_ > 0, right / np.maximum(all_, 1), np.nan)
        return {
            "sensitivity": rates[:, 0],
            "specificity": rates[:, 1],
            "balanced_accuracy": rates.mean(axis=1),
        }

    return metrics.resampled(cells, figures)


def _record(index: int, judged: Judged, inside: Bools) -> dict[str, object] | None:
    """Count one row; None for an empty row that is not of the standard, whose own are always shown."""
    category = CATEGORIES[index]
    n = int(inside.sum())
    if n == 0 and category in (UNSIZED, OTHER_SHOCK, OTHER):
        return None
    right = int((judged.y_pred[inside] == judged.y_true[inside]).sum())
    names = judged.rhythm[inside]
    most = max((int(np.isin(names, group).sum()) for group in ORGANISED_RHYTHMS.values()), default=0)
    found = metrics.clopper_pearson(right, n, LEVEL, one_sided=True)
    kinds, each = np.unique(names, return_counts=True)
    return {
        "category": category.name,
        "measure": "sensitivity" if category.shock else "specificity",
        "n": n,
        "subjects": len(np.unique(judged.subject[inside])),
        "observed": found.value if n else None,
        "lower_limit": found.low if n else None,
        "goal": category.goal,
        "goal_of_limit": category.limit,
        "least_n": category.least,
        "verdict": verdict(category, right, n, most),
        "rhythms": dict(zip(kinds.tolist(), each.tolist(), strict=True)),
    }


def _table(records: Sequence[dict[str, object]]) -> Table:
    def percent(value: object, mark: str = "") -> str:
        return "" if value is None else f"{mark}{100 * float(value):.4g}%"  # type: ignore[arg-type]

    cells = []
    for r in records:
        observed = "" if r["observed"] is None else f"{100 * r['observed']:.2f}%"  # type: ignore[operator]
        low = "" if r["lower_limit"] is None else f"{100 * r['lower_limit']:.2f}%"  # type: ignore[operator]
        cells.append(
            (
                str(r["category"]),
                "Se" if r["measure"] == "sensitivity" else "Sp",
                str(r["n"]),
                "" if r["least_n"] is None else str(r["least_n"]),
                str(r["subjects"]),
                observed,
                percent(r["goal"], "> "),
                low,
                percent(r["goal_of_limit"], ">= "),
                str(r["verdict"]),
            )
        )
    return Table(
        key="categories",
        header=("rhythm", "", "n", "least n", "subjects", "observed", "goal", "90% low", "limit", "verdict"),
        cells=tuple(cells),
        records=tuple(records),
        beside=("observed", "verdict"),
    )


def _notes(judged: Judged, options: Mapping[str, float], row: Int64) -> tuple[str, ...]:
    lines = [
        f"VF is coarse from {options['vf_amplitude']:g} mV peak to peak, VT rapid above"
        f" {options['vt_rate']:g} a minute, both measured from the signal; flutter counts as VF (our choice)",
        "n are windows: the standard counts one strip a patient, and windows of one subject are alike, so the"
        " lower limits are too favourable where subjects are few",
        "goals and limits are those in manufacturers' manuals; the least n and the limits of the VT rate have"
        " not been compared with the statement of 1997",
    ]
    if np.isin(row, [CATEGORIES.index(RAPID), CATEGORIES.index(SLOW)]).any():
        lines.append(
            "rapid or other VT is uncertain: the rate is the strongest frequency of the spectrum, which a"
            " strong second harmonic doubles; another estimate put 23% of the VT windows of VFDB on the other"
            " side of 150 a minute"
        )
    other = np.isin(row, [CATEGORIES.index(OTHER), CATEGORIES.index(OTHER_SHOCK)])
    names, each = np.unique(judged.rhythm[other], return_counts=True)
    if len(names):
        listed = ", ".join(f"{name or '(no name)'} {count}" for name, count in zip(names, each, strict=True))
        lines.append(f"rhythms in no category of the standard, reported as other: {listed}")
    return tuple(lines)
