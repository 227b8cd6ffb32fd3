from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import Any

import optuna
import pytest
from optuna.samplers import NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from atml.regions import Bounds, Box, Choice, Claim, Interval, begin, judge, learn, outcomes
from atml.searching.samplers.parameters import SearchSampler
from atml.searching.samplers.region_sampler import MARKS, RegionSampler
from atml.storage import record


def suggest(trial: Any) -> dict[str, Any]:
    family = trial.suggest_categorical("family", ["cnn", "gru", "cnn+gru"])
    if "gru" in family:
        trial.suggest_int("units", 4, 24, step=4)
        if not trial.suggest_categorical("bidirectional", [False, True]):
            trial.suggest_int("layers", 1, 2)
    if "cnn" in family:
        trial.suggest_int("depth", 2, 5)
    trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    trial.suggest_float("dropout", 0.0, 0.5)
    return dict(trial.params)


def value(params: dict[str, Any]) -> float:
    """Best for a wide gru at a rate of 0.03, where the boxes are."""
    found = -abs(math.log10(params["rate"]) + 1.5) - abs(params["dropout"] - 0.2)
    return found + (1 + params["units"] / 24 if params["family"] == "gru" else 0)


GRU = Box((Choice("family", ("gru",)),))
BOXES = (
    Box((Choice("family", ("gru",)), Interval("rate", 0.01, 0.1))),
    Box((Choice("bidirectional", (True,)), Interval("dropout", 0.0, 0.4))),
    Box((Choice("family", ("cnn",)), Interval("dropout", 0.1, 0.3))),
)


def tpe(seed: int) -> TPESampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def study_of(proposer: Any, bounds: Any, seed: int = 1, **options: Any) -> tuple[optuna.Study, RegionSampler]:
    known = bounds if callable(bounds) else lambda: bounds
    sampler = RegionSampler(proposer, suggest, known, study_seed=seed, **options)
    return optuna.create_study(sampler=sampler, direction="maximize"), sampler


def search(study: optuna.Study, count: int, judged: Any = value) -> None:
    for _ in range(count):
        trial = study.ask()
        study.tell(trial, judged(suggest(trial)))


def hits(study: optuna.Study, *origins: str) -> list[int]:
    return [
        t.number
        for t in study.trials
        if t.user_attrs["origin"] in origins and any(box.contains(t.params) for box in BOXES)
    ]


@pytest.mark.parametrize(
    "proposer",
    [
        lambda: tpe(0),
        lambda: TPESampler(seed=0, multivariate=False, constant_liar=False),
        lambda: RandomSampler(seed=0),
        lambda: NSGAIISampler(seed=0, population_size=10),
        lambda: QMCSampler(seed=0, warn_independent_sampling=False),
    ],
    ids=["tpe", "tpe alone", "random", "nsga2", "qmc"],
)
@pytest.mark.filterwarnings("ignore:.*QMCSampler is experimental")
def test_nothing_is_sampled_in_a_rejected_box(proposer):
    """The optimum lies in a box; the sampler would go there."""
    study, sampler = study_of(proposer(), Bounds(closed=BOXES))
    search(study, 90)
    assert hits(study, "sampled", "reference") == []
    origins = Counter(t.user_attrs["origin"] for t in study.trials)
    assert (origins["audit"], origins["reference"]) == (2, 15)
    assert len(hits(study, "audit")) == 2
    assert sampler.resampled > 20
    for trial in study.trials:
        # A config is as the space asks for it: nothing more, nothing less.
        assert suggest(optuna.trial.FixedTrial(trial.params)) == trial.params


def test_without_regions_the_sampler_goes_there():
    study, sampler = study_of(tpe(0), Bounds())
    search(study, 60)
    assert len(hits(study, "sampled")) > 20
    assert sampler.resampled == 0


def test_reference_draws_are_those_of_a_search_without_regions():
    study, _ = study_of(tpe(0), Bounds(), seed=7)
    plain = optuna.create_study(sampler=SearchSampler(7), direction="maximize")
    for one in (study, plain):
        search(one, 15)
    assert [t.params for t in study.trials] == [t.params for t in plain.trials]


def test_a_quarter_of_the_later_trials_are_reference_draws_while_a_test_goes_on():
    study, _ = study_of(RandomSampler(seed=0), Bounds(live=(GRU,)))
    search(study, 95)
    origins = Counter(t.user_attrs["origin"] for t in study.trials)
    assert origins == {"reference": 35, "sampled": 60}


def test_a_reference_draw_stays_in_a_rejected_box_where_a_test_goes_on():
    live = Box((Interval("dropout", 0.0, 0.25),))
    study, _ = study_of(RandomSampler(seed=0), Bounds(closed=(GRU,), live=(live,)), startup=150)
    search(study, 150)
    inside = [t.params for t in study.trials if GRU.contains(t.params)]
    assert len(inside) > 15
    assert all(live.contains(params) for params in inside)


