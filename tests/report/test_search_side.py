"""What a report says of a search, on a study whose trials are known, and its page in a real browser."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from atml import report
from atml.cli import run
from atml.report import comparable, history, spending
from atml.report.material import Material
from atml.report.page import Block, Chart, Drawing, Empty, Grid, Section
from atml.storage import Store
from tests.browser import DESKTOP, PHONE, visit
from tests.report import made

if TYPE_CHECKING:
    from playwright.sync_api import Browser


TRIALS = made.TRIALS


@pytest.fixture(scope="module")
def material(url: str) -> Iterator[Material]:
    store = Store(url, create=False)
    yield Material(store, "made")
    store.close()


def section(name: str, material: Material) -> Section:
    return report.section(name, material)


def words(blocks: tuple[Block, ...]) -> str:
    return " ".join(
        b.says if isinstance(b, Chart | Drawing | Grid) else b.why if isinstance(b, Empty) else b.text
        for b in blocks
    )


def grid(name: str, material: Material, column: str) -> list[dict[str, str]]:
    (found,) = [b for b in section(name, material).flat if isinstance(b, Grid) and column in b.columns]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


# --- what is computed


def test_best_is_the_finalist_that_did_best_on_fresh_seeds(material: Material) -> None:
    assert material.best is not None
    values = {n: np.mean([t.value for t in material.repeats(n)]) for n in material.judged}
    assert material.best.number == max(values, key=lambda n: values[n])


def test_history_tells_the_best_and_when_it_came(material: Material) -> None:
    chart = history.against_trials(material.finished)
    whole = [t for t in material.finished if t.state == "complete"]
    best = max(whole, key=lambda t: t.value or 0)
    at = material.finished.index(best) + 1
    assert f"{best.value:.3f} (trial {best.number})" in chart.says
    assert f"After result {at} of {TRIALS}, {TRIALS - at} more trials found nothing better" in chart.says
    drawn = sum(len(trace.x) for trace in chart.figure.data if trace.mode == "markers")
    assert drawn == len(whole)


def test_time_counts_only_while_trials_ran(material: Material) -> None:
    first, second = material.finished[0], material.finished[1]
    assert first.started and first.ended
    night = (first.ended - first.started) * 1000
    later = dataclasses.replace(
        second, started=first.ended + night, ended=first.ended + night + (first.ended - first.started)
    )
    ends = history.busy([first, later])
    assert ends[later.number] == pytest.approx(2 * (first.ended - first.started).total_seconds())


def test_what_pruning_saved_is_counted_in_folds_and_seconds(material: Material) -> None:
    saved = spending.saved(material.finished, made.FOLDS)
    cut = [t for t in material.finished if t.state == "pruned" and t.steps]
    # A made trial takes 6 s a fold.
    assert saved.trials == len(cut) > 0
    assert saved.folds == pytest.approx(sum(made.FOLDS - (max(t.steps) + 1) / 4 for t in cut))
    assert saved.seconds == pytest.approx(6 * saved.folds)
    assert f"{saved.trials} were stopped because others did better" in words(
        section("search_course", material).blocks
    )


def test_trials_stand_whole_ones_first_then_by_how_far_they_came(material: Material) -> None:
    order = material.standing
    assert len(order) == sum(bool(t.steps) for t in material.finished)
    whole = sum(t.state == "complete" for t in order)
    assert [t.state for t in order[:whole]] == ["complete"] * whole
    assert [t.value for t in order[:whole]] == sorted((t.value for t in order[:whole]), reverse=True)
    lasts = [max(t.steps) for t in order[whole:]]
    assert lasts == sorted(lasts, reverse=True)


def test_a_median_counts_those_that_were_stopped_before_as_below(material: Material) -> None:
    trained = [t for t in material.standing if comparable.first_fold(t) is not None][:3]
    stopped = dataclasses.replace(trained[0], steps={0: 0.1}, state="pruned")
    values = sorted(comparable.first_fold(t) or 0.0 for t in trained)
    (one,) = comparable.grouped([*trained, stopped, stopped], lambda config: "all")
    assert (one.trained, one.past, one.median) == (5, 3, pytest.approx(values[0]))
    (most,) = comparable.grouped([*trained, *[stopped] * 4], lambda config: "all")
    assert most.median is None


def test_importances_name_what_the_values_were_made_of(material: Material) -> None:
    names = list(material.importances)
    assert sum(material.importances.values()) == pytest.approx(1)
    # Of some thirty parameters; the rest is noise.
    assert {"label_smoothing", "learning_rate", "family"} & set(names[:6])
    assert "PED-ANOVA" in words(section("search_course", material).blocks)


def test_every_parameter_is_told_with_range_choice_and_use(material: Material) -> None:
    rows = {row["parameter"]: row for row in grid("training_parameters", material, "drawn from")}
    assert material.best is not None
    assert set(rows) == set(material.axes)
    assert rows["learning_rate"]["drawn from"] == "0.001 to 0.01, logarithmic"
    assert rows["family"]["winner"] == material.best.params["family"]
    assert rows["depth"]["drawn from"] == "2 to 5"


def test_families_are_compared_within_bands_of_size(material: Material) -> None:
    rows = grid("families", material, "KiB")
    trained = [t for t in material.finished if t.steps and t.cost and t.config]
    assert sum(int(row["trained"]) for row in rows) == len(trained)
    for row in rows:
        low, high = map(float, row["KiB"].split(" to "))
        sized = [t for t in trained if t.cost and low <= t.cost.size_bytes / 1024 < high]
        mine = [t for t in sized if t.config and comparable.family(t.config) == row["family"]]
        values = [t.value for t in mine if t.state == "complete"]
        assert int(row["trained"]) == len(mine)
        assert row["best"] == (f"{max(v for v in values if v is not None):.3f}" if values else "-")
    assert "The counts differ" in words(section("families", material).blocks)


def test_changes_list_each_best_and_its_gain(material: Material) -> None:
    rows = grid("changes", material, "gain")
    best = history.successive(material.finished)
    assert [row["trial"] for row in rows] == [str(t.number) for t in best]
    assert rows[0]["gain"] == "-"
    for row, before, now in zip(rows[1:], best, best[1:], strict=False):
        assert row["gain"] == f"+{(now.value or 0) - (before.value or 0):.4f}"


def test_values_beside_each_other_are_judged_alike(material: Material) -> None:
    """Fresh seeds at the threshold of the search, and apart from it at the decision that ships."""
    assert material.best is not None
    number = material.best.number
    values = [t.value or 0.0 for t in material.repeats(number)]
    said = words(section("changes", material).blocks)
    assert f"On fresh seeds the winner has {np.mean(values):.3f} untuned" in said
    assert f"and {material.judged[number]:.3f} at the decision that ships" in said
    said = words(section("families", material).blocks)
    assert f"{material.judged[number]:.3f} (trial {number}, " in said
    steps = len(history.successive(material.finished)) - 1
    assert f" in {steps} step" in words(section("search_course", material).blocks)


def test_curves_are_the_means_of_what_the_repeats_recorded(material: Material) -> None:
    (chart,) = [
        b for b in section("curves", material).flat if isinstance(b, Chart) and b.name == "curves-value"
    ]
    assert material.best is not None
    (mean,) = [t for t in chart.figure.data if t.name == f"trial {material.best.number}"]
    points = [c for t in material.repeats(material.best.number) for c in t.result["curves"]]
    assert list(mean.y) == pytest.approx([np.mean([c[i][2] for c in points]) for i in range(4)], abs=1e-4)


def test_the_winner_is_drawn_layer_by_layer(material: Material) -> None:
    (drawn,) = [b for b in section("architectures", material).flat if isinstance(b, Drawing)]
    assert material.best is not None and material.best.config is not None
    assert drawn.svg.count("<rect") >= 3 + len(material.best.config.channels)
    assert "2 logits" in drawn.svg
    assert "has no activation" in words(section("architectures", material).blocks)


def test_rejected_regions_come_with_their_evidence(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/studies.db")
    made.refused(store, "refused", 40)
    material = Material(store, "refused")
    rows = grid("search_course", material, "evidence")
    rejected = [row for row in rows if row["status"] == "rejected"]
    assert rejected
    for row in rejected:
        assert re.fullmatch(r"0 of \d+ reference trials", row["evidence"])
    said = words(section("search_course", material).blocks)
    assert f"{len(rejected)} stand rejected and close" in said
    kept = sum(row["status"] == "refused" for row in rows)
    assert (f"would leave too little: {kept}" in said) == (kept > 0)
    assert "of the configs drawn at random in it fewer than 50% qualify" in said
    store.close()


# --- studies with little to tell


@pytest.mark.parametrize("name", [name for name in report.SECTIONS if name != "beats"])
def test_a_study_without_trials_says_so_in_every_part(url: str, name: str) -> None:
    store = Store(url, create=False)
    blocks = section(name, Material(store, "bare")).blocks
    assert blocks and not section("beats", Material(store, "bare")).blocks, "beats are of another task"
    store.close()


def test_failed_trials_only_are_counted(url: str, tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/studies.db")
    study = store.study("failed", made.spec())
    for _ in range(2):
        study.tell(study.ask(), state=made.optuna.trial.TrialState.FAIL)
    written = report.write(store, "failed", tmp_path / "reports", charts=False)
    html = written.index.read_text(encoding="utf-8")
    assert "2 trials began, and every one failed" in html
    store.close()


def test_a_task_whose_files_changed_is_told_and_the_rest_is_written(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/studies.db")
    store.study("gone", made.spec(objective_path=str(tmp_path / "not_there.py")))
    material = Material(store, "gone")
    assert material.definition is None
    assert "not_there.py" in material.task_gone
    assert all(s.blocks for s in report.compose(material))
    store.close()


# --- the command


def test_the_command_writes_a_report_and_says_where(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "reports"
    assert run(["report", "made", "--storage", url, "--out", str(out), "--no-figures", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert Path(said["report"]) == out / "made" / "index.html"
    assert said["bytes"] == Path(said["report"]).stat().st_size < 10 * 2**20
    assert str(out / "made" / "figures" / "winner-layers.svg") in said["figures"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "nothing"], "no study 'nothing'"),
        (["report", "made", "--out", "FILE/reports"], "can't be written"),
        (["report", "made", "--out", "x" * 300], "can't be written"),
        (["report", "--storage", "sqlite:///NOT/there.db"], "there.db"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], says: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "FILE").write_text("x")
    told = [a.replace("FILE", str(tmp_path / "FILE")).replace("NOT", str(tmp_path / "no")) for a in arguments]
    assert run(told if "--storage" in told else [*told, "--storage", url]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert [f.name for f in tmp_path.iterdir()] == ["FILE"]


# --- in a browser


@pytest.fixture(scope="module")
def page(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store(url, create=False)
    written = report.write(store, "made", tmp_path_factory.mktemp("page"), charts=False)
    store.close()
    return written.index


WIDER = """[...document.querySelectorAll('.scroll, .drawing')]
    .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.parentElement.outerHTML)"""


@pytest.mark.parametrize(("width", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_it_opens_without_errors_requests_or_overflow(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    with visit(browser, page.as_uri(), width=width, dark=dark) as seen:
        seen.until("window.Plotly")
        seen.walk()
        charts = seen.page.locator(".chart").count()
        assert charts >= 8
        seen.until(f"atmlDrawn() === {charts}")
        assert seen.overflow() == 0
        # Tables become lines on a phone, and strips are shown whole.
        assert seen.page.evaluate(WIDER) == []
        assert seen.requests == [page.as_uri()]
        assert seen.troubles == []
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(21, 24, 27)" if dark else "rgb(254, 254, 254)")


def test_the_toggle_changes_page_and_charts(browser: Browser, page: Path) -> None:
    colour = "getComputedStyle(document.querySelector('#figure-how-far .ytick text')).fill"
    with visit(browser, page.as_uri()) as seen:
        seen.until("window.Plotly")
        seen.page.locator("#figure-how-far").scroll_into_view_if_needed()
        seen.until("document.querySelector('#figure-how-far .ytick text')")
        assert seen.page.evaluate(colour) == "rgb(96, 103, 111)"
        seen.page.click("button.theme")
        seen.until(f"{colour} === 'rgb(163, 171, 180)'")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 27)"
        assert seen.troubles == []


def test_charts_far_below_wait_and_all_are_there_for_printing(
    browser: Browser, page: Path, tmp_path: Path
) -> None:
    with visit(browser, page.as_uri(), dark=True) as seen:
        seen.until("window.Plotly")
        charts = seen.page.locator(".chart").count()
        assert seen.page.evaluate("atmlDrawn()") < charts
        seen.page.pdf(path=str(tmp_path / "report.pdf"), prefer_css_page_size=True)
        seen.until(f"atmlDrawn() === {charts}")
        assert seen.troubles == []
    assert (tmp_path / "report.pdf").stat().st_size > 50_000


def test_tables_sort_and_filter_folds_open_and_errors_are_looked_through(
    browser: Browser, page: Path
) -> None:
    with visit(browser, page.as_uri()) as seen:
        subjects = seen.page.locator("figure.table").filter(has_text="false alarms").first
        column = subjects.locator("tbody tr:visible td:nth-child(5)")
        assert column.count() == 10
        subjects.get_by_role("button", name="All ").click()
        assert column.count() > 10
        for first in ("ascending", "descending"):
            subjects.get_by_role("button", name="false alarms").click()
            assert subjects.locator("th").nth(4).get_attribute("aria-sort") == first
            numbers = [float(text) for text in column.all_text_contents()]
            assert numbers == sorted(numbers, reverse=first == "descending") and len(set(numbers)) > 1
        name = subjects.locator("tbody tr td").first.text_content()
        subjects.get_by_role("searchbox").fill(str(name))
        assert set(subjects.locator("tbody tr:visible td:first-child").all_text_contents()) == {name}

        errors = seen.page.locator(".windows")
        assert errors.locator("svg").count() == 6
        errors.get_by_role("button", name="Show more").click()
        every = errors.locator("p[aria-live]")
        total = int(str(every.text_content()).split(" of ")[1].split()[0])
        assert errors.locator("svg").count() == min(total, 12) > 6
        missed = errors.locator("figcaption").filter(has_text="AF, called other").first.text_content()
        who = str(missed).split(",")[0].removeprefix("Subject ")
        errors.get_by_label("subject", exact=True).select_option(who)
        errors.get_by_label("truth and decision").select_option("AF, called other")
        errors.get_by_label("score to").fill("-0.2")
        found = errors.locator("figcaption").all_text_contents()
        assert 0 < len(found) <= 6 and int(str(every.text_content()).split(" of ")[0]) < total
        for said in found:
            assert said.startswith(f"Subject {who},") and "AF, called other" in said
            assert float(said.split("; score ")[1].split()[0]) <= -0.2

        assert not seen.page.locator("#limits table").first.is_visible()
        seen.page.locator("nav.contents a[href='#limits']").click()
        assert seen.page.locator("#limits table").first.is_visible()
        assert seen.troubles == []
