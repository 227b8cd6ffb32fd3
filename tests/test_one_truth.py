"""One best, one value, one size: what every surface says of one study is collected and compared."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml.artifacts.model import infer, load
from atml.dashboard.artifact_store import Shelf
from atml.dashboard.read_only_storage import Overlay
from atml.dashboard.server import application
from atml.library.search_result import SearchResult
from atml.metrics import FOUR
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.sections import results
from atml.searching.exporting import Exports
from atml.searching.leaderboard import leaderboard
from atml.searching.leaderboard_rows import best_at_sizes
from atml.searching.plan import Plan
from atml.searching.summary import summarise
from atml.searching.verdict import verdict
from atml.storage import Store
from tests import untrained
from tests.report.made import study
from tests.terminal import run

TASKS: dict[str, dict[str, Any]] = {"afib": {}, "defib": {}, "rhythm": {"objective": "window"}}
"""Tasks, and options of their search: the subjects here have windows of every class."""


@dataclass
class Made:
    """A study, the folder that it is in, and the summary that its search ended with."""

    where: Path
    plan: Plan
    summary: dict[str, Any]


@pytest.fixture(scope="module", params=TASKS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The best trial of the search does worse on fresh seeds than the second, which ships trained longer."""
    where = tmp_path_factory.mktemp(request.param)
    plan = untrained.plan(where, request.param, **TASKS[request.param])
    default = untrained.add(plan, 2.5, (8, 8), origin="default")
    lucky, steady = untrained.add(plan, 1.2, (8,)), untrained.add(plan, 1.4)
    untrained.add(plan, 5.0)
    assert steady.value is not None and lucky.value is not None and lucky.value > steady.value
    found = untrained.finals(plan, longer=2)
    untrained.repeat(found, {default.number: 2.5, lucky.number: 2.1, steady.number: 1.45})
    untrained.export(found)
    yield Made(where, plan, summarise(found, 60.0))
    plan.store.close()


Figures = dict[str, str]
"""What a surface shows, as it prints it: the trial, "value", "KiB", "runs" and metrics by name."""


def log(made: Made) -> Figures:
    """The last lines of a search."""
    line = next(line for line in made.summary["lines"] if line.startswith("1. "))
    found = re.match(r"1\. trial (\d+): (\S+) out of fold, (.*?); (.*?); (\S+) KiB; ", line)
    assert found is not None, line
    four = dict(part.rsplit(" ", 1) for part in found[4].split(", "))
    return {"trial": found[1], "value": found[2], "runs": found[3], "KiB": found[5], **four}


def test_the_mean_in_the_log_is_that_of_the_repeats_in_the_log(made: Made) -> None:
    """Repeats are logged as trained; where another decision ships, the line of the mean says so."""
    for row in made.summary["finalists"]:
        records = made.plan.store.trials("s")
        values = [t for t in records if t.of == row["trial"] and t.length == row["length"]]
        line = next(line for line in made.summary["lines"] if f". trial {row['trial']}: " in line)
        assert f"{row['value']:.4f} out of fold, " in line and f", {row['decision']}; " in line
        if row["decision"] == "decision as trained":
            assert row["value"] == pytest.approx(np.mean([t.result["value"] for t in values]), abs=1e-6)
        else:
            assert row["decision"] == "decision tuned, cross-fitted"
    assert any(row["decision"] == "decision as trained" for row in made.summary["finalists"])


def status(made: Made) -> Figures:
    row = json.loads(run(made.where, "status", "--json").stdout)[0]
    runs = row["best_is"].removeprefix("winner, ")
    shown = " ".join(run(made.where, "status").stdout.split())
    assert f"{row['best']:.4f} (t{row['best_trial']})" in shown
    # The winner's line is that of `atml best`.
    assert f"s, {row['verdict']}" in shown
    assert f"study s: {row['verdict']}" == run(made.where, "best").stdout.splitlines()[0]
    return {"trial": str(row["best_trial"]), "value": f"{row['best']:.4f}", "runs": runs}


