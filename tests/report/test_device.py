"""The part of a report on boards: its figures add up, are those of the files, and say what is missing."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from atml import report
from atml.device.boards import BOARDS
from atml.device.measurements import Measurement, add
from atml.metrics import FOUR, Predictions
from atml.report import kind_binary, page
from atml.report.headline import headline
from atml.report.material import Material
from atml.report.page import Chart, Empty, Grid, Section
from atml.report.sections import device
from atml.storage import Store
from tests.report.conftest import Searched
from tests.report.test_sections import words


@pytest.fixture(autouse=True)
def _own_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CONFIG", str(tmp_path / "settings"))


@pytest.fixture(name="material")
def _material(searched: Searched) -> Iterator[Material]:
    store = searched.store()
    found = Material(store, searched.study)
    found.spec = {**found.spec, "board": "f303k8", "latency_ms": 9.5}
    yield found
    store.close()


def written(material: Material) -> Section:
    return report.section("device", material)


def chart(section: Section, name: str) -> Chart:
    (found,) = [b for b in section.flat if isinstance(b, Chart) and b.name == name]
    return found


def grid(section: Section, column: str) -> list[dict[str, str]]:
    (found,) = [b for b in section.flat if isinstance(b, Grid) and b.columns[0] == column]
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_layers_and_maps_add_up_to_the_estimate(material: Material) -> None:
    section = written(material)
    found, why = material.device.estimate(BOARDS["f303k8"])
    program = material.device.program
    assert found is not None and program is not None and why == ""
    assert sum(one.size for one in device.flash_map(program, found)) == found.flash_bytes
    assert sum(one.size for one in device.ram_map(found)) == found.ram_needed
    assert all(one.size > 0 for one in (*device.flash_map(program, found), *device.ram_map(found)))
    *layers, whole = grid(section, "layer")
    for column in ("MACs", "instructions", "weights, bytes", "buffers, bytes"):
        assert sum(number(row[column]) for row in layers) == number(whole[column]), column
    assert number(whole["instructions"]) == found.instructions
    assert number(whole["MACs"]) == program.macs
    # Each bar begins where the one before it ends.
    bars = chart(section, "device-time").figure.data[0]
    ends = np.add(bars.base, bars.x)
    assert np.allclose(bars.base, [0, *ends[:-1]]) and ends[-1] == pytest.approx(found.ms.value, rel=1e-3)
    for name, size in (("device-flash", found.flash_bytes), ("device-ram", found.ram_needed)):
        pieces = [piece for trace in chart(section, name).figure.data for piece in trace.x]
        assert sum(pieces) == pytest.approx(size / 1024), name


def test_the_study_s_board_stands_first_and_every_board_has_a_row(material: Material) -> None:
    section = written(material)
    rows = {row["what"]: row["estimate"] for row in grid(section, "what")}
    assert rows["board"].startswith("STM32F303K8") and rows["latency"].endswith("nobody measured yet")
    facts = {name: value for name, value, _ in headline(material, datetime.datetime(2026, 1, 1)).facts}
    assert rows["latency"].startswith(facts["On f303k8"])
    # The middle keeps what was asked for, the slow end does not.
    assert rows["asked for"] == "at most 9.5 ms; the middle of the interval keeps the latency"
    boards = {row["board"]: row for row in grid(section, "board")}
    assert list(boards) == list(BOARDS)
    assert rows["latency"].startswith(f"{boards['f303k8']['ms']} ms, {boards['f303k8']['low to high']}")
    add(Measurement("f303k8", 8.0, 219_012, "another network", "f32", "zig"))
    measured = {row["board"]: row["measured"] for row in grid(written(material), "board")}
    assert measured["f303k8"] == "1" and measured["l432kc"] == "nobody"


def test_formats_are_those_of_the_export(material: Material) -> None:
    kept = material.winner.metrics
    assert kept["formats"], "a search measures them"
    table = {row["figure"]: row for row in grid(written(material), "figure")}
    for name, form in (("f32", kept), *kept["formats"].items()):
        assert table["objective"][name] == f"{form['value']:.4f}"
        assert all(table[kind_binary.METRICS.get(key, key)][name] == f"{form[key]:.4f}" for key in FOUR), name
        assert all(table[key][name] == f"{rate['value']:.4f}" for key, rate in form["rates"].items()), name
        assert table["gate"][name] == "reached"
    assert table["decided as in f32"]["w8"] == f"{kept['formats']['w8']['agreement']:.4f}"
    assert number(table["KiB of flash on f303k8"]["w8"]) < number(table["KiB of flash on f303k8"]["f32"])


def test_subjects_that_lose_most_come_first(material: Material) -> None:
    """Predictions in eight bits that are wrong for a part of two people."""
    rows, run = material.out_of_fold[0]
    people = sorted(set(run.subject.tolist()))[:2]
    spoilt = run.logits.copy()
    for name, share in zip(people, (0.2, 0.6), strict=True):
        mine = np.flatnonzero(run.subject == name)
        spoilt[mine[: round(share * len(mine))]] *= -1
    worse: Predictions = dataclasses.replace(run, quantised={"w8": spoilt})
    material.__dict__["out_of_fold"] = ((rows, worse),)
    material.__dict__["exports"] = ()
    section = written(material)
    found = grid(section, "subject")
    assert [row["subject"] for row in found[:2]] == people[::-1]
    changes = [float(row["w8 − f32"]) for row in found]
    assert changes == sorted(changes) and changes[1] < 0 and set(changes[2:]) == {0.0}
    dots = next(trace for trace in chart(section, "device-subjects").figure.data if trace.mode == "markers")
    assert list(dots.y) == people[::-1] and list(dots.x) == changes[:2]
    said = words(section)
    assert f"in w8 {people[1]} with {changes[0]:+.4f}" in said
    # There is no export: the estimate is of the config.
    assert "by the shapes of its config" in said and "No C was written" in said


def test_what_was_checked_is_told_and_what_was_not(material: Material, tmp_path: Path) -> None:
    assert "`atml best export tiny --target cortex-m4` writes it" in words(written(material))
    checked = {
        **{"target": "cortex-m4", "title": "Cortex-M4F", "compiler": "zig 0.17.1", "windows": 32},
        **{"apart": 2e-7, "flipped": 0, "other_bits": 0, "instructions": 200_000, "stack": 500},
        **{"flash": 7000, "ram": 504, "passed": True},
    }
    exported = material.outcome.exported[0]
    assert exported is not None
    report_json = {
        **{"target": "cortex-m4", "format": "f32", "model": {"sha256": exported.sha256}},
        **{"checked": [checked], "unchecked": ["not checked on host: no compiler"]},
    }
    material.device.__dict__["written"] = report_json
    section = written(material)
    (row,) = grid(section, "target")
    assert row["target"] == "Cortex-M4F" and row["labels"] == row["bits"] == "the same"
    said = words(section)
    found = material.device.estimate(BOARDS["f303k8"])[0]
    assert found is not None
    assert f"the estimate has {100 * (found.instructions / 200_000 - 1):+.1f}%" in said
    assert "Not checked on host: no compiler." in said and "another file" not in said
    material.device.__dict__["written"] = {**report_json, "model": {"sha256": "0"}, "checked": "?"}
    said = words(written(material))
    assert "written of another file than this export has now" in said and "names no check" in said


def test_what_an_earlier_version_kept_has_an_estimate_all_the_same(searched: Searched) -> None:
    store = searched.store()
    material = Material(store, searched.study)
    (export,) = material.exports
    metrics = {key: kept for key, kept in export.metrics.items() if key not in ("formats", "official")}
    material.__dict__["exports"] = (dataclasses.replace(export, metrics=metrics),)
    section = written(material)
    assert next(row for row in grid(section, "what"))["estimate"].startswith("Loongson 2K0500")
    said = words(section)
    assert "`atml search --board NAME`" in said, "the way to a board"
    assert "a version that did not predict in them" in said
    # The contest's leaderboard with this model in it.
    places = grid(section, "model")
    assert [row["model"] for row in places].count("this model") == 1
    json.dumps(words(section))
    assert len(list(page.figures([section]))) == 3
    store.close()


def test_a_board_that_is_not_known_and_a_study_without_result(searched: Searched, url: str) -> None:
    store = searched.store()
    material = Material(store, searched.study)
    material.spec = {**material.spec, "board": "uno"}
    assert "for the board 'uno', which this version does not know" in words(written(material))
    store.close()
    store = Store(url, create=False)
    (why,) = written(Material(store, "bare")).blocks
    assert isinstance(why, Empty) and "no trial has run over every fold" in why.why
    store.close()
