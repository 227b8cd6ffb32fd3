"""Trials are read and written as Optuna does it, with fewer questions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy as sa
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from atml.storage import Store
from tests.postgres import Server

INF, NAN = float("inf"), float("nan")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'studies.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = server.url(server.new_database())
    with contextlib.closing(Store(url)) as made:
        made.study("s", {"task": "afib"})
        yield made


def fill(study: optuna.Study) -> None:
    """Trials of every state, with all that a trial can hold."""
    study.enqueue_trial({"x": 0.5}, user_attrs={"origin": "default"})
    for number, state in enumerate([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, None] * 3):
        trial = study.ask()
        trial.suggest_categorical("kind", ["a", None, 3, 0.5, True])
        trial.suggest_int("n", 1, 1024, log=True)
        trial.suggest_float("x", -1, 1, step=0.25)
        trial.suggest_float("rate", 1e-5, 1e-1, log=True)
        for step, value in enumerate([0.5, INF, -INF, NAN, 1e-300]):
            trial.report(value, 10 - step)
        trial.set_user_attr("ä", {"text": "µV", "list": [1, None, 0.1], "deep": {"n": number}})
        trial.set_user_attr("again", number)
        trial.set_user_attr("again", number + 1)
        trial.set_constraint("size", 0.5)
        if state is not None:
            study.tell(trial, [0.25, INF, -INF][number % 3] if state == TrialState.COMPLETE else None, state)
    study.enqueue_trial({"x": 0.25})


def text(trials: list[optuna.trial.FrozenTrial]) -> list[str]:
    """Write trials so that they can be compared: NaN too, and attributes in any order."""
    fields = [{key.lstrip("_"): value for key, value in vars(trial).items()} for trial in trials]
    for one in fields:
        for key in ("user_attrs", "system_attrs", "intermediate_values"):
            one[key] = sorted(one[key].items())
    return [repr(sorted(one.items())) for one in fields]


def test_trials_are_read_as_optuna_reads_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    study = store.study("s")
    fill(study)
    ours = store._db.storage
    some = {trial._trial_id for trial in study.trials[2:5]}
    for states, included, newer in (
        (None, set(), -1),
        ((TrialState.RUNNING, TrialState.WAITING), set(), -1),
        (None, some, 8),
        (None, set(), 8),
        (None, some, -1),
        (None, set(), 10_000),
    ):
        theirs = RDBStorage._get_trials(ours, study._study_id, states, included, newer)
        assert text(ours._get_trials(study._study_id, states, included, newer)) == text(theirs)
    for trial in study.trials:
        assert text([ours.get_trial(trial._trial_id)]) == text([RDBStorage.get_trial(ours, trial._trial_id)])
    with pytest.raises(KeyError):
        ours.get_trial(10_000)
    # Thousands are described to the database, not named.
    whole = repr(ours.get_all_trials(study._study_id))
    monkeypatch.setattr("atml.storage.trial_rows._MANY", 3)
    assert repr(ours.get_all_trials(study._study_id)) == whole


def test_what_ended_is_not_written(store: Store) -> None:
    study, ours = store.study("s"), store._db.storage
    trial = study.ask()
    x, kind = trial.suggest_float("x", 0, 1), FloatDistribution(0, 1)
    study.tell(trial, 0.5)
    key = trial._trial_id
    before = repr(ours.get_trial(key))
    for write in (
        lambda: ours.set_trial_user_attr(key, "a", 1),
        lambda: ours.set_trial_system_attr(key, "a", 1),
        lambda: ours.set_trial_intermediate_value(key, 1, 0.5),
        lambda: ours._set_trial_param(key, "y", 0.5, kind, kind),
        lambda: ours._set_trial_param(key, "x", x / 2, kind, kind),
    ):
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            write()
    assert repr(ours.get_trial(key)) == before
    for write in (
        lambda: ours.set_trial_user_attr(10_000, "a", 1),
        lambda: ours.set_trial_intermediate_value(10_000, 1, 0.5),
    ):
        with pytest.raises(KeyError):
            write()


def test_a_parameter_keeps_its_first_value_and_its_kind(store: Store) -> None:
    study, ours = store.study("s"), store._db.storage
    key, kind = study.ask()._trial_id, FloatDistribution(0, 1)
    ours._set_trial_param(key, "x", 0.25, kind, kind)
    ours._set_trial_param(key, "x", 0.75, kind, kind)
    assert ours.get_trial(key).params == {"x": 0.25}
    with pytest.raises(ValueError, match="distribution"):
        ours._set_trial_param(key, "x", 0.5, IntDistribution(0, 1), kind)
    choices = CategoricalDistribution(["a", "b"])
    ours._set_trial_param(key, "c", 1, choices, choices)
    assert ours.get_trial(key).params == {"x": 0.25, "c": "b"}


def test_one_question_for_one_row(store: Store) -> None:
    study = store.study("s", sampler=optuna.samplers.RandomSampler(seed=0))
    study.ask().suggest_float("x", 0, 1)
    asked: list[str] = []
    sa.event.listen(store._db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    other = study.ask()
    asked.clear()
    other.suggest_float("x", 0, 1)
    other.report(0.5, 1)
    other.set_user_attr("a", 1)
    assert len(asked) == 3, asked


def test_a_report_is_written_whole_and_a_parameter_with_the_others(store: Store) -> None:
    study = store.study("s", sampler=optuna.samplers.RandomSampler(seed=0))
    study.ask().suggest_float("x", 0, 1)
    trial = study.ask()
    key = trial._trial_id
    with pytest.raises(ZeroDivisionError), store.together(key):
        x, c = trial.suggest_float("x", 0, 1), trial.suggest_categorical("c", ["a", "b"])
        assert store._storage.get_trial(key).params == {"c": c}, "the study has an x already, it can wait"
        raise ZeroDivisionError
    assert store._storage.get_trial(key).params == {"x": x, "c": c} == trial.params
    with store.together(key), pytest.raises(ValueError, match="distribution"):
        store._storage.set_trial_param(key, "x", 0, CategoricalDistribution(["a"]))
    store.report(key, 3, 0.5, {"points": 1})
    store.report(key, 3, None, {"points": 2})
    store.report(key, 4, 0.25, {})
    study.tell(trial, 0.5)
    before = store._storage.get_trial(key)
    assert before.intermediate_values == {3: 0.5, 4: 0.25}
    assert before.user_attrs["points"] == 2
    for write in (
        lambda: store.report(key, 5, 0.5, {"points": 3}),
        lambda: store._db.storage.set_params(key, {"y": (0.5, FloatDistribution(0, 1))}),
    ):
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            write()
    assert repr(store._db.storage.get_trial(key)) == repr(before)


def test_trials_of_two_processes_come_by_number(store: Store) -> None:
    with contextlib.closing(Store(store._db._url.render_as_string(hide_password=False))) as other:
        mine, theirs = store.study("s"), other.study("s")
        for number in range(4):
            study = (mine, theirs)[number % 2]
            trial = study.ask()
            assert [t.number for t in study.get_trials(deepcopy=False)] == list(range(number + 1))
            if number < 2:
                study.tell(trial, 0.5)
        assert [t.number for t in mine.get_trials(states=(TrialState.RUNNING,))] == [2, 3]
        assert mine.trials[0] is not mine.get_trials(deepcopy=False)[0] is mine.get_trials(deepcopy=False)[0]