def test_an_audit_is_of_the_box_it_names_and_marks_say_so():
    study, _ = study_of(RandomSampler(seed=0), Bounds(closed=BOXES, known=3), startup=0)
    search(study, 176)
    audits = [t for t in study.trials if t.user_attrs["origin"] == "audit"]
    assert len({t.user_attrs[MARKS]["aimed"] for t in audits}) == 3
    for trial in audits:
        box = next(b for b in BOXES if b.id == trial.user_attrs[MARKS]["aimed"])
        assert box.contains(trial.params)
    assert all(t.user_attrs[MARKS]["known"] == 3 for t in study.trials)


def test_a_suspect_box_is_sampled_less_and_not_closed():
    free, _ = study_of(RandomSampler(seed=0), Bounds(), startup=0)
    slow, _ = study_of(RandomSampler(seed=0), Bounds(slowed=(GRU,)), startup=0)
    for study in (free, slow):
        search(study, 300)
    shares = [sum(GRU.contains(t.params) for t in study.trials) / 300 for study in (free, slow)]
    assert 0.25 < shares[0] < 0.42
    # A third at a quarter of the rate: 1 in 9 is left.
    assert 0.06 < shares[1] < 0.17


def test_a_queued_trial_bypasses_regions_and_is_no_reference_draw():
    study, _ = study_of(tpe(0), Bounds(closed=BOXES))
    wanted = {"family": "gru", "units": 24, "bidirectional": False, "layers": 1, "rate": 0.03, "dropout": 0.2}
    study.enqueue_trial(wanted)
    study.enqueue_trial({"family": "gru", "rate": 0.03})
    search(study, 2)
    assert study.trials[0].params == wanted
    assert study.trials[1].params["rate"] == 0.03
    assert [t.user_attrs["origin"] for t in study.trials] == ["queued", "queued"]
    assert Bounds(closed=BOXES).hits(wanted) == BOXES[:1]


@pytest.mark.parametrize("startup", [15, 0])
def test_a_trial_that_was_cut_off_goes_on_as_it_would_have(startup):
    bounds = Bounds(closed=BOXES)
    whole, _ = study_of(RandomSampler(seed=0), bounds, seed=3, startup=startup)
    search(whole, 1)
    cut, _ = study_of(RandomSampler(seed=0), bounds, seed=3, startup=startup)
    trial = cut.ask()
    trial.suggest_categorical("family", ["cnn", "gru", "cnn+gru"])
    cut._storage.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.WAITING)
    again = cut.ask()
    assert again.number == 0
    found = suggest(again)
    assert found["family"] == whole.trials[0].params["family"]
    assert not bounds.hits(found)
    if startup:
        assert found == whole.trials[0].params


def test_a_region_found_by_one_worker_binds_the_next_trial_of_all():
    storage = optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    space = learn(suggest, 500)
    ledger = begin(space, {}, named=("family",), p0=0.4, claim=Claim.QUALIFIES)

    def bounds() -> Bounds:
        trials = [record(t) for t in optuna.load_study(study_name="s", storage=storage).trials]
        marks = {t.number: {} for t in trials}
        return Bounds.of(judge(ledger, outcomes(trials, lambda r: (r.value or 0) > 0, marks), space))

    def good(params: dict[str, Any]) -> float:
        return 0.0 if params["family"] == "gru" else 1.0

    def seen(bounds: Bounds) -> bool:
        return any(GRU.key == box.key for box in bounds.closed)

    workers = [
        optuna.load_study(
            study_name="s",
            storage=storage,
            sampler=RegionSampler(RandomSampler(seed=i), suggest, bounds, study_seed=1, startup=60),
        )
        for i in range(2)
    ]
    for turn in range(140):
        trial = workers[turn % 2].ask()
        was = seen(bounds())
        params = suggest(trial)
        if was and trial.storage.get_trial(trial._trial_id).user_attrs["origin"] == "sampled":
            assert not GRU.contains(params)
        workers[turn % 2].tell(trial, good(params))
    assert seen(bounds())


def test_a_space_that_answers_otherwise_later_still_gets_values():
    turns = iter(range(1000))

    def fickle(trial: Any) -> None:
        trial.suggest_float("x", 0, 1)
        if next(turns):
            trial.suggest_float("y", 0, 1)

    sampler = RegionSampler(RandomSampler(seed=0), fickle, lambda: Bounds(), study_seed=0, startup=0)
    study = optuna.create_study(sampler=sampler)
    trial = study.ask()
    fickle(trial)
    assert set(trial.params) == {"x", "y"}
