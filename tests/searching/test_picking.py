"""Who is repeated, who drops out, who is taken, what it may cost: on trials written into a study."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from atml.models import cost
from atml.models.config import ModelConfig
from atml.searching.exporting import Exports
from atml.searching.finalist_time import grace, reserve
from atml.searching.finalists import Finalists
from atml.searching.picking import pick
from atml.searching.plan import Plan, prepare
from atml.searching.ranking import in_order
from atml.searching.repeats import Repeats
from atml.searching.rounds import todo
from atml.searching.search_options import Goal, Options
from atml.searching.search_state import PLATEAU, SearchState
from atml.searching.summary import summarise
from atml.searching.verdict import verdict
from atml.searching.workers.jobs import Report, TrialJob
from atml.training.records import Measurement, TrialRecord
from tests.searching.studies import Space, Told

OPTIONS: dict[str, Any] = {"finalists": 3, "repeats": 2, "longer": 1}
SMALL, LARGE = (4,), (16, 16)


@pytest.fixture
def plan(small: Path, space: Space, tmp_path: Path) -> Iterator[Plan]:
    made = prepare(
        Options(data=(small,), space=space(), folds=3, storage=f"sqlite:///{tmp_path / 's.db'}", study="s"),
        lambda line: None,
    )
    yield made
    made.store.close()


def finals(plan: Plan, **options: Any) -> Finalists:
    out = Path(plan.store.name.removeprefix("sqlite:///")).parent / "exports"
    return Finalists(plan, plan.store.study("s"), Told(), Options(**{**OPTIONS, "out": out, **options}))


def measured(plan: Plan, wrong: float, seed: int, seconds: float = 10.0) -> Measurement:
    """A measurement of a model that decides a share ``wrong`` of every subject's windows wrong.

    With the same seed and share it is wrong on the same windows.
    """
    data, random = plan.dataset, np.random.default_rng(seed)
    rows = np.concatenate([fold.held_out for fold in plan.folds])
    y = data.y[rows]
    flipped = random.random(len(y)) < wrong
    logits = 4 * np.eye(2, dtype=np.float32)[np.where(flipped, 1 - y, y)]
    found = plan.definition.target.predictions(logits, y, data.subject[rows])
    value = plan.definition.value(found)
    return Measurement(
        value=value,
        fold_values=(value,) * 3,
        train_values=(value,) * 3,
        curves=(((1.0, 0.1, value),),) * 3,
        seconds=seconds,
        steps=40,
        finished=True,
        rows=rows,
        predictions=found,
    )


def add(
    plan: Plan,
    wrong: float,
    channels: tuple[int, ...] = SMALL,
    origin: str = "sampled",
    *,
    decimation: int = 5,
) -> TrialRecord:
    """Write a trial of 10 s that ran over every fold."""
    study = plan.store.study("s")
    trial = study.ask()
    config = ModelConfig(
        decimation=decimation,
        channels=channels,
        kernels=(7,) * len(channels),
        strides=(2,) * len(channels),
        steps=40,
    )
    found = measured(plan, wrong, 0)
    assert found.predictions is not None
    result = {"value": found.value, "fold_values": found.fold_values, "train_values": found.train_values}
    result |= {"curves": found.curves, "training_s": 10.0, "wall_s": 10.0, "steps": 40, "finished": True}
    fields = {"config": config.to_dict(), "cost": asdict(cost(config, plan.definition.task))}
    for key, value in {**fields, "origin": origin, "seed": 1, "result": result}.items():
        trial.set_user_attr(key, value)
    plan.store.save_predictions("s", trial.number, found.rows, found.predictions.logits)
    study.tell(trial, found.value)
    return plan.store.trials("s")[trial.number]


def work(plan: Plan, source: Repeats, wrong: dict[int, float], long: dict[int, float] | None = None) -> list:
    """Do the repeats of a source; models err as ``wrong`` and ``long`` say. Return (trial, length)."""
    done = []
    while isinstance(job := source.next(), TrialJob):
        record = plan.store.trials("s")[job.number]
        assert record.of is not None
        share = (wrong if record.length == 1 else long or {})[record.of]
        done.append((record.of, record.length))
        source.ended(
            job, Report(0, "measured", job, measurement=measured(plan, share, done.count(done[-1]))), "cpu"
        )
    return done


def test_what_was_cut_short_by_time_is_not_laid_to_the_limits(plan: Plan) -> None:
    study = plan.store.study("s")
    large = study.ask()
    large.set_constraint("size_kib", 12.0)
    study.tell(large, state=TrialState.PRUNED)
    found = finals(plan)
    assert (
        "none of them stays within the limits (at most 256 KiB): raise them" in summarise(found, 1.0)["lines"]
    )
    # Another was under way when the time was up, and is requeued.
    study.ask()
    assert (
        "no trial ran over every fold yet: it needs more --trials or more time"
        in summarise(found, 1.0)["lines"]
    )


def test_who_is_clearly_worse_is_no_finalist_but_the_default_is(plan: Plan) -> None:
    default = add(plan, 0.4, origin="default")
    best, like, worse = add(plan, 0.02), add(plan, 0.02), add(plan, 0.3)
    chosen = finals(plan).chosen()
    assert {t.number for t in chosen} == {best.number, like.number, default.number}
    assert chosen[1] == default and worse not in chosen


def test_rounds_drop_who_is_clearly_worse_and_the_smallest_of_equals_is_taken(plan: Plan) -> None:
    default = add(plan, 0.3, origin="default")
    large, small = add(plan, 0.02, LARGE, decimation=10), add(plan, 0.02, (20,), decimation=1)
    lucky = add(plan, 0.02)
    wrong = {default.number: 0.3, large.number: 0.03, small.number: 0.03, lucky.number: 0.25}
    found = finals(plan)
    source = Repeats(found)
    done = work(plan, source, wrong)
    # The best first and the default second; round two without the lucky one.
    first, second = done[:4], done[4:]
    assert first[1] == (default.number, 1) and {n for n, _ in first} == set(wrong)
    assert {n for n, _ in second} == {default.number, large.number, small.number}
    assert not todo(found).repeats
    taken = pick(found)
    assert taken.finalists[0].record == small and set(taken.alike) == {large.number, small.number}
    assert any("can't be told apart (differences within" in line for line in taken.lines)
    assert set(taken.equals) == {large.number} and taken.equals[large.number] == found.compare(
        *(one for one in (found.at(large), found.at(small)) if one is not None)
    )
    assert taken.gain is not None and taken.gain.low > 0
    gained = f"the search gained {taken.gain.value:+.3f} ({taken.gain.low:.3f} to {taken.gain.high:.3f})"
    assert any(line == f"{gained} over DEFAULT" for line in taken.lines)
    summary = summarise(found, 0.0)
    assert summary["winner"]["trial"] == small.number
    first = verdict(plan.store, "s")
    assert first is not None and [entry.number for entry in first.alike] == [large.number]
    gap = taken.equals[large.number]
    shown = dict(first.rows())["as good"]
    assert shown.startswith(f"can't be told apart from trial {large.number} (")
    assert shown.endswith(f" KiB, {gap.value:+.3f} ({gap.low:.3f} to {gap.high:.3f}) over it)")
    assert dict(first.rows())["gain"].startswith(f"{taken.gain.value:+.3f} (")
    assert first.over_baseline is not None and "over the baseline, irregular RR" in first.gains[1]
    lowest = [min(person.rates.values()) for person in first.worst]
    rates = [min(row.sensitivity, row.specificity) for row in taken.finalists[0].result.rows()[:3]]
    assert lowest == pytest.approx(rates, abs=1e-4)
    assert summary["pick"]["gain"] == [round(v, 6) for v in asdict(taken.gain).values()]
    assert set(taken.lines) <= set(summary["lines"])
    # As asked the fastest is taken, also by whoever goes on without asking.
    assert large.cost is not None and small.cost is not None and large.cost.macs < small.cost.macs
    summarise(finals(plan, prefer="fastest"), 0.0)
    fastest = pick(finals(plan))
    assert fastest.finalists[0].record == large and any("the fastest is taken" in s for s in fastest.lines)
    summarise(finals(plan, prefer="smallest"), 0.0)
    # One definition of the order, kept in the study; without it that of version 0.1.
    attrs = dict(plan.store.study("s").user_attrs)
    records = plan.store.trials("s")
    assert in_order(attrs, records)[0] == small.number
    del attrs["pick"]
    values = {int(n): round(v, 4) for n, v in attrs["judged"].items()}
    assert values[in_order(attrs, records)[0]] == max(values.values())


def test_without_a_gain_over_the_default_it_is_taken(plan: Plan) -> None:
    default, other = add(plan, 0.05, LARGE, origin="default", decimation=1), add(plan, 0.05)
    found = finals(plan)
    summarise(found, 0.0)
    first = verdict(plan.store, "s")
    assert first is not None and first.entry.number == default.number and not first.entry.seeds
    assert dict(first.rows())["gain"].startswith("it is DEFAULT: no gain over DEFAULT was found")
    done = work(plan, Repeats(found), {default.number: 0.05, other.number: 0.05})
    assert len(done) == 4
    taken = pick(found)
    assert taken.finalists[0].record == default
    assert taken.gain is not None and taken.gain.low <= 0 <= taken.gain.high
    line = next(line for line in taken.lines if line.startswith("no gain over DEFAULT was found ("))
    assert line.endswith("; DEFAULT is taken")


def test_one_of_several_has_to_be_better_by_more(plan: Plan) -> None:
    """Each finalist more is a chance more that one as good as the default looks better."""
    default, other = add(plan, 0.3, origin="default"), add(plan, 0.26)
    found = finals(plan)
    gaps = [found.compare(found.itself(other), found.itself(default), of=of) for of in (1, 4)]
    assert gaps[0].value == gaps[1].value
    assert gaps[1].low < gaps[0].low <= gaps[0].high < gaps[1].high


def test_one_round_is_enough_where_it_decides(plan: Plan) -> None:
    default, best = add(plan, 0.4, origin="default"), add(plan, 0.01)
    wrong, both = {default.number: 0.4, best.number: 0.01}, [(best.number, 1), (default.number, 1)]
    assert work(plan, Repeats(finals(plan, repeats=None, finalists=2)), wrong) == both
    # Who asks for two gets two.
    assert work(plan, Repeats(finals(plan, repeats=2)), wrong) == both
    assert finals(plan).at(best, seeds=finals(plan).seeds(best, 2)).result.values[1] > 0.9


@pytest.mark.parametrize(("long", "ships"), [(0.01, 4), (0.2, 1)])
def test_a_longer_training_ships_where_it_is_better_out_of_fold(plan: Plan, long: float, ships: int) -> None:
    default, best = add(plan, 0.4, origin="default"), add(plan, 0.05)
    found = finals(plan, longer=4)
    wrong = {default.number: 0.4, best.number: 0.1}
    done = work(plan, Repeats(found), wrong, {default.number: 0.4, best.number: long})
    assert done[-2:] == [(best.number, 4), (default.number, 4)]
    kept = [t for t in plan.store.trials("s") if t.length == 4]
    assert {t.config.steps for t in kept if t.config} == {160}
    taken = pick(found)
    first = taken.finalists[0]
    assert (first.record, first.length, set(taken.values)) == (best, ships, {1, 4})
    assert first.value == taken.values[ships] == max(taken.values.values())
    # Judged at a trial's own length, whatever ships.
    assert taken.short[best.number] == taken.values[1]
    assert taken.lines[-1].startswith("trained 4 times as long it has")
    job = Exports(found).next()
    assert job is not None and job.config == best.lengthened(ships)
    row = summarise(found, 0.0)["finalists"][0]
    assert row["length"] == ships and f"{40 * ships} x" in best.lengthened(ships).describe()
    assert not todo(found).repeats


def test_the_gain_that_counts_is_that_of_what_ships(plan: Plan) -> None:
    """At a trial's length the search gains; trained longer the default is as good."""
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.05, LARGE, decimation=1)
    found = finals(plan, longer=4)
    wrong = {default.number: 0.3, best.number: 0.1}
    work(plan, Repeats(found), wrong, {default.number: 0.02, best.number: 0.02})
    taken = pick(found)
    assert (taken.finalists[0].record, taken.finalists[0].length) == (default, 4)
    # Who is as good was compared at a trial's length: the value there stands beside the differences.
    summarise(found, 0.0)
    told = verdict(plan.store, "s")
    assert told is not None and told.short == pytest.approx(taken.values[1], abs=1e-6)
    shown = dict(replace(told, alike=(told.entry,)).rows())["as good"]
    assert shown.startswith(
        f"trained as long as they are ({told.short:.4f}) it can't be told apart from trial "
    )


