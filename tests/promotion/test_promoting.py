"""A challenger is judged on people whom nobody was trained on, by a margin that is written down first."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml import cli
from atml.comparison.judging import by_subject
from atml.metrics import paired
from atml.promotion.log import PromotionLog
from atml.scoring.evaluation import judge_export
from atml.storage import Store
from tests.promotion.conftest import people

LOG, POINTER = "promotions.jsonl", "champion.json"


def promote(*words: object) -> int:
    return cli.run(["promote", *map(str, words)])


def entries(file: str = LOG) -> list[dict[str, Any]]:
    return [dict(entry) for entry in PromotionLog(Path(file)).entries()]


def in_service() -> str:
    return Path(json.loads(Path(POINTER).read_text())["export"]).name


def evaluations(here: Path) -> int:
    return sum(len(list((here / name / "scores").glob("*.json"))) for name in ("good", "fair", "bad", "twin"))


def test_a_better_challenger_is_promoted_and_taken_back(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("good", "--over", "bad", "--test", "frozen.npz", "--new", "new.npz", "--margin", 0.03)
    assert promote(*words) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"promoted: {here / 'good'} takes the place of {here / 'bad'}\n")
    assert "better on the frozen set, better on new people; margin 0.03, by objective:" in said
    assert "first and second evaluation of it" in said and "back: atml promote --back" in said
    assert in_service() == "good"
    begun, decided = entries()
    assert (begun["event"], begun["margin"], begun["asked"], begun["changed"]) == (
        "begun",
        0.03,
        "better",
        [],
    )
    assert (decided["event"], decided["of"], decided["outcome"]) == ("decided", 1, "promoted")
    assert begun["frozen"]["subjects"] == 9 and begun["new"]["subjects"] == 8
    assert len(begun["frozen"]["sha256"]) == len(begun["champion"]["sha256"]) == 64
    assert decided["frozen"]["evaluations"] == [1, 2] == decided["new"]["evaluations"]
    text = Path(LOG).read_text()
    assert not any(f'"{who}"' in text for who in ("T0", "U0")), "a log names nobody"
    # The figures are those of the models on these very windows, paired by subject.
    value, low, high = decided["frozen"]["difference"]
    pending = [
        judge_export(here / name, here / "frozen.npz", label={"AFIB": 1, "N": 0}.get, rule="iesd2024")
        for name in ("good", "bad")
    ]
    first, second = (by_subject(one, "iesd2024")[1]["F-beta"] for one in pending)
    told = paired.difference(first, second)
    assert value == pytest.approx(told.value.value, abs=1e-4)
    assert low <= told.value.low + 1e-4 and high >= told.value.high - 1e-4

    assert promote("--back") == 0
    assert f"back: {here / 'bad'} is in service, {here / 'good'} is not any more" in capsys.readouterr().out
    assert in_service() == "bad" and [one["event"] for one in entries()] == ["begun", "decided", "back"]
    assert promote("--back") == 2
    assert "nothing to go back to" in capsys.readouterr().err
    assert promote() == 0
    said = capsys.readouterr().out
    assert (
        said.startswith(f"in service: {here / 'bad'} since entry 3") and "promoted" in said and "back" in said
    )
    assert promote("--json") == 0
    assert json.loads(capsys.readouterr().out)["in_service"]["export"] == str(here / "bad")


def test_evaluations_count_as_ever(here: Path) -> None:
    assert promote("fair", "--over", "bad", "--test", "frozen.npz", "--new", "new.npz") == 0
    assert evaluations(here) == 4
    assert cli.run(["score", "fair", "--data", "frozen.npz"]) == 0
    assert json.loads((here / "fair" / "scores" / "iesd2024-3.json").read_text())["look"] == 3
    store = Store(f"sqlite:///{here / 'studies.db'}")
    frozen, new = ({letter: [f"{letter}{n}" for n in range(8)]} for letter in "TU")
    assert len(store.evaluations_of("", {"frozen": frozen["T"]})) == 3
    assert len(store.evaluations_of("", {"new": new["U"]})) == 2
    store.close()


def test_one_that_is_worse_or_no_better_is_kept_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote("bad", "--over", "good", "--test", "frozen.npz") == 0
    assert "kept:" in (said := capsys.readouterr().out) and "worse on the frozen set" in said
    assert in_service() == "good"
    assert promote("twin", "--test", "frozen.npz", "--new", "new.npz") == 0
    said = capsys.readouterr().out
    assert f"kept: {here / 'good'} stays in service, {here / 'twin'} does not" in said
    assert "no gain as large as the margin of 0.02 on new people" in said
    assert "1 other challenger was judged on this frozen set: the best of several looks better" in said
    assert "third and fourth evaluation of it" in said
    # No worse is enough for one who asks for no more; that it is asked after a look is said.
    assert promote("twin", "--test", "frozen.npz", "--new", "new.npz", "--need", "no-worse") == 0
    said = capsys.readouterr().out
    assert said.startswith("promoted") and "no worse on the frozen set, no worse on new people" in said
    assert "what has to be shown was changed after a look: better in entry 3, no-worse now" in said
    assert in_service() == "twin"


def test_a_margin_that_is_changed_after_a_look_is_said(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("fair", "--over", "good", "--test", "frozen.npz")
    assert promote(*common, "--margin", 0.01) == 0
    first = capsys.readouterr().out
    assert "changed after a look" not in first and not first.startswith("promoted")
    came = entries()[1]["outcome"]
    assert promote(*common, "--margin", 0.9, "--need", "no-worse", "--by", "accuracy", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    for says in (
        "the margin was changed after a look: 0.01 in entry 1, 0.9 now",
        "the figure was changed after a look: objective in entry 1, accuracy now",
        f"this challenger was judged once before, last in entry 1: {came}",
    ):
        assert says in found["notes"]
    assert found["outcome"] == "promoted" and found["margin"] == 0.9
    assert entries()[2]["changed"] == found["notes"][:4]
    assert promote() == 0
    assert "the margin was changed after a look: 0.01 in entry 1, 0.9 now" in capsys.readouterr().out


def test_another_frozen_set_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote("fair", "--over", "good", "--test", "frozen.npz") == 0
    people(here / "frozen.npz", "T", split="test", seed=5)
    assert promote("twin", "--test", "frozen.npz") == 0
    assert "the frozen test set is another than in entry 1" in capsys.readouterr().out


def test_few_people_decide_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people(here / "few.npz", "F", subjects=5)
    assert promote("good", "--over", "bad", "--test", "few.npz") == 0
    said = capsys.readouterr().out
    assert said.startswith(f"can't be told: {here / 'bad'} stays in service")
    assert "5 subjects of the frozen set are too few, it takes 6" in said


def test_people_who_were_trained_on_are_refused(
    here: Path, trained_on: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = people(here / "bare.npz", "T")
    mine = trained_on("leaky", "T", "S")
    assert promote(mine, "--over", "bad", "--test", frozen) == 2
    said = capsys.readouterr().err
    assert f"{mine} was trained on people of the frozen test set bare: T0, T1, T2, T3;" in said
    assert promote("bad", "--over", mine, "--test", frozen) == 2
    assert f"{mine} was trained on people of the frozen test set bare: T0, T1" in capsys.readouterr().err
    assert promote(mine, "--over", "bad", "--test", "frozen.npz") == 2
    assert "trained on subjects of this test set: T0, T1, T2, T3" in capsys.readouterr().err
    # Of new people whom a model was trained on only the others are judged.
    new = people(here / "mixed.npz", "U", subjects=12)
    known = trained_on("mixed", "U", "S")
    assert promote(known, "--over", "bad", "--test", "frozen.npz", "--new", new) == 0
    assert entries()[0]["new"]["subjects"] == 8
    assert "only the 8 subjects whom none of the models was trained on" in capsys.readouterr().out
    both = trained_on("both", "T", "U")
    assert promote(both, "--test", "frozen.npz", "--log", here / "x" / "log") == 2
    assert not Path("x").exists()


def test_the_held_out_people_of_the_champions_own_set_are_a_frozen_set(
    here: Path, trained_on: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The set does not tell train from test: whom both were trained on is left out, the rest is judged."""
    own = people(here / "waves.npz", "S", subjects=16)
    assert promote("good", "--over", "bad", "--test", own) == 0
    assert entries()[0]["frozen"]["subjects"] == 8
    more = trained_on("more", "S", "V")  # S0 to S3 as the champion, V4 to V7
    assert promote(more, "--over", "good", "--test", own) == 0
    capsys.readouterr()


