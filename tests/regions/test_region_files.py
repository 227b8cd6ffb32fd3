from __future__ import annotations

import datetime
import json

import pytest

from atml.regions import Box, Choice, RegionError, begin, judge, learn, lift
from atml.regions.region_files import read, to_json, to_text

GRU = Box((Choice("cell", ("gru",)),))


@pytest.fixture(scope="module")
def known(space, drawn):
    ledger = begin(space, {"space": "s"}, named=("cell = gru", "cell = lstm", "dropout"))
    draws = drawn(500, lambda p: p["cell"] != "gru" and p["dropout"] > 0.125)
    low = next(c for c in ledger.family if c.box.words() == "dropout in [0.0, 0.125]")
    ledger = lift(ledger, low.id, "a\nhunch", datetime.datetime(2026, 11, 22))
    return ledger, judge(ledger, draws, space)


@pytest.mark.parametrize("kind", ["json", "txt"])
def test_what_goes_out_comes_back(kind, known, space, tmp_path):
    ledger, regions = known
    path = tmp_path / f"avoid.{kind}"
    text = (
        json.dumps(to_json("old", ledger, regions, space))
        if kind == "json"
        else to_text("old", ledger, regions)
    )
    path.write_text(text, encoding="utf-8")
    found = read(path, space)
    assert [box.key for box, _ in found] == [r.box.key for r in regions if r.binds]
    assert GRU in [box for box, _ in found]
    assert all(note for _, note in found)


def test_the_text_reads_well(known):
    text = to_text("old", *known)
    assert "study old" in text and "fewer than 20% learn anything" in text and "5% at most" in text
    region = next(r for r in known[1] if r.box == GRU)
    assert f"cell = gru  # 0 of {len(region.evidence.trials)} reference trials learned, 2026-11-21\n" in text
    assert "# lifted: dropout in [0.0, 0.125] (a hunch)\n" in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell = gru\nnothing such\n", "line 2: 'nothing such' is not a region"),
        ("cells = gru\n", "has no parameter 'cells'"),
        ("cell in {none, lstm, gru}\n", "is the whole search space"),
        ("cell = none\ncell = lstm\ncell = gru\n", "together are the whole search space"),
        ("{", "is damaged"),
        ("{}", "holds no regions"),
        ('{"format": "atml-regions", "version": 2, "regions": []}', "install a newer atml"),
        ('{"format": "atml-regions", "version": 1, "regions": [], "space": "other"}', "another search space"),
    ],
)
def test_a_file_that_cant_be_used(text, message, space, tmp_path):
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RegionError, match=message) as caught:
        read(path, space)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(space, tmp_path):
    with pytest.raises(RegionError, match="can't be read as regions"):
        read(tmp_path / "none", space)
    (tmp_path / "bytes").write_bytes(b"\xff\x80")
    with pytest.raises(RegionError, match=r"line 1: .* is not a region"):
        read(tmp_path / "bytes", space)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_either_kind_in_any_encoding(known, space, tmp_path, encoding):
    ledger, regions = known
    path = tmp_path / "avoid"
    path.write_text(to_text("old", ledger, regions), encoding="utf-8")
    plain = read(path, space)
    for text in (to_text("\xe4lt", ledger, regions), json.dumps(to_json("\xe4lt", ledger, regions, space))):
        path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
        assert [box.key for box, _ in read(path, space)] == [box.key for box, _ in plain]


def test_a_damaged_region_is_told(known, space, tmp_path):
    fields = to_json("old", *known, space)
    del fields["regions"][0]["status"]
    (tmp_path / "f").write_text(json.dumps(fields))
    with pytest.raises(RegionError, match="damaged: a region lacks 'status'"):
        read(tmp_path / "f", space)


def test_a_file_of_another_space_is_refused(known, space, toy, tmp_path):
    def other(trial):
        toy(trial)
        trial.suggest_int("more", 1, 3)

    (tmp_path / "f").write_text(json.dumps(to_json("old", *known, space)))
    with pytest.raises(RegionError, match="about another search space"):
        read(tmp_path / "f", learn(other))