def test_finalists_cost_a_third_of_the_trials_unless_asked_for(plan: Plan) -> None:
    default = add(plan, 0.3, origin="default")
    others = [add(plan, 0.02), *(add(plan, 0.3) for _ in range(4))]
    wrong = {t.number: 0.1 for t in (default, *others)}
    found = finals(plan, finalists=None, repeats=None, longer=None)
    source = Repeats(found)
    # Six trials of 10 s: two repeats of 10 s, and none of 40.
    assert len(work(plan, source, wrong)) == 2
    assert "a third of the trials' time" in source.left_out()
    assert not Repeats(found).waiting()
    assert Repeats(finals(plan, repeats=2)).waiting()


def test_no_repeat_is_begun_that_cannot_end_in_time(plan: Plan) -> None:
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.02)
    found = finals(plan, longer=4)
    now = time.monotonic()
    none = Repeats(found, end=now + 12)
    assert none.next() is None and "left out for lack of time" in none.left_out()
    assert "run the same command again" in none.left_out()
    # Without repeats the best is exported all the same, by its own run; nothing else is.
    exports = Exports(found, end=now - 1)
    job = exports.next()
    assert job is not None and job.number == pick(found).finalists[0].record.number
    assert exports.next() is None
    # With the time for one, the best is the one.
    one = Repeats(found, end=time.monotonic() + 25)
    job = one.next()
    assert job is not None and plan.store.trials("s")[job.number].of == best.number
    # It runs at the end of the time: stopped, and begun again later.
    late = Repeats(found, end=time.monotonic())
    assert late.stop_now()
    one.requeue(job)
    assert plan.store.trials("s")[job.number].state == "failed"
    assert todo(found).repeats[0].record == best
    assert default in [r.record for r in todo(found).repeats]


