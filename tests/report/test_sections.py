"""The parts of a report that tell of data and results, on a study that was searched, exported and scored."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import shutil
import sqlite3
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from atml import report
from atml.artifacts.model import CARD
from atml.data.dataset import DataSource
from atml.metrics import prediction_counts
from atml.report import by_subject, error_browser, kind_binary, page, tested
from atml.report.figures import averaged
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.outcome import Decided, unit_of
from atml.report.page import Chart, Drawing, Empty, Grid, Section, Text, Windows
from atml.report.sections import data_overview as data_section
from atml.report.sections import failures, results
from atml.storage import Store
from tests.report import made
from tests.report.conftest import Searched

NAMES = ("data_overview", "preparation", "results", "failures", "fitting", "carry_over", "limits")


def sections(material: Material) -> dict[str, Section]:
    """Sections by their anchors."""
    found = [report.section(name, material) for name in NAMES]
    return {section.anchor: section for section in found}


def words(section: Section) -> str:
    """Everything that a section says, with the cells of its tables."""
    said = []
    for block in section.flat:
        if isinstance(block, Grid):
            said += [" ".join(row) for row in (block.columns, *block.rows)]
        said += [str(getattr(block, name)) for name in ("text", "says", "why") if hasattr(block, name)]
    return "\n".join(said)


def chart(section: Section, name: str) -> Chart:
    (found,) = [b for b in section.flat if isinstance(b, Chart) and b.name == name]
    return found


@pytest.fixture(scope="module")
def material(searched: Searched) -> Material:
    return Material(searched.store(), searched.study)


@pytest.fixture(scope="module")
def written(material: Material) -> dict[str, Section]:
    return sections(material)


@pytest.fixture(scope="module")
def card(searched: Searched) -> str:
    return (searched.export / CARD).read_text(encoding="utf-8")


def test_every_part_is_there_and_every_figure_says_something(written: dict[str, Section]) -> None:
    figures = list(page.figures(list(written.values())))
    assert all(len(figure.says) > 40 and figure.says[-1] == "." for figure in figures)
    names = {figure.name for figure in figures}
    assert {
        *("data-subjects", "data-folds", "prepared-before", "prepared-after", "confusion", "roc"),
        *("precision-recall", "calibration", "subjects", "size", "fitting", "carry-over"),
        *(f"augmented-{kind}" for kind in ("scale", "noise", "wander", "shift", "mixup")),
        *("example-right-1", "example-wrong-1"),
    } <= names
    for name, section in written.items():
        assert section.anchor == name
        assert not [b for b in section.flat if isinstance(b, Empty)], name
        assert "nan" not in words(section).lower().split(), name


def test_figures_are_those_of_the_card(written: dict[str, Section], material: Material, card: str) -> None:
    """Rates and intervals, the gap and its verdict, the weakest subject, and the known limits."""
    table = dict(re.findall(r"^\| ([a-zA-Z\d ]+?) +\| +(\d\.\d{3}) \|", card, re.M))
    ends = dict(re.findall(r"^\| ([a-zA-Z\d ]+?) +\| +\d\.\d{3} \| (\d\.\d+ to \d\.\d+) \|", card, re.M))
    said = words(written["results"])
    for rate in ("sensitivity", "specificity", "balanced accuracy"):
        assert f"{rate} {table[rate]} ({ends[rate]})" in said
    rows = next(b for b in written["results"].flat if isinstance(b, Grid)).rows
    for name, _, out_of_fold, *_ in rows:
        assert out_of_fold == f"{table[name]} ({ends[name].replace(' to ', '–')})"
    objective = re.search(r"objective, out of fold +\| \*\*(\d\.\d{3})\*\*", card)
    assert objective and f"the objective is {objective[1]}" in said
    fit = re.search(r"trained on: ([\d.]+), on held-out subjects ([\d.]+, which is .+?) \((.+?)\)\.", card)
    assert fit
    said = f"the winner has {fit[1]}, on held-out subjects {fit[2]}: {fit[3]}"
    assert said in words(written["fitting"])
    limits = card.split("## Known limits")[1].strip().splitlines()
    assert limits and [row[0] for row in _last_grid(written["limits"]).rows] == [x[2:] for x in limits]
    counts = kind_binary.cells_of(material.winner.metrics, None)
    rows = material.winner.metrics["subjects"]
    assert counts is not None and counts[1].tolist() == [
        sum(row[key] for row in rows) for key in ("fn", "tp")
    ]
    assert _card_rows(card) == [(row["subject"], row["tp"], row["fn"]) for row in rows[:8]]


def _last_grid(section: Section) -> Grid:
    return [b for b in section.flat if isinstance(b, Grid)][-1]


def _card_rows(card: str) -> list[tuple[str, int, int]]:
    """Name, TP and FN of each subject in the card's table, the eight weakest."""
    rows = re.findall(r"^\| (train\d+) +\|(.+)\|$", card, re.M)
    cells = [(name, [float(c) for c in row.split("|")]) for name, row in rows]
    return [(name, int(c[2]), int(c[4])) for name, c in cells]


