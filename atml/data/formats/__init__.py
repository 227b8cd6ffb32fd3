"""Formats of data sets, by name. One module reads one; `base` says what a format has to do.

A format of one's own is one more entry; those added last are asked first whether a set is theirs.
"""

from __future__ import annotations

from atml.data.formats.base import Format
from atml.data.formats.contest_folder import ContestFolder
from atml.data.formats.diagnosis_headers import DiagnosisHeaders
from atml.data.formats.edf_folder import EdfFolder
from atml.data.formats.hdf5 import Hdf5
from atml.data.formats.kaggle_pages import KagglePages
from atml.data.formats.made_pages import MadePages
from atml.data.formats.matlab_struct import MatlabStruct
from atml.data.formats.npz import Npz
from atml.data.formats.parquet import Parquet
from atml.data.formats.physionet_challenge import PhysionetChallenge
from atml.data.formats.picture_headers import PictureHeaders
from atml.data.formats.picture_table import PictureTable
from atml.data.formats.recording_table import RecordingTable
from atml.data.formats.wfdb_folder import WfdbFolder

FORMATS: dict[str, type[Format]] = {
    "contest": ContestFolder,
    "wfdb": WfdbFolder,
    "dx": DiagnosisHeaders,
    "edf": EdfFolder,
    "cinc2017": PhysionetChallenge,
    "matlab": MatlabStruct,
    "npz": Npz,
    "hdf5": Hdf5,
    "parquet": Parquet,
    "table": RecordingTable,
    "pictures": PictureTable,
    "cinc2024": PictureHeaders,
    "kaggle": KagglePages,
    "pages": MadePages,
}
"""Name -> format. Names go into those of parsed copies."""
