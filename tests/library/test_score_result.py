from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest

import atml
from atml import InputError, StudyError, TaskFileError
from atml.library.score_result import by_subject
from tests import terminal, tiny
from tests.scoring import rhythm
from tests.scoring.conftest import decisions

EXPORT = Path("exports/small/97-91-t0138")


def test_it_counts_and_says_what_the_command_line_does(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    monkeypatch.setenv("ATML_STORAGE", f"sqlite:///{tmp_path / 'counted.db'}")
    model = atml.load(EXPORT)
    found = atml.score(model, "afib.npz")
    # Version 0.1 scored it before: the second evaluation then, by the report that lies beside the model.
    assert found.evaluation == 3 and (tmp_path / "counted.db").is_file()
    theirs = terminal.run(earlier, "score", EXPORT, "--data", "afib.npz")
    assert theirs.returncode == 0, theirs.stderr
    again = atml.score(str(EXPORT), [Path("afib.npz")], rule="iesd2024")
    assert again.evaluation == 5
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
    assert rows["windows"].sum() == found.report.windows and len(rows) == found.report.subjects
    assert rows["correct"].sum() / rows["windows"].sum() == pytest.approx(found["accuracy"])
    for word in ("true", "decided"):
        assert (rows[[f"{word}_other", f"{word}_AF"]].sum(axis=1) == rows["windows"]).all()
    table = {row["subject"]: row for row in found.to_dict()["subjects"]}
    assert rows.set_index("subject")["true_AF"].to_dict() == {k: v["tp"] + v["fn"] for k, v in table.items()}
    assert rows.set_index("subject")["decided_AF"].to_dict() == {
        k: v["tp"] + v["fp"] for k, v in table.items()
    }
    assert found.total is not None and 0 < found.total <= 80


def test_subjects_are_counted_in_records_where_the_rule_judges_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder, text in (("objectives", rhythm.OBJECTIVE), ("search_spaces", tiny.SPACE)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rhythm.py").write_text(text.replace("STEPS", "5"))
    model = rhythm.exported(tmp_path / "exports").path.parent
    data = rhythm.save(tmp_path / "data.npz", rhythm.dataset(records=6, seed=1, prefix="T"))
    for rule in ("records", "cinc2017"):
        found = atml.score(model, data, rule=rule)
        rows = found.subjects.set_index("subject")
        assert list(rows.columns)[:3] == ["records", "correct", "accuracy"]
        assert rows["records"].to_dict() == {f"T0{i}": 1 for i in range(6)}  # of five windows each
        assert rows["true_N"].to_dict() == {f"T0{i}": int(i % 3 == 0) for i in range(6)}
        assert rows["accuracy"].mean() == pytest.approx(found["accuracy"])
        assert (rows[["decided_N", "decided_AF", "decided_O"]].sum(axis=1) == rows["records"]).all()


def test_a_subject_may_have_several_records() -> None:
    logits = np.array([[0, 3], [1, 0], [1, 0], [2, 0], [0, 1]], np.float32)
    judged = decisions(
        [1, 1, 0, 0, 0], logits.argmax(1), ["A", "A", "A", "B", "B"], logits=logits,
        record=np.array(["a", "a", "b", "c", "c"]),
    )  # fmt: skip
    rows = by_subject(judged, records=True)
    assert rows.to_dict("list") == {
        "subject": ["A", "B"],
        "records": [2, 1],
        "correct": [2, 1],
        "accuracy": [1.0, 1.0],
        "true_no": [1, 1],
        "true_yes": [1, 0],
        "decided_no": [1, 1],
        "decided_yes": [1, 0],
    }
    assert by_subject(judged, records=False)["correct"].tolist() == [2, 1]


def test_a_rule_of_a_file_takes_its_options(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(earlier)
    (earlier / "rules").mkdir()
    (earlier / "rules" / "limit.py").write_text(
        "from atml import Figure, Score\n"
        "OPTIONS = {'least': 2}\n"
        "def score(judged, options):\n"
        "    return Score(figures=(Figure('least', 'least', options['least']),))\n"
    )
    storage = f"sqlite:///{tmp_path / 's.db'}"
    found = atml.score(EXPORT, "afib.npz", rule="limit", rule_options={"least": 5}, storage=storage)
    assert found["least"] == 5
    with pytest.raises(InputError, match=r"rule limit has no option 'vt_rate'; it has least \(default 2\)"):
        atml.score(EXPORT, "afib.npz", rule="limit", vt_rate=180, storage=storage)


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