def test_recomputed_figures_are_those_that_were_exported(material: Material) -> None:
    """So what is decided row by row is what the card counts."""
    found, kept = material.outcome.cross_validation, material.winner.metrics
    assert json.loads(json.dumps(found.to_dict())) == {key: kept[key] for key in found.to_dict()}
    decided = material.outcome.decided
    assert decided.rows.tolist() == list(range(len(material.dataset)))
    together = [prediction_counts(run).pooled() for run in found.decided]
    truth = material.dataset.y[decided.rows] == 1
    assert decided.truth.tolist() == truth.astype(int).tolist()
    for called, counts in zip(decided.called, together, strict=True):
        assert int(((called == 1) & truth).sum()) == counts.tp


def test_training_figures_are_those_of_the_exported_file(material: Material) -> None:
    (rows, predictions), why = material.outcome.on_training
    assert why == "" and len(rows) == len(material.dataset)
    expected = material.winner.metrics["final"]["train_value"]
    assert material.definition.value(predictions) == pytest.approx(expected, abs=1e-6)


def test_confusion_counts_every_segment_once_in_each_set(
    written: dict[str, Section], material: Material, searched: Searched
) -> None:
    (drawing,) = [b for b in written["results"].flat if isinstance(b, Drawing)]
    cells = [int(n.replace(",", "")) for n in re.findall(r'font-size="15"[^>]*>([\d,]+)<', drawing.svg)]
    assert len(cells) == 12
    trained, held_out, test = (sum(cells[i : i + 4]) for i in (0, 4, 8))
    assert trained == len(material.dataset) and abs(held_out - trained) <= 2
    (score,) = material.winner.scores.values()
    assert test == score["segments"] and score["look"] == 1
    assert "first evaluation" in words(written["carry_over"])


def test_what_needs_no_network_stands_beside_the_first_figure(material: Material) -> None:
    rival = material.winner.metrics["baseline"]
    gain, note = fact(material, "Gain over the baseline")
    own = material.verdict
    assert own is not None and own.over_baseline is not None
    assert gain == f"{own.over_baseline.value:+.3f}" and note.endswith(
        f"{own.baseline} has {rival['value']:.3f}"
    )
    # Of a study of an earlier version no gain is known, but the value.
    (before := Material(material.store, material.study)).__dict__["verdict"] = dataclasses.replace(
        own, over_baseline=None
    )
    assert fact(before, "Without a network")[0] == f"{rival['value']:.3f}"
    first = next(b for b in results.contents(material) if isinstance(b, Text))
    assert f"{own.baseline}, a detector without a network, has {rival['value']:.3f}" in first.text


def test_sizes_and_values_of_trials_are_of_one_kind(written: dict[str, Section], material: Material) -> None:
    """Of trials with a file and without: all as counted before; of repeats too: all untuned."""
    traces = {t.name: t for t in chart(written["results"], "size").figure.data if t.name}
    every = traces["trials over every fold"]
    expected = [(t.cost.size_bytes / 1024, t.value) for t in material.ranked]
    assert list(zip(every.x, every.y, strict=True)) == expected
    again = [t for t in material.ranked if material.repeats(t.number)]
    assert list(traces["the same on fresh seeds"].y) == [material.repeated(t.number) for t in again]
    assert list(traces["the same on fresh seeds"].x) == [t.cost.size_bytes / 1024 for t in again]
    naive = material.winner.metrics["naive"]
    assert material.repeated(material.best.number) == pytest.approx(np.mean(naive))