def test_time_is_kept_for_the_finalists_in_question(plan: Plan) -> None:
    add(plan, 0.3, origin="default")
    add(plan, 0.02)
    options = Options(timeout=1000.0, finalists=3, repeats=2, longer=1)
    records = plan.store.trials("s")

    def kept(options: Options, workers: int = 1) -> float:
        return reserve(records, plan.budget, options, folds=3, workers=workers)

    # Two finalists, two seeds, 10 s each, and a final training as long as a fold.
    assert kept(options) == pytest.approx(40 + 10 / 3, abs=5)
    assert kept(options, workers=2) == pytest.approx(20 + 10 / 3, abs=5)
    assert kept(replace(options, longer=4)) == pytest.approx(120 + 40 / 3, abs=5)
    # Not asked for: a third of 20 s holds no repeat of 10.
    assert kept(replace(options, finalists=None, repeats=None)) < 10
    assert kept(replace(options, timeout=30.0)) == 15.0
    assert kept(replace(options, finalists=0)) == 0.0


def test_a_repeat_that_is_lost_again_and_again_holds_no_later_round_up(plan: Plan) -> None:
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.02)
    found, told = finals(plan), Told()
    found.view = told
    source = Repeats(found)
    wrong, ended = {default.number: 0.3, best.number: 0.02}, []
    while isinstance(job := source.next(), TrialJob):
        record = plan.store.trials("s")[job.number]
        assert record.of is not None and record.seed is not None
        if record.seed == found.seeds(best, 1)[0]:
            source.ended(job, Report(0, "lost", job, text="was killed"), "cpu")
            continue
        ended.append((record.of, record.seed))
        left = measured(plan, wrong[record.of], len(ended))
        source.ended(job, Report(0, "measured", job, measurement=left), "cpu")
    seeds = [(t.number, seed) for t in (default, best) for seed in found.seeds(t, 2)]
    assert set(ended) == {*seeds} - {(best.number, found.seeds(best, 1)[0])}
    assert any("judged without that repeat, which was lost 3 times" in line for line in told.lines)
    # The next start tries it again.
    assert [one.seed for one in todo(finals(plan)).repeats] == found.seeds(best, 1)


