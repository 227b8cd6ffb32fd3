from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

import atml
from atml import StudyError, TaskFileError
from tests import terminal

EXPORT = Path("exports/small/97-91-t0138")


def test_it_counts_and_says_what_the_command_line_does(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    monkeypatch.setenv("ATML_STORAGE", f"sqlite:///{tmp_path / 'counted.db'}")
    model = atml.load(EXPORT)
    found = atml.score(model, "afib.npz")
    assert found.evaluation == 1 and (tmp_path / "counted.db").is_file()
    theirs = terminal.run(earlier, "score", EXPORT, "--data", "afib.npz")
    assert theirs.returncode == 0, theirs.stderr
    again = atml.score(str(EXPORT), [Path("afib.npz")], rule="iesd2024")
    assert again.evaluation == 3
    assert found.file is not None and json.loads(found.file.read_text())["F"] == found["F"]

    def figures(text: str) -> list[str]:
        return [line for line in text.splitlines() if " test set" not in line and "written" not in line]

    assert figures(str(found)) == figures(theirs.stdout) == figures(str(again))
    assert found.to_dict()["F"] == found.figures["F"] == pytest.approx(0.5959025)
    low, high = found.intervals["F"]
    assert low <= found["F"] <= high
    with pytest.raises(KeyError, match="no figure 'nothing'"):
        _ = found["nothing"]


def test_subjects_add_up_to_the_figures(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    found = atml.score(
        EXPORT, "afib.npz", storage=f"sqlite:///{tmp_path / 's.db'}", latency_ms=3.0, size_kib=12.0
    )
    rows = found.subjects
    assert rows["windows"].sum() == found.report.segments and len(rows) == found.report.subjects
    assert rows["correct"].sum() / rows["windows"].sum() == pytest.approx(found["accuracy"])
    for word in ("true", "decided"):
        assert (rows[[f"{word}_other", f"{word}_AF"]].sum(axis=1) == rows["windows"]).all()
    table = {row["subject"]: row for row in found.to_dict()["subjects"]}
    assert rows.set_index("subject")["true_AF"].to_dict() == {k: v["tp"] + v["fn"] for k, v in table.items()}
    assert rows.set_index("subject")["decided_AF"].to_dict() == {
        k: v["tp"] + v["fp"] for k, v in table.items()
    }
    assert found.total is not None and 0 < found.total <= 80


def test_an_evaluation_that_cannot_be_counted_shows_no_figure(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    (tmp_path / "no.db").write_text("this is no database")
    before = set((earlier / EXPORT).rglob("*.json"))
    with pytest.raises(StudyError):
        atml.score(EXPORT, "afib.npz", storage=f"sqlite:///{tmp_path / 'no.db'}")
    assert set((earlier / EXPORT).rglob("*.json")) == before


def test_a_task_of_another_folder_is_named(earlier: Path, tmp_path: Path) -> None:
    with contextlib.chdir(tmp_path), pytest.raises(TaskFileError, match=r"nothing\.py is not a file"):
        atml.score(earlier / EXPORT, earlier / "afib.npz", objective="nothing.py")
