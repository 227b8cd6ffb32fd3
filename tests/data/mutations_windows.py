"""Small sets of windows with something odd about them: HDF5, MATLAB 7.3, Parquet, archives."""

from __future__ import annotations

import io
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.data.mutations import Draw, Row, hit, people, rarely, wave
from tests.data.mutations_recordings import Asked

RATE = 250


def arrays(draw: Draw) -> tuple[dict[str, Any], list[Row]]:
    """Draw eight windows by the names of their arrays, and what has to come out."""
    names = people(draw) + people(draw)
    if draw(st.booleans()):
        names = [f"P{at // 2}" for at in range(8)]
    splits = rarely(draw, ["train"] * 4 + ["test"] * 4, ["Train "] * 4 + ["TEST"] * 4, of=2)
    x = np.stack([wave(at) for at in range(8)])
    told = [split.strip().lower() for split in splits] if splits else [""] * 8
    rows = [Row(told[at], names[at], at % 2, x[at]) for at in range(8)]
    held: dict[str, Any] = {"x": x, "subject": names}
    if draw(st.booleans()):
        held["y"] = np.arange(8) % 2
    else:
        held["rhythm"] = ["N", "AFIB"] * 4
    if splits:
        held["split"] = splits
    if (rate := rarely(draw, RATE, float(RATE), 249.5, 0, np.nan)) is not None:
        held["sampling_rate"] = rate
    return held, rows


def renamed(draw: Draw, held: dict[str, Any]) -> dict[str, Any]:
    """Call arrays as others do."""
    others = {
        "x": ["ecg", "Signals", "X"],
        "subject": ["patient_id", "Patient", "subject_id"],
        "y": ["label", "labels"],
        "rhythm": ["label", "Rhythm"],
        "sampling_rate": ["fs", "rate"],
    }
    return {rarely(draw, *others.get(name, [name]), usual=name, of=3): value for name, value in held.items()}


def hdf5(draw: Draw, folder: Path) -> Asked:
    """Draw an HDF5 file: text of many kinds, columns, attributes, compression, chunks."""
    import h5py

    held, rows = arrays(draw)
    held["x"] = held["x"].astype(rarely(draw, ">f4", ">f8", "<f4", usual="<f8"))
    gone = rarely(draw, *held, of=12)
    kind = draw(st.sampled_from(["text", "bytes", "latin", "fixed"]))
    file = folder / f"set{rarely(draw, '.HDF5', '.hdf5', usual='.h5')}"
    with h5py.File(file, "w") as opened:
        for name, value in renamed(draw, {key: value for key, value in held.items() if key != gone}).items():
            if np.ndim(value) == 0:
                if draw(st.booleans()):
                    opened.attrs[name] = value
                else:
                    opened[name] = value
            elif isinstance(value, list):
                _text(draw, opened, name, value, kind)
            else:
                packed = value.ndim == 2 and draw(st.booleans())
                value = value[:, None] if value.ndim == 1 and draw(st.booleans()) else value
                opened.create_dataset(name, data=value, **({"compression": "gzip"} if packed else {}))
        if draw(st.booleans()):
            opened.create_group("other")["x"] = np.zeros(3)
    if gone == "split":
        rows = [Row("", row.subject, row.klass, row.x) for row in rows]
    return file, _known(draw, file, held, rows), {}


def _text(draw: Draw, file: Any, name: str, values: list[str], kind: str) -> None:
    """Store text as letters, as bytes of either encoding, or in places of one width."""
    import h5py

    data: Any = values
    if kind in ("latin", "bytes"):
        try:
            data = [value.encode("latin-1" if kind == "latin" else "utf-8") for value in values]
        except UnicodeEncodeError:
            data = values
    if kind == "fixed":
        data = np.array([value.encode() for value in values])
        data = data[:, None] if draw(st.booleans()) else data
        file[name] = data
    else:
        file.create_dataset(name, data=np.array(data, object), dtype=h5py.string_dtype())


