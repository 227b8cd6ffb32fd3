"""Real twelve-lead records as a source of pages: WFDB folders, leads by name, labels by their headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atml.arrays import Float32
from atml.data.file_tree import find
from atml.data.formats import wfdb_header, wfdb_record
from atml.data.formats.diagnosis_headers import diagnoses
from atml.data.leads import NoLead, meant
from atml.data.rates import resampled
from atml.errors import DataError
from atml.pages.condition_codes import labels
from atml.pages.dipole_heart import RATE, SAMPLES, SECONDS
from atml.pages.twelve_leads import LEADS


@dataclass(frozen=True)
class Record:
    """A record of a folder, and what its header says of each condition, None where it says nothing."""

    folder: Path
    name: str
    labels: dict[str, int | None]


def records(folder: Path) -> list[Record]:
    """Return the WFDB records in a folder and below, by name.

    Raises:
        DataError: There is no such folder, or no record in it.
    """
    if not folder.is_dir():
        raise DataError(f"--records {folder} is no folder; name one that holds WFDB records of twelve leads")
    names = sorted(name[:-4] for name in find(folder).names if name.lower().endswith(".hea"))
    if not names:
        raise DataError(f"--records {folder} holds no WFDB record: no file ends with .hea")
    return [Record(folder, name, labels(diagnoses(folder / f"{name}.hea"))) for name in names]


def signal(record: Record) -> Float32:
    """Read a record: ``(12, samples)`` in mV at `dipole_heart.RATE`, whole microvolts, leads as in `LEADS`.

    Raises:
        wfdb_header.Unusable: It is damaged, lacks a lead, is too short, or misses samples.
        MissingExtraError: The package wfdb is not installed.
    """
    head = wfdb_header.header(record.folder, record.name)
    try:
        leads = meant(head.leads, LEADS)
    except NoLead as error:
        detail = f"has no lead {error.entry}; its leads are {', '.join(head.leads)}"
        raise wfdb_header.Unusable("lead", f"{record.name}.hea", detail) from None
    x = wfdb_record.signal(record.folder, head, leads)
    if not np.isfinite(x).all():
        raise wfdb_header.Unusable("signal", record.name, "misses samples")
    out = resampled(x, head.rate, RATE)
    if out.shape[1] < SAMPLES:
        detail = f"is {out.shape[1] / RATE:.3g} s long; a page needs {SECONDS} s"
        raise wfdb_header.Unusable("length", record.name, detail)
    return np.asarray(np.round(out, 3), np.float32)


def safe(name: str) -> str:
    """Return a record's name as the name of files: letters, digits, dots, dashes and underscores.

    Example:
        >>> safe("g1/00001 a")
        'g1-00001-a'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".") or "record"