def best(made: Made) -> Figures:
    """The first row of the table of `atml best`."""
    lines = run(made.where, "best").stdout.splitlines()
    assert lines[0].startswith("study s: winner, ")
    at = lines.index("best trials, out of fold by subject")
    head, row = (re.split(r"\s{2,}", line.strip()) for line in lines[at + 1 : at + 3])
    found = dict(zip(head, row, strict=True))
    return {key: found[key] for key in ("trial", "value", "runs", "KiB", *FOUR)}


def first_screen(made: Made) -> Figures:
    """What `atml best` begins with: the verdict."""
    found = verdict(made.plan.store, "s")
    assert found is not None and found.entry.folder is not None
    shown = run(made.where, "best").stdout
    rows = dict(line.split(maxsplit=1) for line in shown.splitlines()[2:6])
    assert rows["path"].strip() == str(found.entry.folder.relative_to(made.where.resolve()))
    value, runs = rows["value"].strip().split(" out of fold, ", 1)
    rates = {name: f"{rate.value:.3f}" for name, rate in found.rates.items()}
    return {
        "trial": rows["winner"].split(":")[0].removeprefix("trial "),
        "value": value,
        "runs": runs,
        "KiB": rows["size"].split(" KiB")[0],
        **rates,
    }


def best_json(made: Made) -> Figures:
    row = json.loads(run(made.where, "best", "--json").stdout)[0]
    assert row["judged"] == row["value"]
    folder = Path(row["folder"])
    assert round((folder / "model.onnx").stat().st_size / 1024, 1) == row["size_kib"]
    return {
        "trial": str(row["trial"]),
        "value": f"{row['value']:.4f}",
        "runs": row["from"],
        "KiB": f"{row['size_kib']:.1f}",
        **{name: f"{value:.3f}" for name, value in {**row["metrics"], **row["rates"]}.items()},
    }


def as_csv(made: Made) -> Figures:
    """The first row of the CSV, on standard output and in a file."""
    text = run(made.where, "best", "--csv").stdout
    run(made.where, "best", "--csv", "--out", "board.csv")
    assert (made.where / "board.csv").read_text(encoding="utf-8") == text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["place"]) for row in rows] == list(range(1, len(rows) + 1)) and len(rows) == 4
    first = rows[0]
    low, high, value = (float(first[key]) for key in ("seed_low", "seed_high", "value"))
    assert low <= value <= high and float(first["seed_spread"]) == pytest.approx(high - low)
    assert first["test_value"] == "" and rows[-1]["fresh_seeds"] == "0"
    names = [name for name in first if name in FOUR or name.startswith(("sens", "spec", "bal"))]
    return {
        "trial": first["trial"],
        "value": f"{value:.4f}",
        "runs": first["figures_of"],
        "KiB": f"{float(first['size_kib']):.1f}",
        **{name: f"{float(first[name]):.3f}" for name in names},
    }


def library(made: Made) -> Figures:
    result = SearchResult.of(made.summary, f"sqlite:///{made.where / 'studies.db'}")
    assert result.best is not None and result.best.export is not None
    sizes = result.trials.set_index("trial")["size_kib"]
    assert sizes[result.best.trial] == result.best.size_kib
    return {
        "trial": str(result.best.trial),
        "value": f"{result.best.value:.4f}",
        "KiB": f"{result.best.size_kib:.1f}",
        **{name: f"{value:.3f}" for name, value in result.best.metrics.items()},
    }