def test_time_that_the_finalists_leave_goes_to_more_trials(plan: Plan) -> None:
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.02)
    options = Options(timeout=1000.0, finalists=2, repeats=2, longer=1)

    def kept(settled: tuple[int, ...] = (), *, late: bool = False) -> float:
        records = plan.store.trials("s")
        return reserve(
            records, plan.budget, options, folds=3, workers=1, settled=settled, late=late, windows=10_000
        )

    found = finals(plan)
    before, final = kept(), 10 / 3
    assert before == pytest.approx(40 + 4 * 1.0 + final, abs=5)
    source = Repeats(found)
    job = source.next()
    assert isinstance(job, TrialJob)
    source.ended(job, Report(0, "measured", job, measurement=measured(plan, 0.02, 1)), "cpu")
    assert kept() == pytest.approx(before - 11, abs=1)  # one of four has run
    work(plan, source, {default.number: 0.3, best.number: 0.02})
    both = (default.number, best.number)
    # A newcomer would need two repeats; after repeats that the time had no room for, none gets any.
    assert kept(both) == pytest.approx(20 + 2 * 1.0 + final, abs=5)
    assert kept(both, late=True) == pytest.approx(2 * 1.0 + final, abs=5)

    def state(left: float) -> SearchState:
        end = time.monotonic() + left
        return SearchState(plan, Told(), options, workers=1, end=end, regions=False)

    assert state(600.0).settle(late=False) and state(600.0).settle(late=True)
    assert not state(20.0).settle(late=False) and not state(5.0).settle(late=True)
    Goal(trials=2, patience=0, regions=False).keep(plan.store, "s")
    assert not state(600.0).settle(late=False)  # the goal is reached
    # The first export has its grace, others end with the time.
    exports = Exports(finals(plan, timeout=1000.0), end=time.monotonic() - grace(1000.0) + 50)
    first = exports.next()
    assert first is not None and not exports.stop_now()
    exports = Exports(finals(plan, timeout=1000.0), end=time.monotonic() - grace(1000.0) - 1)
    assert exports.next() is not None and exports.stop_now()