def test_subjects_without_positives_are_told_apart(written: dict[str, Section], material: Material) -> None:
    rows = material.winner.metrics["subjects"]
    values = [row["f_beta"] for row in rows if row["positives"]]
    says = next(b for b in written["failures"].flat if isinstance(b, Grid)).says
    assert (
        f"Of the {len(values)} subjects with AF the median F-beta (beta 2) is {np.median(values):.3f}" in says
    )
    rates = [row["tn"] / (row["tn"] + row["fp"]) for row in rows if row["tn"] + row["fp"]]
    low = sum(rate < 0.5 for rate in rates)
    assert f"specificity for {low} of {len(rates)} subjects" in says
    lowest = [min(row["sensitivity"], row["specificity"]) for row in rows]
    assert lowest == sorted(lowest)


def test_curves_pass_through_what_is_marked(written: dict[str, Section], material: Material) -> None:
    figure = chart(written["results"], "roc").figure
    card = next(t for t in figure.data if t.name == "the figures of the card")
    rates = material.winner.metrics["rates"]
    assert (1 - card.x[0], card.y[0]) == (rates["specificity"]["value"], rates["sensitivity"]["value"])
    assert sum(t.name.startswith("training ") for t in figure.data) == 2


def test_examples_are_right_and_wrong_as_said(written: dict[str, Section], material: Material) -> None:
    drawn = [b for b in written["failures"].flat if isinstance(b, Drawing)]
    for block in drawn:
        truth, called = re.search(r"is (AF|other) .*called (AF|other)<", block.svg).groups()
        assert (truth == called) == block.name.startswith("example-right")
        assert "trained on this subject too" in block.says and "for AF" in block.svg
    again = report.section("failures", material)
    assert [b.svg for b in again.flat if isinstance(b, Drawing)] == [b.svg for b in drawn]
    assert "trained on every subject" in words(written["failures"])


def test_examples_are_chosen_by_rule() -> None:
    rows = np.arange(8)
    margins = np.array(
        [[3.0, 2.0, 0.1, -1.0, -0.2, 5.0, 4.0, -3.0], [3.0, 2.0, 0.3, -1.0, -0.4, -5.0, 4.0, -2.0]]
    )
    truth = np.array([1, 1, 1, 1, 0, 1, 0, 0], bool)
    subject = np.array(["a", "a", "b", "a", "b", "c", "a", "a"])
    found = Decided(rows, truth.astype(int), (margins >= 0).astype(int), margins)
    right = failures.choose(found, subject, [(1, 1), (0, 0)])
    # Row 5 is decided both ways; 7 is the surest negative but of a subject already taken, as 4 is not.
    assert [(one.row, one.sure) for one in right] == [(0, True), (4, True), (2, False), (7, False)]
    wrong = failures.choose(found, subject, [(1, 0), (0, 1)])
    assert [(one.row, one.sure) for one in wrong] == [(3, True), (6, True)]
    assert wrong[0].margins == (-1.0, -1.0)


def test_without_a_score_the_way_to_one_is_said(searched: Searched) -> None:
    material = Material(searched.store(), searched.study)
    material.__dict__["exports"] = tuple(dataclasses.replace(e, scores={}) for e in material.exports)
    for name in ("results", "carry_over"):
        found = [b.why for b in sections(material)[name].flat if isinstance(b, Empty)]
        assert found and f"`atml score {searched.export}" in found[0]
    assert "none by this export" in words(sections(material)["limits"])


def test_without_an_export_the_same_figures_come_from_the_study(
    searched: Searched, written: dict[str, Section]
) -> None:
    material = Material(searched.store(), searched.study)
    material.__dict__["exports"] = ()
    found = sections(material)
    first = next(b for b in found["results"].flat if isinstance(b, Text)).text
    theirs = next(b for b in written["results"].flat if isinstance(b, Text)).text
    assert first.split(" These are ")[0] == theirs.split(" These are ")[0]
    assert "not exported" in first
    assert "no saliency can be drawn" in words(found["failures"]).lower()
    assert "no baseline beside it" in words(found["carry_over"])
    assert words(found["fitting"]).split(".")[0] == words(written["fitting"]).split(".")[0]


def fact(material: Material, name: str) -> tuple[str, str]:
    facts = headline(material, datetime.datetime(2026, 1, 1)).facts
    return next((value, note) for one, value, note in facts if one == name)


def test_the_head_has_the_figures_of_the_results(searched: Searched, material: Material) -> None:
    lowest = "Lowest of four metrics"
    bare = Material(searched.store(), searched.study)
    bare.__dict__["exports"] = ()
    assert fact(bare, lowest) == fact(material, lowest)
    # The study keeps them too, for when its data are gone.
    bare.__dict__["outcome"] = types.SimpleNamespace(source=None)
    assert fact(bare, lowest) == fact(material, lowest)
    value, note = fact(material, "F on test data")  # the rule's own figure
    assert note.endswith("rule iesd2024 on small, 4 subjects, few; first evaluation")
    (export,) = material.exports
    assert value == f"{next(iter(export.scores.values()))['F']:.3f}"


