"""A study's paths after its folder was moved: the longest ending that is there, and only the thing itself."""

from __future__ import annotations

import hashlib
from pathlib import Path

from atml.storage import moved


def test_what_is_there_stays(tmp_path: Path) -> None:
    assert moved.found_again(tmp_path, [tmp_path / "a"]) == tmp_path


def test_the_longest_ending_is_taken(tmp_path: Path) -> None:
    for name in ("exports/s/m", "s/m", "m"):
        (tmp_path / name).mkdir(parents=True)
    gone = Path("/gone/work/exports/s/m")
    assert moved.found_again(gone, [tmp_path]) == tmp_path / "exports/s/m"
    assert moved.found_again(Path("/gone/else/s/m"), [tmp_path]) == tmp_path / "s/m"
    assert moved.found_again(Path("/gone/nothing"), [tmp_path]) == Path("/gone/nothing")


def test_a_relative_path_is_one_below_the_database(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    assert moved.found_again(Path("exports"), [tmp_path]) == tmp_path / "exports"


def test_an_export_is_found_by_its_model(tmp_path: Path) -> None:
    gone = Path("/gone/exports/s/m")
    for name, model in (("exports/s/m", b"another"), ("s/m", b"mine")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "model.onnx").write_bytes(model)
    digest = hashlib.sha256(b"mine").hexdigest()
    assert moved.export(gone, digest, [tmp_path]) == tmp_path / "s/m"
    assert moved.export(gone, "0" * 64, [tmp_path]) == gone


def test_settings_of_version_0_1_hold_one_path_of_data(tmp_path: Path) -> None:
    (tmp_path / "vfdb").mkdir()
    place = str(tmp_path / "vfdb")
    assert moved.settings({"data": "/gone/vfdb"}, [tmp_path])["data"] == place
    assert moved.settings({"data": ["/gone/vfdb", "/gone/x"]}, [tmp_path])["data"] == [place, "/gone/x"]
    assert moved.settings({"data": None}, [tmp_path]) == {"data": None}
