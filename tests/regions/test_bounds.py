from __future__ import annotations

import random
from collections import Counter

import pytest

from atml.regions import Bounds, Box, Choice, Interval, begin, judge
from atml.regions.bounds import AUDIT_EVERY, REFERENCE_EVERY

GRU, LSTM = (Box((Choice("cell", (cell,)),)) for cell in ("gru", "lstm"))
LOW = Box((Interval("dropout", 0.0, 0.1),))


def test_bounds_are_read_from_regions(space, drawn):
    ledger = begin(space, {}, named=("cell = gru", "cell = lstm"), imported=[(LOW, "")])
    draws = drawn(60, lambda params: params["cell"] != "gru" and params["dropout"] > 0.1)
    suspects = Bounds.of(judge(ledger, draws[:50], space))
    assert LOW in suspects.slowed and LOW in suspects.imported and LOW in suspects.live
    assert GRU in suspects.slowed and not suspects.closed
    rejected = Bounds.of(judge(ledger, drawn(400, lambda p: p["cell"] != "gru"), space))
    assert GRU in rejected.closed and GRU not in rejected.live and GRU not in rejected.slowed


def test_shares_of_a_long_search():
    busy = Bounds(closed=(GRU,), live=(LOW,))
    origins = Counter(busy.origin(n, 15, 15)[0] for n in range(15, 1015))
    assert origins["audit"] == 1000 / AUDIT_EVERY
    assert origins["reference"] == 1000 / REFERENCE_EVERY
    # No test goes on: nothing is left to ask of reference draws.
    assert {Bounds(closed=(GRU,)).origin(n, 15, 15)[0] for n in range(1000)} == {"sampled", "audit"}
    assert {Bounds().origin(n, 0, 15)[0] for n in range(30)} == {"reference"}


def test_every_closed_box_is_audited_and_imported_ones_first():
    closed = Bounds(closed=(GRU, LSTM))
    aimed = Counter(box.id for n in range(2000) if (box := closed.origin(n, 15, 15)[1]))
    assert aimed == {GRU.id: 20, LSTM.id: 20}
    # In whatever order the boxes come.
    other = Bounds(closed=(LSTM, GRU))
    assert all(closed.origin(n, 15, 15) == other.origin(n, 15, 15) for n in range(200))
    fresh = Bounds(closed=(GRU,), imported=(LOW,))
    assert sum(fresh.origin(n, 15, 15)[1] == LOW for n in range(1000)) == 100


def test_what_is_spared_tells_no_test_anything(space):
    """Draws that are not spared are, inside any live box, what Q is there."""
    bounds = Bounds(closed=(GRU,), live=(LOW,))
    rng = random.Random(3)
    kept = [p for p in (rng.choice(space.sample) for _ in range(4000)) if not bounds.spared(p)]
    assert not [p for p in kept if GRU.contains(p) and not LOW.contains(p)]
    # A third of Q inside the live box is gru, and so it stays; elsewhere no gru is left.
    low = [p for p in kept if LOW.contains(p)]
    assert sum(GRU.contains(p) for p in low) / len(low) == pytest.approx(1 / 3, abs=0.05)


def test_what_is_queued_can_be_looked_at(space):
    bounds = Bounds(closed=(GRU, LOW))
    assert bounds.hits({"cell": "gru", "dropout": 0.05}) == (GRU, LOW)
    assert bounds.hits({"cell": "lstm", "dropout": 0.3}) == ()