def test_an_export_that_is_gone_is_not_one_that_never_was(searched: Searched, tmp_path: Path) -> None:
    shutil.copy(searched.url.removeprefix("sqlite:///"), tmp_path / "studies.db")
    with sqlite3.connect(tmp_path / "studies.db") as db:
        db.execute("UPDATE atml_exports SET folder = '/gone/94-93-t0000'")
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}", create=False)
    said = words(sections(Material(store, searched.study))["results"])
    store.close()
    assert "the export folder is gone: /gone/94-93-t0000" in said
    assert "for its export folder is gone and there is no card" in said
    assert "not exported" not in said


def test_evaluations_are_told_apart_and_say_of_how_many(searched: Searched) -> None:
    material = Material(searched.store(), searched.study)
    (export,) = material.exports
    (score,) = export.scores.values()
    other = {**score, "data": "other", "people": 5}
    scores = {"a.json": score, "b.json": other, "c.json": other}
    material.__dict__["exports"] = (dataclasses.replace(export, scores=scores),)
    titles = [title for title, _ in tested.tested(material)]
    assert titles == [
        "first evaluation on small",
        "first evaluation on other, 2 on file",
        "first evaluation on other, 3 on file",
    ]
    found = sections(material)
    for name in ("results", "carry_over"):
        assert "of 5 subjects, so few that intervals are too narrow" in words(found[name])
    assert tested.seen({"segments": 7}) == "7 windows; of how many subjects is not on file"


def test_rhythms_whose_names_look_alike(material: Material) -> None:
    assert material.plan is not None
    names = np.array(["VF+", "VF-", "ЖТ", "心房"])[np.arange(len(material.plan.dataset)) % 4]
    plan = dataclasses.replace(
        material.plan, dataset=dataclasses.replace(material.plan.dataset, rhythm=names)
    )
    drawn = [b.name for b in data_section._examples(plan, plan.definition.task) if isinstance(b, Drawing)]
    assert len(drawn) == len(set(drawn)) >= 4


def test_mean_counts_keep_the_size_of_a_class() -> None:
    found = averaged(np.array([[9, 3], [425, 2945]]), 2)
    assert found.sum(axis=1).tolist() == [6, 1685]
    assert np.abs(found - np.array([[4.5, 1.5], [212.5, 1472.5]])).max() <= 0.5


def test_an_export_of_an_older_version_is_told_from_the_study(searched: Searched) -> None:
    material = Material(searched.store(), searched.study)
    (export,) = material.exports
    kept = {
        key: found for key, found in export.metrics.items() if key not in ("rates", "rhythms", "baseline")
    }
    material.__dict__["exports"] = (dataclasses.replace(export, metrics=kept),)
    found = sections(material)
    assert "of an older version" in words(found["results"])
    assert "trained on this subject too" in words(found["failures"])