def _known(draw: Draw, file: Path, held: dict[str, Any], rows: list[Row]) -> list[Row] | None:
    """Return what has to come out, None where bytes of the file were changed or windows are resampled."""
    changed = _hit(draw, file)
    return None if changed or held.get("sampling_rate") == 249.5 else rows


def _hit(draw: Draw, file: Path) -> bool:
    """Rarely change bytes of a file; return whether any changed."""
    if draw(st.integers(1, 3)) > 1:
        return False
    before = file.read_bytes()
    file.write_bytes(hit(draw, before))
    return before != file.read_bytes()


def matlab73(draw: Draw, folder: Path) -> Asked:
    """Draw a file of MATLAB's version 7.3: matrices transposed, texts as numbers, cells as references."""
    import h5py

    held, rows = arrays(draw)
    file = folder / "set.mat"

    def char(opened: Any, place: str, value: str) -> Any:
        units = np.frombuffer(value.encode("utf-16-le"), "<u2")
        item = opened.create_dataset(place, data=units[:, None] if len(units) else np.zeros(2, np.uint64))
        item.attrs["MATLAB_class"] = np.bytes_("char")
        if not len(units):
            item.attrs["MATLAB_empty"] = 1
        return item

    with h5py.File(file, "w", userblock_size=512) as opened:
        for name, value in held.items():
            if isinstance(value, list):
                parts = [char(opened, f"#refs#/{name}{at}", one).ref for at, one in enumerate(value)]
                shape = (1, 8) if draw(st.booleans()) else (8, 1)
                item = opened.create_dataset(name, data=np.array(parts, h5py.ref_dtype).reshape(shape))
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                item = opened.create_dataset(name, data=np.atleast_2d(value).T)
                item.attrs["MATLAB_class"] = np.bytes_(
                    "int64" if np.asarray(value).dtype.kind == "i" else "double"
                )
    with file.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return file, _known(draw, file, held, rows), {}