def report(made: Made) -> Figures:
    """The head of the report, and the sentence that its results begin with."""
    material = Material(made.plan.store, "s")
    head = headline(material, datetime.datetime(2026, 1, 1))
    said = re.search(r"The winner, (.*), is trial (\d+): ", head.lead)
    assert said is not None, head.lead
    facts = {name: (value, note) for name, value, note in head.facts}
    value, note = facts["Objective, out of fold"]
    assert note == f"winner, {said[1]}"
    found = material.verdict
    assert found is not None and dict(head.rows)["next"] == found.next
    lowest, which = facts.get("Nearest to its gate") or facts["Lowest of four metrics"]
    first = results.contents(material)[0]
    assert f"the objective is {value}; " in str(first), first
    return {
        "trial": said[2],
        "value": value,
        "runs": said[1],
        "KiB": facts["ONNX file"][0].removesuffix(" KiB"),
        which.split(";")[0]: lowest,
        **{name: facts[name[0].upper() + name[1:]][0] for name in found.rates},
    }


def card(made: Made) -> Figures:
    """The model card and the metrics.json beside it."""
    folder = Path(made.summary["winner"]["folder"])
    text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    figures = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    trial = re.search(r"trial (\d+) of study 's'", text)
    value = re.search(r"\| objective, out of fold +\| \*\*(\S+)\*\*", text)
    size = re.search(r"\| file +\| (\S+) KiB", text)
    assert trial and value and size and f"{figures['value']:.3f}" == value[1]
    four = {name: f"{figures[name]:.3f}" for name in FOUR}
    return {"trial": trial[1], "value": value[1], "KiB": size[1], **four}


def dashboard(made: Made) -> Figures:
    """The Dashboard: its best trial, and the notes of the study and of that trial."""
    store = made.plan.store
    overlay = Overlay(store, Shelf(made.where), made.where)
    study_id = store.study("s")._study_id
    trial = overlay.get_best_trial(study_id)
    note = overlay.study_note(study_id)
    first = re.search(r"- winner, (.*): trial (\d+), (\S+), (\S+) KiB: ", note)
    assert first is not None and first[2] == str(trial.number), note
    rows = [re.split(r"\s*\|\s*", line.strip("| ")) for line in note.splitlines() if line.startswith("| ")]
    table = dict(zip(rows[0], rows[2], strict=True))
    assert (table["trial"], table["value"], table["runs"]) == (first[2], first[3], first[1])
    own = overlay.trial_notes(study_id, [trial.number])[trial.number]
    assert f"Judged by its repeats, out of fold: **{first[3]}**, {first[1]}." in own
    assert (
        f"| {first[4]} KiB " in own
        and f"Exported as `{made.summary['winner']['folder'].split('/')[-1]}`" in own
    )
    assert f"{trial.user_attrs['size KiB']:.1f}" == first[4]
    return {
        "trial": first[2],
        "value": first[3],
        "runs": first[1],
        "KiB": first[4],
        **{n: table[n] for n in FOUR},
    }


SURFACES: tuple[Callable[[Made], Figures], ...] = (
    *(log, status, best, first_screen, best_json, as_csv, library, report, card, dashboard),
)


def test_every_surface_says_the_same_of_one_study(made: Made) -> None:
    found = {surface.__name__: surface(made) for surface in SURFACES}
    assert set(found["log"]) == {"trial", "value", "runs", "KiB", *FOUR}
    assert found["log"]["trial"] == "2" and "trained 2 times as long, decision " in found["log"]["runs"]
    for name, figures in found.items():
        assert {"trial", "value"} <= set(figures), name
        for key, shown in figures.items():
            # The log prints no rates, and the report's head one where the gate is of them.
            whole = (found["log"] if key in found["log"] else found["best_json"])[key]
            # Some print fewer digits.
            same = shown == whole or (key == "value" and f"{float(whole):.3f}" == shown)
            assert same, f"{name} shows {key} {shown}, the log {whole}: {found}"
    first = verdict(made.plan.store, "s")
    assert first is not None and made.summary["lines"][-1] == f"next: {first.next}"
    overlay = Overlay(made.plan.store, Shelf(made.where), made.where)
    note = overlay.study_note(made.plan.store.study("s")._study_id)
    assert {"gain", "worst people", "next"} <= {name for name, _ in first.rows()}
    for name, words in first.rows()[4:-1]:
        assert f"- {name}: {words}\n" in note, note
    assert f"- next: `{first.next}`\n" in note