def test_bad_input_is_one_line_and_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], clinic: Path
) -> None:
    people(here / "again.npz", "T", subjects=10, seed=3)
    shutil.copytree(here / "good", here / "copy")
    (here / "text").mkdir()
    (here / "other").mkdir()
    Path("objectives/other.py").write_text(
        Path("objectives/tiny.py").read_text().replace('name="tiny"', 'name="other"')
    )
    over = ("--over", "bad", "--test", "frozen.npz")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("good", "--over", "good", "--test", "frozen.npz"), "are the same model"),
        (("good", "--over", "copy", "--test", "frozen.npz"), "are the same model"),
        (("text", *over), "text holds no model.onnx"),
        (("nothing", *over), "nothing does not exist"),
        (("frozen.npz", *over), "is not an ONNX file"),
        (("good", "--test", "frozen.npz"), "nothing is in service yet: name the champion with --over"),
        (("good", "--over", "bad"), "name the frozen test set with --test"),
        (("good", *over, "--margin", 1.5), "--margin 1.5: must be 1 or less"),
        (("good", *over, "--margin", -0.1), "--margin -0.1: must be 0 or more"),
        (("good", *over, "--margin", "some"), "must be a number"),
        (("good", *over, "--by", "beauty"), "--by 'beauty' is no figure here; known: objective, accuracy"),
        (("good", *over, "--need", "more"), "--need more: what has to be shown is better or no-worse"),
        (("good", *over, "--new", "again.npz"), "in the frozen test set and among the new people: T0, T1"),
        (("good", *over, "--new", "nowhere"), "nowhere"),
        (("good", *over, "--log", "nowhere/log"), "--log nowhere/log can't be written"),
        (("good", *over, "--log", "text"), "--log text can't be"),
        (("good", *over, "--rule", "none-such"), "none-such"),
        (("--back", *over), "--over with --back"),
        (("--back",), "nothing to go back to"),
        ((), "nothing was promoted yet in promotions.jsonl"),
        (over, "--over with no CHALLENGER"),
    ]
    for words, says in cases:
        assert promote(*words) == 2, words
        said = capsys.readouterr().err
        assert says in said and said.count("\n") == 1, (words, said)
    assert not Path(LOG).exists() and not Path(POINTER).exists() and evaluations(here) == 0
    assert not Path("studies.db").exists()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("task", "other", "task tiny and other"),
        ("classes", '["AF","other"]', "classes other and AF and AF and other"),
        ("sampling_rate", "60", "windows 2 s and 1.66667 s"),
        ("window", "120", "windows 2 s and 2.4 s"),
    ],
)
def test_exports_of_other_tasks_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], field: str, value: str, says: str
) -> None:
    import onnx

    proto = onnx.load(here / "bad" / "model.onnx")
    for prop in proto.metadata_props:
        if prop.key == field:
            prop.value = value
    onnx.save(proto, here / "changed.onnx")
    assert promote("good", "--over", "changed.onnx", "--test", "frozen.npz") == 2
    said = capsys.readouterr().err
    assert "can't be compared" in said and says in said and said.count("\n") == 1