def test_a_rule_of_several_classes_is_not_set_beside_two(searched: Searched) -> None:
    material = Material(searched.store(), searched.study)
    (export,) = material.exports
    score = {
        **{"rule": "cinc2017", "look": 2, "data": "cinc", "segments": 10, "F1": 0.5, "accuracy": 0.6},
        "intervals": {"F1": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "confusion": [{"true": "Normal", "Normal": 1, "AF": 2, "Other": 3}],
    }
    material.__dict__["exports"] = (dataclasses.replace(export, scores={"cinc2017-2.json": score}),)
    found = sections(material)
    grids = [b for b in found["results"].flat if isinstance(b, Grid)]
    assert grids[0].columns[:3] == ("metric", "trained on", "out of fold") and len(grids[0].columns) == 4
    assert grids[1].rows == (("F1", "0.500", "0.400 to 0.600"),)
    assert "second evaluation" in grids[1].says and "looks better here than it is" in grids[1].says
    assert "no rates to compare" in words(found["carry_over"])


def test_where_the_data_are_gone_the_rest_is_told(searched: Searched, written: dict[str, Section]) -> None:
    material = Material(searched.store(), searched.study)
    material.__dict__["_opened"] = (None, "the data can't be opened any more: small.npz is gone")
    found = sections(material)
    for name in ("data", "preparation", "results", "failures"):
        assert "small.npz is gone" in words(found[name]), name
    texts = [next(b for b in s["data"].flat if isinstance(b, Text)).text for s in (found, written)]
    assert texts[0] == texts[1]
    for name in ("fitting", "carry_over", "limits"):
        assert words(found[name]) == words(written[name]), name


def test_nothing_finished_says_so_everywhere(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/studies.db")
    store.study("empty", made.spec())
    found = sections(Material(store, "empty"))
    for name in set(found) - {"data"}:
        assert [b for b in found[name].flat if isinstance(b, Empty)], name
    assert "synthetic" in words(found["data"])
    strips = [b for b in found["data"].flat if isinstance(b, Drawing)]
    assert strips and "mV" in strips[0].svg and "made by a generator" in words(found["data"])
    store.close()


def test_data_tell_what_they_hold(written: dict[str, Section], material: Material) -> None:
    said, data = words(written["data"]), material.dataset
    assert f"{len(data)} windows of 5 s" in said and "9 subjects" in said
    for fold in material.plan.folds:
        assert ", ".join(sorted(set(data.subject[fold.held_out].tolist()))) in said
    bars = chart(written["data"], "data-subjects").figure.data
    assert sum(sum(bar.x) for bar in bars) == len(data)
    strips = [b for b in written["data"].flat if isinstance(b, Drawing)]
    assert {b.name for b in strips} == {
        f"strip-{r}-{'AF' if r == 'AFIB' else 'other'}" for r in set(data.rhythm)
    }
    # An .npz does not say in which unit it is.
    assert all("mV" not in b.svg and "the data do not say in which unit" in b.svg for b in strips)


def test_millivolts_are_claimed_only_where_known(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "RECORDS").write_text("100\n")
    (tmp_path / "records" / "100.hea").write_text("100 1 360 10\n100.dat 16 200 11 1024 0 0 0 MLII\n")
    (tmp_path / "set.npz").write_bytes(b"")
    assert unit_of(DataSource()) == "mV"
    assert unit_of(DataSource(paths=(tmp_path / "records",))) == "mV"
    assert unit_of(DataSource(paths=(tmp_path / "records", tmp_path / "set.npz"))) == ""


def test_names_of_figures_are_safe() -> None:
    assert data_section.file_name("strip", "(VT", "AF or/other") == "strip-VT-AF-or-other"
    assert data_section.file_name("strip", "", "x") == "strip-none-x"


def test_hundreds_of_subjects_stay_readable(material: Material) -> None:
    row = material.winner.metrics["subjects"][0]
    many = [{**row, "subject": f"S{i:03d}", "f_beta": i / 300} for i in range(300)]
    source = dataclasses.replace(
        material.outcome.source, figures={**material.winner.metrics, "subjects": many}
    )
    table, fold = by_subject.subjects(source, material.definition.task)
    assert isinstance(table, Grid) and [row[0] for row in table.rows] == [one["subject"] for one in many]
    (block,) = fold.blocks  # type: ignore[union-attr]
    assert isinstance(block, Chart) and "Of 300 subjects the 40 worst are shown." in block.says
    assert block.figure.layout.height < 900
    assert max(len(trace.y) for trace in block.figure.data) == 40


def test_every_misjudged_window_can_be_looked_through(
    written: dict[str, Section], material: Material
) -> None:
    (found,) = [b for b in written["failures"].flat if isinstance(b, Windows)]
    decided, data = material.outcome.decided, material.dataset
    wrong = (decided.called != decided.truth).mean(axis=0) > 0.5
    assert len(found.rows) == wrong.sum() > 0
    assert f"{len(found.rows)} windows" in found.says and f"of {len(data):,}." in found.says
    assert Counter(words[0] for words, _ in found.rows) == Counter(data.subject[decided.rows[wrong]].tolist())
    assert {words[1] for words, _ in found.rows} <= set(data.rhythm.tolist())
    for (_, _, mistake), score in found.rows:
        assert mistake in ("AF, called other", "other, called AF")
        assert (score >= 0) == mistake.endswith("called AF")
    first = [words[0] for words, _ in found.rows[: len({words[0] for words, _ in found.rows})]]
    assert len(set(first)) == len(first), "the surest of each subject before the second of any"
    samples, most = found.traces[0]
    x = np.zeros(1250)
    x[401] = 3.0
    samples, most = error_browser.trace(x, 2)
    drawn = np.frombuffer(samples, np.int8)
    assert (len(drawn), most) == (625, 3.0) and drawn.argmax() == 200 and drawn.max() == 127