def test_the_best_at_each_size_is_the_winner_where_that_fits(made: Made) -> None:
    rows = [line.split() for line in run(made.where, "best", "--pareto").stdout.splitlines()]
    winner = leaderboard(made.plan.store, "s")[0]
    assert rows[0][:3] == ["at", "most", "KiB"] and rows[-1][:3] == ["next:", "atml", "best"]
    assert (rows[1][0], rows[1][1]) == ("5", str(winner.number)) and len(rows) == 4
    small = dataclasses.replace(leaderboard(made.plan.store, "s")[-1], size_kib=1.0)
    large = dataclasses.replace(winner, size_kib=33.0)
    found = best_at_sizes([large, dataclasses.replace(small, size_kib=6.0), small])
    assert [(at.kib, at.entry.size_kib) for at in found] == [(5.0, 1.0), (40.0, 33.0)]


def test_an_operating_point_by_wish_moves_the_decision_of_the_file_alone(made: Made) -> None:
    first = leaderboard(made.plan.store, "s")[0]
    there = sorted(path.name for path in (made.where / "exports" / "s").iterdir())
    done = run(made.where, "best", "export", "--min-sensitivity", "0.98")
    if made.plan.definition.task.positive is None:
        assert done.returncode == 2 and "no positive class" in done.stderr
        assert sorted(path.name for path in (made.where / "exports" / "s").iterdir()) == there
        return
    folder = next((made.where / "exports" / "s").glob(f"*-t{first.number:04d}-sensitivity-98"))
    assert leaderboard(made.plan.store, "s")[0] == first  # the study names what it chose
    assert first.folder is not None
    before, moved = load(first.folder), load(folder)
    x = made.plan.dataset.x
    by = np.float32(moved.offsets) - np.float32(before.offsets)
    assert np.any(by) and np.allclose(infer(moved.model, x), infer(before.model, x) - by, atol=1e-4)
    figures = json.loads((folder / "metrics.json").read_text())
    found = untrained.finals(made.plan).at(first.record, first.length)
    assert found is not None and found.result.target.task.positive is not None
    # On the folds that chose it the wish is met; what stands in the card is of those that did not.
    parts = [one.measurement.predictions.lowered(np.float32(moved.offsets)) for one in found.runs]
    right = np.concatenate([part.decided()[part.truth()] for part in parts])
    assert 0.98 <= right.mean() < 0.99
    rates = figures["rates"]
    for name in ("sensitivity", "specificity"):
        shown = f"{name} {rates[name]['value']:.3f} (95% interval {rates[name]['low']:.3f} to"
        assert shown in done.stdout
    assert done.stdout.count("; asked for: ") == 1 and "; asked for: 0.98\n" in done.stdout
    assert figures["decision"] == "decision moved for sensitivity at least 0.98, cross-fitted"
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "The decision was moved for a sensitivity at least 0.98, as asked for" in card
    wrong = run(made.where, "best", "export", "--min-specificity", "1.2")
    assert wrong.returncode == 2 and "--min-specificity 1.2 is not between 0 and 1" in wrong.stderr


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[Plan]:
    """A study of three trials, without any fresh seed."""
    plan = untrained.plan(tmp_path, "afib")
    for noise, origin in ((2.5, "default"), (1.4, "sampled"), (1.2, "sampled")):
        untrained.add(plan, noise, origin=origin)
    yield plan
    plan.store.close()


def agree(plan: Plan, where: Path, summary: dict[str, Any], *surfaces: Callable[[Made], Figures]) -> Figures:
    """Return what the surfaces show, which has to be the same."""
    study = Made(where, plan, summary)
    first, *others = (surface(study) for surface in surfaces)
    whole = {**{key: shown for other in others for key, shown in other.items()}, **first}
    for other in others:
        for key, shown in other.items():
            assert shown in (whole[key], f"{float(first['value']):.3f}"), (first, other)
    return first