def test_one_that_does_not_tell_whom_it_was_trained_on_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnx

    proto = onnx.load(here / "good" / "model.onnx")
    for prop in proto.metadata_props:
        if prop.key == "hashes":
            prop.value = ""
    onnx.save(proto, here / "alone.onnx")
    assert promote("alone.onnx", "--over", "bad", "--test", "frozen.npz") == 2
    assert "alone.onnx does not tell whom it was trained on" in capsys.readouterr().err
    shutil.copy(here / "good" / "model.onnx", here / "alone.onnx")
    assert promote("alone.onnx", "--over", "bad", "--test", "frozen.npz") == 0
    assert "a file alone carries no count" in capsys.readouterr().out


def test_only_the_one_in_service_can_be_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote("good", "--over", "bad", "--test", "frozen.npz") == 0
    assert promote("twin", "--over", "bad", "--test", "frozen.npz") == 2
    assert f"bad is not in service by promotions.jsonl: {here / 'good'} is" in capsys.readouterr().err
    # Another log beside it would give the pointer another meaning.
    assert promote("twin", "--over", "bad", "--test", "frozen.npz", "--log", "more.jsonl") == 2
    assert "champion.json is of the log promotions.jsonl" in capsys.readouterr().err
    Path("elsewhere").mkdir()
    assert promote("good", "--over", "bad", "--test", "frozen.npz", "--log", "elsewhere/more.jsonl") == 0
    assert Path("elsewhere/champion.json").exists()
    assert "back: atml promote --back --log elsewhere/more.jsonl" in capsys.readouterr().out


def test_going_back_asks_for_the_model_that_it_was(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote("good", "--over", "bad", "--test", "frozen.npz") == 0
    assert promote("good", "--back") == 2
    assert "good is in service already" in capsys.readouterr().err
    assert promote("fair", "--back") == 2
    assert "fair was never in service by promotions.jsonl" in capsys.readouterr().err
    Path("bad").rename("moved")
    assert promote("--back") == 2
    assert "bad is not there any more; give its folder: atml promote FOLDER --back" in capsys.readouterr().err
    shutil.copytree("fair", "bad")
    assert promote("--back") == 2
    assert "bad is another model than it was" in capsys.readouterr().err
    assert promote("moved", "--back") == 0
    assert in_service() == "moved"
    assert [one["event"] for one in entries()] == ["begun", "decided", "back"]


def test_the_pointer_is_mended_from_the_log(here: Path) -> None:
    assert promote("good", "--over", "bad", "--test", "frozen.npz") == 0
    Path(POINTER).unlink()  # as if the power had gone before it was written
    assert promote("twin", "--test", "frozen.npz") == 0
    assert in_service() == "good"
    Path(POINTER).write_text("{}")
    assert promote("twin", "--test", "frozen.npz") == 2, "somebody else's file is not written over"
    assert np.all([one["event"] in ("begun", "decided") for one in entries()])


def test_one_that_was_promoted_meanwhile_is_not_overrun(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atml.promotion import promoting

    whole = promoting.record

    def meanwhile(*given: Any) -> Any:
        monkeypatch.setattr(promoting, "record", whole)
        assert promote("fair", "--over", "bad", "--test", "frozen.npz") == 0
        return whole(*given)

    monkeypatch.setattr(promoting, "record", meanwhile)
    assert promote("good", "--over", "bad", "--test", "frozen.npz") == 0
    assert in_service() == "fair"
    last = entries()[-1]
    assert last["of"] == 1 and last["outcome"] == "can't be told" and "meanwhile" in last["reason"]