def parquet(draw: Draw, folder: Path) -> Asked:
    """Draw Parquet: samples in lists or in columns, text of many kinds, one file or several."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    held, rows = arrays(draw)
    columns: dict[str, Any] = {}
    kind = draw(st.sampled_from(["text", "bytes", "latin", "dictionary", "large"]))
    for name, value in held.items():
        if name == "x":
            number = draw(st.sampled_from([pa.float32(), pa.float64()]))
            shape = draw(st.sampled_from(["list", "fixed", "large", "columns"]))
            lists = value.tolist()
            if shape == "columns":
                columns |= {str(at): pa.array(value[:, at], number) for at in range(value.shape[1])}
                continue
            if draw(st.integers(1, 12)) == 1:
                lists[3] = draw(st.sampled_from([None, lists[3][:-1], [None, *lists[3][1:]]]))
                rows = None  # type: ignore[assignment]
            whole = all(row is not None and len(row) == 100 for row in lists)
            of = {"list": pa.list_(number), "large": pa.large_list(number), "fixed": pa.list_(number, 100)}
            columns[name] = pa.array(lists, of[shape if whole else "list"])
        elif np.ndim(value) == 0:
            columns[name] = pa.array([value] * 8)
        elif isinstance(value, list):
            columns[name] = _strings(pa, value, kind)
        else:
            columns[name] = pa.array(value, draw(st.sampled_from([pa.int8(), pa.int64(), pa.bool_()])))
    if draw(st.integers(1, 10)) == 1:
        gone = draw(st.sampled_from(sorted(columns)))
        columns.pop(gone)
        rows = None  # type: ignore[assignment]
    table = pa.table(renamed(draw, columns))
    packing = draw(st.sampled_from(["snappy", "gzip", "none"]))
    if draw(st.booleans()):
        pq.write_table(table, folder / "set.parquet", compression=packing)
        return folder / "set.parquet", _known(draw, folder / "set.parquet", held, rows), {}
    root = folder / "set"
    root.mkdir()
    cut = draw(st.sampled_from([1, 4, 8]))
    for at in range(0, 8, cut):
        pq.write_table(table.slice(at, cut), root / f"part-{at}.parquet", compression=packing)
    (root / "._part-0.parquet").write_bytes(b"\0\5\x16\7")
    file = draw(st.sampled_from(sorted(root.glob("part*"))))
    return root, _known(draw, file, held, rows), {}


def _strings(pa: Any, values: list[str], kind: str) -> Any:
    if kind == "dictionary":
        return pa.array(values).dictionary_encode()
    if kind == "large":
        return pa.array(values, pa.large_string())
    if kind in ("bytes", "latin"):
        try:
            return pa.array([value.encode("latin-1" if kind == "latin" else "utf-8") for value in values])
        except UnicodeEncodeError:
            pass
    return pa.array(values)


TARS = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def archives(draw: Draw, folder: Path) -> Asked:
    """Draw contest text in a zip or a tar whose members have odd names, come twice, are links or are cut."""
    ending = draw(st.sampled_from([".zip", *TARS]))
    above = rarely(draw, "set/", "./", "a/b/", "/root/", "C:/set/", "../", "./../", usual="")
    members: list[tuple[str, bytes | str]] = []
    rows: list[Row] | None = []
    plain: dict[str, bytes] = {}
    for split in draw(st.sampled_from([("train", "test"), ("train",)])):
        for at, name in enumerate(people(draw)):
            x = wave(len(plain))
            text = "".join(f"{value:.3f}\n" for value in x).encode()
            member = f"{above}{split}_data/{name}-{('N', 'AFIB')[at % 2]}-{len(plain)}.txt"
            plain[member] = text
            rows.append(Row(split, name, at % 2, x))
            members.append((member, text))
    odd = rarely(draw, "twice", "again", "link", "hard", "outside", "inside", "around", of=2)
    first = members[0][0]
    if odd == "twice":
        members.append((first, members[0][1]))
    elif odd == "again":  # what an update of a tar adds
        members.append((first, b"".join(b"%.3f\n" % value for value in wave(77))))
        rows = None
    elif odd in ("link", "hard"):
        # One file is there as a link to what lies beside the splits.
        members[0] = (f"{above}store/a.bin", members[0][1])
        members.append((first, f"{odd}:{above}store/a.bin"))
    elif odd == "outside":
        members[0] = (first, "link:../../../etc/hostname")
        rows = None
    elif odd == "inside":
        members[0] = (first.replace("_data/", "_data/../train_data/"), members[0][1])
        rows = None
    elif odd == "around":
        members.append((first.replace("_data/", "_data/./"), members[0][1]))
        rows = None
    file = folder / f"set{ending}"
    if ending == ".zip":
        slash = rarely(draw, "\\", usual="/")
        with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
            warnings.simplefilter("ignore")  # of names that are there twice
            for name, body in members:
                info = zipfile.ZipInfo(name)
                info.filename = name.replace("/", slash)
                if isinstance(body, str):  # its text is where it points to
                    info.external_attr = 0o120777 << 16
                    rows, body = None, body.partition(":")[2].encode()
                archive.writestr(info, body)
    else:
        with tarfile.open(file, TARS[ending], format=draw(st.sampled_from([0, 1, 2]))) as tar:
            for name, body in members:
                entry = tarfile.TarInfo(name)
                if isinstance(body, str):
                    how, _, entry.linkname = body.partition(":")
                    entry.type = tarfile.LNKTYPE if how == "hard" else tarfile.SYMTYPE
                    if how == "link" and "store" in entry.linkname:
                        entry.linkname = "../store/a.bin"
                    tar.addfile(entry)
                else:
                    entry.size = len(body)
                    tar.addfile(entry, io.BytesIO(body))
    if _hit(draw, file) and ending == ".tar":  # has no sums of what it holds
        rows = None
    return file, rows, {}


WINDOWS = {
    "HDF5": hdf5,
    "MATLAB 7.3": matlab73,
    "Parquet": parquet,
    "archives": archives,
}