def test_before_any_fresh_seed_all_show_the_best_so_far(begun: Plan, tmp_path: Path) -> None:
    top = max(begun.store.trials("s"), key=lambda t: t.value or 0.0)
    row = json.loads(run(tmp_path, "status", "--json").stdout)[0]
    assert (row["best"], row["best_trial"]) == (top.value, top.number)
    assert row["best_is"] == "best so far, one seed"
    first = json.loads(run(tmp_path, "best", "--json").stdout)[0]
    assert (first["value"], first["judged"], first["metrics"]) == (top.value, None, top.result["metrics"])
    shown = run(tmp_path, "best").stdout
    assert shown.startswith(f"study s: best so far, one seed: trial {top.number}, ")
    assert "atml search --task afib --study s --trials 100" in " ".join(shown.split())
    lead = headline(Material(begun.store, "s"), datetime.datetime(2026, 1, 1)).lead
    assert f"The best so far, one seed, is trial {top.number}: " in lead
    overlay = Overlay(begun.store, Shelf(tmp_path), tmp_path)
    note = overlay.study_note(begun.store.study("s")._study_id)
    assert f"- best so far, one seed: trial {top.number}, {top.value:.4f}, " in note


def test_a_choice_by_one_seed_ends_with_a_better_trial_one_by_fresh_seeds_does_not(
    begun: Plan, tmp_path: Path
) -> None:
    found = untrained.finals(begun, repeats=0)
    untrained.export(found)
    summarise(found, 1.0)
    taken = leaderboard(begun.store, "s")[0]
    assert taken.title == "best so far, one seed" and taken.folder is not None
    better = untrained.add(begun, 0.7)
    assert leaderboard(begun.store, "s")[0].number == better.number
    found = untrained.finals(begun)
    untrained.repeat(found, dict.fromkeys(range(4), 2.0))
    summarise(found, 1.0)
    winner = leaderboard(begun.store, "s")[0]
    assert winner.title == "winner, mean of 2 fresh seeds, decision as trained"
    untrained.add(begun, 0.3)
    assert leaderboard(begun.store, "s")[0] == winner


def test_a_card_is_of_the_runs_that_its_model_was_judged_by(begun: Plan, tmp_path: Path) -> None:
    """A search that goes on with more repeats judges the winner anew, and writes its card anew."""
    values = []
    for repeats in (1, 2):
        found = untrained.finals(begun, repeats=repeats)
        untrained.repeat(found, {0: 2.5, 1: 2.2, 2: 1.5})
        untrained.export(found)
        summary = summarise(found, 1.0)
        values.append(agree(begun, tmp_path, summary, log, best_json, report, card, dashboard)["value"])
    assert values[0] != values[1]
    assert Exports(untrained.finals(begun)).waiting() == 0
    # An earlier version shipped another decision: the file is made anew.
    file = Path(summary["winner"]["folder"]) / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "offsets": [0.0, 0.25]}))
    assert Exports(untrained.finals(begun)).waiting() == 1


def test_the_dashboard_has_the_importances_of_the_report(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    study(store, "s", 80)
    material = Material(store, "s")
    app = application(store, tmp_path)
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/studies/1/param_importances",
        "HTTP_HOST": "localhost",
    }
    environ |= {
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "QUERY_STRING": "",
    }
    answer = b"".join(
        app({**environ, "wsgi.input": io.BytesIO()}, lambda status, headers, error=None: told.append(status))
    )
    [shown] = json.loads(answer)["param_importances"]
    assert told == ["200 OK"] and len(shown) > 2
    assert {one["name"].replace(" ", "_"): one["importance"] for one in shown} == material.importances
    store.close()