def test_a_search_that_gains_nothing_says_so_and_how_to_end_it(plan: Plan) -> None:
    add(plan, 0.02)
    study = plan.store.study("s")
    for _ in range(PLATEAU - 1):
        study.tell(study.ask(), state=TrialState.PRUNED)
    told = Told()
    state = SearchState(plan, told, Options(), workers=1, end=None, regions=False)
    state.refresh()
    assert told.lines == []
    study.tell(study.ask(), state=TrialState.PRUNED)
    state.refresh()
    state.refresh()
    assert len(told.lines) == 1 and f"no better trial in the last {PLATEAU}" in told.lines[0]
    assert told.lines[0].endswith(f"run the same command with --trials {PLATEAU + 1}")


def test_the_gain_line_says_by_which_values(plan: Plan) -> None:
    """With the time for one repeat, of the best, the default is judged by its own run: nobody chose that."""
    add(plan, 0.05, origin="default")
    best = add(plan, 0.02)
    found = finals(plan)
    assert "so too good" in pick(found).lines[-1]
    source = Repeats(found)
    job = source.next()
    assert isinstance(job, TrialJob) and plan.store.trials("s")[job.number].of == best.number
    source.ended(job, Report(0, "measured", job, measurement=measured(plan, 0.3, 0)), "cpu")
    line = pick(found).lines[-1]
    assert line.startswith("no gain over DEFAULT was found (-") and "too good" not in line


def test_who_trains_on_no_fresh_seed_was_not_worse(plan: Plan) -> None:
    """A finalist that collapsed on its fresh seed is no trial that the default beat."""
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.02)
    source = Repeats(finals(plan))
    collapsed = replace(measured(plan, 0.3, 0), collapsed=True)
    for number, measurement in ((best.number, collapsed), (default.number, measured(plan, 0.3, 0))):
        job = source.next()
        assert isinstance(job, TrialJob) and plan.store.trials("s")[job.number].of == number
        source.ended(job, Report(0, "measured", job, measurement=measurement), "cpu")
    assert pick(finals(plan)).lines == ("DEFAULT is the only finalist: no gain over it was found",)


def test_a_default_that_collapses_on_a_fresh_seed_is_not_said_to_have_stopped_short(plan: Plan) -> None:
    default, best = add(plan, 0.3, origin="default"), add(plan, 0.02)
    source = Repeats(finals(plan))
    collapsed = replace(measured(plan, 0.3, 0), collapsed=True)
    for number, measurement in ((best.number, measured(plan, 0.02, 0)), (default.number, collapsed)):
        job = source.next()
        assert isinstance(job, TrialJob) and plan.store.trials("s")[job.number].of == number
        source.ended(job, Report(0, "measured", job, measurement=measurement), "cpu")
    assert pick(finals(plan)).lines[-1].startswith("DEFAULT is not a finalist")


def test_as_many_rounds_are_kept_time_for_as_the_repeats_make(plan: Plan) -> None:
    """With a worker for each finalist a round takes as long as the slowest of them."""
    add(plan, 0.3, origin="default")
    for _ in range(7):
        add(plan, 0.02)
    records = plan.store.trials("s")
    options = Options(timeout=1000.0, longer=1)
    # 80 s of trials allow for two repeats of 10 s, both of round one.
    kept = reserve(records, plan.budget, options, folds=3, workers=8)
    assert kept == pytest.approx(10 + 10 / 3, abs=5)


def test_who_was_taken_stays_a_finalist_when_luckier_trials_come(plan: Plan) -> None:
    default, good = add(plan, 0.3, origin="default"), add(plan, 0.02)
    wrong = {default.number: 0.3, good.number: 0.02}
    first = finals(plan, finalists=1)
    work(plan, Repeats(first), wrong)
    summarise(first, 0.0)
    lucky = add(plan, 0.005)
    later = finals(plan, finalists=1)
    assert [t.number for t in later.chosen()] == [lucky.number, default.number, good.number]
    done = work(plan, Repeats(later), {**wrong, lucky.number: 0.2})
    assert {number for number, _ in done} == {lucky.number}
    assert pick(later).finalists[0].record.number == good.number
