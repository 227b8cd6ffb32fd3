"""Models side by side: the figures are those of `atml score`, of the same subjects, and evaluations count."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml import cli
from atml.artifacts.export import export
from atml.artifacts.latency import latencies
from atml.artifacts.model import ExportedModel, load
from atml.comparison.compared_models import found
from atml.comparison.comparing import on_test_data, out_of_fold
from atml.errors import DataError, ExportError, InputError
from atml.metrics import counts, paired
from atml.scoring import published
from atml.scoring.evaluation import judge_export, score_export
from atml.scoring.published import Published
from atml.storage import Store
from tests.artifacts import conftest as make

OBJECTIVE = """
from atml import Predictions, Task, mean_subject_f_beta

TASK = Task(name="tiny", classes=("other", "AF"), positive=1, sampling_rate=50, window=100)
QUALIFIES = 0.5
MAX_SIZE_KIB = 64
RULE = "iesd2024"

def label(rhythm):
    return {"AFIB": 1, "N": 0}.get(rhythm)

def value(predictions: Predictions) -> float:
    return mean_subject_f_beta(predictions)
"""
SPACE = """
from atml import ModelConfig

DEFAULT = {}

def suggest(trial):
    return ModelConfig()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a task, three exports trained on S0 to S7, and test data of T0 to T8 in it."""
    folder = tmp_path_factory.mktemp("compare")
    for kind, text in (("search_spaces", SPACE), ("objectives", OBJECTIVE)):
        (folder / kind).mkdir()
        (folder / kind / "tiny.py").write_text(text)
    for seed in range(3):
        finding = make.make_finding(seeds=(11 + seed, 20 + seed), trial=seed)
        export(make.make_net(seed=seed), finding, make.make_dataset().x, root=folder / "exports")
    dataset = make.make_dataset(subjects=9, each=12, seed=1)
    write(folder / "test.npz", dataset, np.char.replace(dataset.subject, "S", "T"), split="test")
    return folder


def write(file: Path, dataset: Any, subject: Any, split: str | None = None) -> Path:
    told = {} if split is None else {"split": np.full(len(dataset.y), split)}
    np.savez(file, x=dataset.x, y=dataset.y, subject=subject, rhythm=dataset.rhythm, **told)
    return file


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = shutil.copytree(made, tmp_path / "here")
    monkeypatch.chdir(folder)
    return folder


def folders(here: Path, count: int = 3) -> list[Path]:
    return sorted((here / "exports" / "waves").iterdir(), key=lambda path: path.name[-5:])[:count]


def exports(here: Path, count: int = 3) -> list[ExportedModel]:
    return [load(folder) for folder in folders(here, count)]


def label(rhythm: str) -> int | None:
    return {"AFIB": 1, "N": 0}.get(rhythm)


# --- on test data


def test_figures_are_those_of_score(here: Path) -> None:
    """On another database each model is scored alone: the same numbers, each evaluation on record."""
    store = Store(f"sqlite:///{here / 'studies.db'}")
    result = on_test_data(exports(here), [here / "test.npz"], evaluations=lambda: store, runs=3)
    alone = Store(f"sqlite:///{here / 'other.db'}")
    for column, folder in zip(result.columns, folders(here), strict=True):
        report = score_export(folder, here / "test.npz", label=label, evaluations=alone, rule="iesd2024")
        assert column.figures == {f.key: f.interval or f.value for f in report.score.figures}
        assert column.size_kib == report.exported.size_bytes / 1024 and column.name == folder.name
        written = json.loads(column.file.read_text())  # type: ignore[union-attr]
        assert written["look"] == column.look and written["F"] == report.score["F"]
    assert [column.look for column in result.columns] == [1, 2, 3]
    assert (result.segments, result.subjects, result.tested) == (108, 9, "F-beta")
    assert {(p.first, p.second) for p in result.pairs} == set(
        itertools.combinations([c.name for c in result.columns], 2)
    )
    for pair in result.pairs:
        one, two = (c for c in result.columns if c.name in (pair.first, pair.second))
        gap = pair.differences["F-beta"]
        assert gap.value.value == pytest.approx(one.figures["F"].value - two.figures["F"].value)  # type: ignore[union-attr]
        assert gap.holm >= gap.p and np.isnan(pair.differences["accuracy"].p)
    assert all(
        c.latency and c.latency.runs == 3 and c.latency.low <= c.latency.median for c in result.columns
    )
    store.close()
    alone.close()


def test_differences_are_of_the_same_subjects(here: Path) -> None:
    one, two = folders(here, 2)
    pending = [judge_export(f, here / "test.npz", label=label, rule="iesd2024") for f in (one, two)]
    tables = [counts(p.judged.y_true == 1, p.judged.y_pred == 1, p.judged.subject) for p in pending]
    expected = paired.difference(*(paired.of_subjects(t)["specificity"] for t in tables))
    assert not (one / "scores").exists(), "judged is not yet recorded"
    store = Store(f"sqlite:///{here / 'studies.db'}")
    result = on_test_data(
        exports(here, 2), here / "test.npz", evaluations=lambda: store, runs=0, by="specificity"
    )
    told = result.pairs[0].differences["specificity"]
    assert (told.value, told.better, told.worse) == (expected.value, expected.better, expected.worse)
    chance = paired.sign_flip(*(paired.of_subjects(t)["specificity"] for t in tables))[0]
    assert told.p == told.holm == chance, "one pair needs no correction"
    assert all(column.latency is None for column in result.columns)
    store.close()


def test_only_whom_none_was_trained_on(here: Path, tmp_path: Path) -> None:
    """One model was trained on S0 to S7, the other on S4 to S11; of S0 to S13 two are left."""
    later = make.make_dataset(subjects=12)
    keep = ~np.isin(later.subject, ["S0", "S1", "S2", "S3"])
    later = dataclasses.replace(
        later, **{k: getattr(later, k)[keep] for k in ("x", "y", "subject", "rhythm")}, fingerprint="9" * 64
    )
    other = export(make.make_net(seed=5), make.make_finding(later, trial=9), later.x, root=tmp_path / "more")
    dataset = make.make_dataset(subjects=14, each=12, seed=4)
    bare = write(tmp_path / "bare.npz", dataset, dataset.subject)
    store = Store(f"sqlite:///{here / 'studies.db'}")
    result = on_test_data([*exports(here, 1), other], bare, evaluations=lambda: store, runs=0)
    assert (result.subjects, result.segments) == (2, 24)
    assert "only the 2 subjects whom none of the models was trained on" in result.notes[0]
    assert result.pairs[0].differences["F-beta"].too_few
    one_class = (dataset.y == 0) | ~np.isin(dataset.subject, ["S12", "S13"])
    some = dataclasses.replace(
        dataset, **{k: getattr(dataset, k)[one_class] for k in ("x", "y", "subject", "rhythm")}
    )
    calm = write(tmp_path / "calm.npz", some, some.subject)
    with pytest.raises(DataError, match=r"of the 2 subjects of calm whom none .* was trained on none has AF"):
        on_test_data(
            [*exports(here, 1), other], calm, evaluations=lambda: pytest.fail("an evaluation"), runs=0
        )
    fewer = make.make_dataset(subjects=12, each=12, seed=4)
    short = write(tmp_path / "short.npz", fewer, fewer.subject)
    with pytest.raises(DataError, match="nobody in short whom none"):
        on_test_data(
            [*exports(here, 1), other], short, evaluations=lambda: pytest.fail("an evaluation"), runs=0
        )
    store.close()


def test_verdicts() -> None:
    from atml.comparison.result import Pair
    from atml.metrics import Interval
    from atml.metrics.paired import Difference

    def said(**fields: Any) -> str:
        known = {"better": 9, "worse": 1, "same": 2, "p": 0.01, "holm": 0.02, "least": 0.004, **fields}
        ends = known.pop("ends", (0.01, 0.2))
        other = Difference(Interval(-0.1, -0.2, known.pop("high", 0.1)), 1, 9, 2)
        tested = Difference(Interval(0.1, *ends), **known)
        return Pair("a", "b", {"accuracy": tested, "specificity": other}).verdict("accuracy")

    assert said() == "a has the higher accuracy of the two (p 0.020)"
    assert "includes 0 all the same" in said(ends=(0, 0.2))
    around = {"holm": 0.2, "ends": (0, 0.2)}
    assert said(**around) == "these 12 subjects don't tell a and b apart by accuracy (p 0.200)"
    assert "too few subjects" in said(**around, least=0.1)
    assert "the same accuracy on every subject" in said(better=0, worse=0, same=12, holm=1.0)


def test_a_verdict_mentions_each_interval_that_excludes_0() -> None:
    from atml.comparison.result import Pair
    from atml.metrics import Interval
    from atml.metrics.paired import Difference

    def said(low: float, high: float, least: float = 0.004) -> str:
        tested = Difference(Interval(0.1, low, 0.2), 9, 1, 2, p=0.1, holm=0.1, least=least)
        other = Difference(Interval(-0.1, -0.2, high), 1, 9, 2)
        return Pair("a", "b", {"accuracy": tested, "specificity": other}).verdict("accuracy")

    assert said(0.01, 0.1) == (
        "a may have the higher accuracy: the interval of the mean difference excludes 0, but the test does"
        " not confirm it (p 0.100)"
    )
    assert said(-0.01, -0.05).endswith(
        "there is a difference whose interval excludes 0, untested: specificity (b is higher)"
    )
    assert "accuracy itself (a is higher) and specificity (b is higher)" in said(0.01, -0.05, least=0.1)


def test_the_same_figure_is_tested_with_and_without_test_data(here: Path) -> None:
    store = Store(f"sqlite:///{here / 'studies.db'}")
    with_data = on_test_data(exports(here, 2), [here / "test.npz"], evaluations=lambda: store, runs=0)
    without = out_of_fold(exports(here, 2))
    assert with_data.tested == without.tested == "F-beta"
    assert out_of_fold(exports(here, 2), by="specificity").tested == "specificity"
    store.close()


@pytest.mark.parametrize(
    ("windows", "names", "says"),
    [
        (108, range(9), "By its subjects and its 108 windows this is the test set above"),
        (90, range(20), "9 of the 9 subjects above can be in it by name, but it has 90 windows and the data"),
        (108, range(20, 29), "These are other people than those above"),
        (None, (), "Whether these are the data above is not known"),
    ],
)
def test_whose_test_set_published_figures_are_of_is_worked_out(
    here: Path, windows: int | None, names: range, says: str
) -> None:
    theirs = told(windows=windows, subjects=tuple(f"T{i}" for i in names))
    store = Store(f"sqlite:///{here / 'studies.db'}")
    result = on_test_data(
        exports(here, 1), [here / "test.npz"], evaluations=lambda: store, runs=0, published=[theirs]
    )
    assert any(says in note for note in result.notes), result.notes
    mine = told(windows=12, subjects=("S1",))
    assert "The figures above are out of fold; 1 subject" in str(
        out_of_fold(exports(here, 1), published=[mine]).notes
    )
    store.close()


def test_the_least_that_a_corrected_p_can_come_to() -> None:
    from atml.comparison.comparing import _pairs

    names = [f"S{i}" for i in range(12)]
    figures = [np.full(12, 0.5), np.full(12, 0.7), np.r_[np.full(6, 0.6), np.full(6, 0.5)]]
    pairs = _pairs("abc", [(names, {"accuracy": each}) for each in figures], "accuracy")
    six = pairs[1].differences["accuracy"]
    # Alone it could come to 2 / 2**6, and the other two, of 12 subjects, to less: only it is left then.
    assert six.better + six.worse == 6
    assert six.holm == six.least == pytest.approx(2 / 2**6)
    assert not six.too_few


# --- out of fold


def test_out_of_fold_figures_are_those_of_the_exports(here: Path) -> None:
    result = out_of_fold(exports(here))
    for column, folder in zip(result.columns, folders(here), strict=True):
        told = json.loads((folder / "metrics.json").read_text())
        assert column.figures["value"] == told["value"] and column.look is None
        assert dataclasses.asdict(column.figures["F1"]) == told["intervals"]["F1"]  # type: ignore[call-overload]
        assert column.macs == told["cost"]["macs"]
    assert result.subjects == 8 and result.kind == "out of fold" and len(result.pairs) == 3
    assert result.pairs[0].differences["F-beta"].subjects == 8
    assert not (here / "studies.db").exists(), "no evaluation"


def test_out_of_fold_of_other_splits_is_refused(here: Path) -> None:
    last = folders(here)[2]
    config = json.loads((last / "config.json").read_text())
    config["seeds"]["search"] += 1
    (last / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"searched on other folds.*--data"):
        out_of_fold(exports(here))
    (last / "metrics.json").write_text("{}")
    with pytest.raises(ExportError, match=r"no whole metrics\.json"):
        out_of_fold(exports(here))


# --- published figures


def test_every_file_that_comes_with_atml_is_read() -> None:
    assert published.known() == ["autotuneml", "iccad2022", "iccad2023", "iesd2024"]
    for name in published.known():
        told = published.read(name)
        assert told.entries and told.source and set(told.tasks) <= {"afib", "defib", "iccad"}
    first = published.read("iesd2024").entries[0]
    assert (first.metrics["F"], first.latency_ms, first.size_kib) == (0.935, 4.883, 178)


def told(**fields: Any) -> Published:
    entry = published.Entry(name="theirs", metrics={"F": 0.5, "F1": 0.6}, size_kib=9.0, latency_ms=2.0)
    known: dict[str, Any] = {
        "tasks": ("tiny",),
        "rule": "iesd2024",
        "data": "their data",
        "source": "a paper",
        "notes": ("mind this",),
        "entries": (entry,),
    }
    return Published(**{**known, **fields})


def test_published_figures_stand_beside_and_are_not_tested(here: Path) -> None:
    result = out_of_fold(exports(here, 1), published=[told()])
    assert result.columns[1].figures == {"F": 0.5, "F1": 0.6} and result.pairs == ()
    text = result.to_markdown()
    assert "| latency as published, ms" in text and "a paper" in text and "mind this" in text
    assert "nothing was tested with them" in text
    other = out_of_fold(exports(here, 1), published=[told(rule="iccad2022")])
    assert other.columns[1].figures == {"F1": 0.6}, "F means another thing by that rule"
    with pytest.raises(InputError, match="of task afib, not tiny"):
        out_of_fold(exports(here, 1), published=[told(tasks=("afib",))])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 2}, "format 2"),
        ({"entries": []}, "no entries"),
        ({"source": ""}, "source"),
        ({"task": []}, "no task"),
        ({"task": ["afib", 3]}, "a task is 3"),
        ({"extra": 1}, "'extra'"),
        ({"entries": [{"name": "a", "metrics": {"F1": "high"}}]}, "F1 is 'high'"),
        ({"entries": [{"name": "a"}]}, "lacks 'metrics'"),
        ({"entries": [{"name": "a", "metrics": {}, "size": 3}]}, "'size'"),
    ],
)
def test_published_files_that_say_something_else(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    good = json.loads((published.FOLDER / "iesd2024.json").read_text())
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(good))
    assert published.read(str(file)).tasks == ("afib",)
    file.write_text(json.dumps({**good, **change}))
    with pytest.raises(InputError, match="--published") as error:
        published.read(str(file))
    assert says in str(error.value)


# --- speed


def test_models_take_turns(here: Path) -> None:
    x = make.make_dataset().x
    times = latencies([one.model for one in exports(here, 2)], x, runs=5)
    assert len(times) == 2
    assert all(0 < one.low <= one.median <= one.high and one.runs == 5 for one in times)
    with pytest.raises(ExportError, match="onnxruntime can't run"):
        latencies([exports(here, 1)[0].model], x[:, :, :7], runs=1)


# --- the command


Capture = pytest.CaptureFixture[str]


def test_the_command_shows_writes_and_counts(capsys: Capture, here: Path) -> None:
    one, two = folders(here, 2)
    line = ["compare", str(one), str(two), "--data", "test.npz", "--runs", "3"]
    assert cli.run([*line, "--out", "side.md"]) == 0
    out = capsys.readouterr().out
    assert "by rule iesd2024 on the test split of test: 108 windows of 9 subjects" in out
    for word in ("F, mean F-beta over subjects", "MACs a window", "latency here, ms", "p (Holm)", one.name):
        assert word in out
    written = (here / "side.md").read_text()
    assert written.startswith("# Comparison by rule iesd2024") and f"| {one.name} - {two.name} |" in written
    assert cli.run([*line, "--json"]) == 0
    fields = json.loads(capsys.readouterr().out)
    assert [model["look"] for model in fields["models"]] == [3, 4], "every evaluation counts"
    assert fields["pairs"][0]["differences"]["accuracy"]["p"] is None
    assert "looks better here than it is" in (here / "side.md").read_text()


def test_a_study_stands_for_its_best_export(capsys: Capture, here: Path) -> None:
    from tests.report import made as studies

    store = Store("sqlite:///studies.db")
    studies.study(store, "mine", 12)
    one, two, three = folders(here)
    assert cli.run(["compare", "mine", str(two)]) == 2
    assert "has no export; `atml best export" in capsys.readouterr().err
    judged = store.study("mine").user_attrs["judged"]
    ranked = sorted(judged, key=lambda number: -judged[number])
    store.save_export("mine", int(ranked[1]), one, "0")
    store.save_export("mine", int(ranked[0]), three, "1")
    store.close()
    assert cli.run(["compare", "mine", str(two), "--json"]) == 0
    names = [model["name"] for model in json.loads(capsys.readouterr().out)["models"]]
    assert names == [three.name, two.name]


def fails(capture: Capture, here: Path, *arguments: object) -> str:
    before = sorted(here.rglob("*"))
    assert cli.run(["compare", *map(str, arguments)]) == 2
    error = capture.readouterr().err
    assert error.startswith("atml: ") and len(error.splitlines()) == 1, error
    assert sorted(here.rglob("*")) == before, "something was written"
    return error


def test_mistakes_cost_no_evaluation(capsys: Capture, here: Path, tmp_path: Path) -> None:
    one, two = folders(here, 2)
    data = ("--data", "test.npz")
    assert "alone can't be compared" in fails(capsys, here, one)
    assert "are the same model" in fails(capsys, here, one, two, one, *data)
    assert "are the same model" in fails(capsys, here, one, one / "model.onnx")
    assert "'nobody' is neither an export here nor a study" in fails(capsys, here, one, "nobody")
    assert "does not exist" in fails(capsys, here, one, "exports/none")
    assert "no such file" in fails(capsys, here, one, two, "--data", "gone.npz")
    assert "--by 'f1'" in fails(capsys, here, one, two, *data, "--by", "f1")
    assert "no scoring rule 'iesd'" in fails(capsys, here, one, two, *data, "--rule", "iesd")
    assert "judges test data" in fails(capsys, here, one, two, "--rule", "iesd2024")
    assert "ends in .md" in fails(capsys, here, one, two, *data, "--out", "side.txt")
    assert "can't be written" in fails(capsys, here, one, two, *data, "--out", "gone/side.md")
    assert "--published nothing" in fails(capsys, here, one, "--published", "nothing")
    long = "x" * 300
    assert "is neither an export here nor a study" in fails(capsys, here, one, long)
    assert "can't be written" in fails(capsys, here, one, two, *data, "--out", f"{long}.md")
    blocked = shutil.copytree(two, tmp_path / "blocked")
    shutil.rmtree(blocked / "scores", ignore_errors=True)
    (blocked / "scores").write_text("no folder")
    assert "blocked/scores can't be written" in fails(capsys, here, one, blocked, *data)
    (tmp_path / "strange.onnx").write_bytes(b"no network")
    assert "is not an ONNX file" in fails(capsys, here, one, tmp_path / "strange.onnx")
    lone = shutil.copy(two / "model.onnx", tmp_path / "lone.onnx")
    assert "without its folder" in fails(capsys, here, one, lone)
    dataset = make.make_dataset(subjects=9, each=6, seed=2)
    mixed = write(tmp_path / "mixed.npz", dataset, dataset.subject, split="test")
    assert "trained on subjects of this test set" in fails(capsys, here, one, two, "--data", mixed)


def test_other_windows_and_classes_are_refused(capsys: Capture, here: Path, tmp_path: Path) -> None:
    longer = dataclasses.replace(make.TASK, window=120)
    renamed = dataclasses.replace(make.TASK, classes=("N", "AF"))
    for task, says in ((longer, "windows 2 s and 2.4 s"), (renamed, "classes other and AF and N and AF")):
        got = export(
            make.make_net(task=task),
            dataclasses.replace(make.make_finding(), task=task),
            np.zeros((4, 1, task.window), np.float32),
            root=tmp_path / says[:4],
        )
        assert says in fails(capsys, here, folders(here, 1)[0], got.folder)


def test_names_that_two_share(here: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folders(here, 2)[1], tmp_path / folders(here, 1)[0].name)
    loaded = found([str(folders(here, 1)[0]), str(copy)], lambda name: None)
    names = [column.name for column in out_of_fold(loaded).columns]
    assert len(set(names)) == 2 and all(name.endswith(copy.name) for name in names)
