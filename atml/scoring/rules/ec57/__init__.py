"""Beats compared with a reference as ANSI/AAMI EC57 does, record by record and over records; pure.

`compare` counts one record, `aggregate` takes records together (Gross and Average), `text` writes the
reports that other programs read, `intervals` resamples people. A `BeatTable` has all of it for a set of
records, `files` makes a whole report, `reports` and `differences` read an earlier one. `OFFICIAL` maps
symbols to the classes N S V F Q; `ESCAPES_AS_N` has atrial and junctional escape beats as N.

It judges the annotations of whole records. What a model makes of records, `atml.scoring.rules.beat_by_beat`
compares by it: that is the rule of the same name.

Counts and printed figures are those of the comparator of the WFDB software package, version 10.7, byte for
byte, in its oddities too: they are told where they are computed.
"""

from atml.scoring.rules.ec57.annotator import CLASSES, ESCAPES_AS_N, OFFICIAL
from atml.scoring.rules.ec57.comparison import Comparison, Pairs, compare
from atml.scoring.rules.ec57.figures import FIGURES, NAMES, RR, Aggregate, aggregate, of_record
from atml.scoring.rules.ec57.intervals import intervals
from atml.scoring.rules.ec57.settings import Settings
from atml.scoring.rules.ec57.table import ROWS, BeatTable, files

__all__ = [
    "CLASSES",
    "ESCAPES_AS_N",
    "FIGURES",
    "NAMES",
    "OFFICIAL",
    "ROWS",
    "RR",
    "Aggregate",
    "BeatTable",
    "Comparison",
    "Pairs",
    "Settings",
    "aggregate",
    "compare",
    "files",
    "intervals",
    "of_record",
]
