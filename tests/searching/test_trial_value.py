"""The value of a trial: the objective out of fold over the folds that ended, or none, on every surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from atml.dashboard.artifact_store import Shelf
from atml.dashboard.read_only_storage import Overlay
from atml.searching.joining import join
from atml.searching.progress import View
from atml.searching.search_options import Options
from atml.searching.trials import Trials
from atml.searching.workers.jobs import Report
from atml.storage import Store
from atml.training.records import Measurement
from tests.searching.studies import job_of

V01 = Path(__file__).resolve().parent.parent / "fixtures" / "v0.1"


class Log(View):
    """Keeps the values with which trials ended."""

    def __init__(self) -> None:
        self.values: list[float | None] = []

    def ended(
        self, trial: int, state: str, value: float | None, what: str, seconds: float, count: str
    ) -> None:
        self.values.append(value)


def cut(value: float, folds: tuple[float, ...], **fields: Any) -> Measurement:
    """What is left of a training that ended in the fold after ``folds``."""
    curves = (*(((1.0, 0.1, fold),) for fold in folds), ((0.25, 0.1, 0.93),))
    kept = {"train_values": folds, "curves": curves, "seconds": 1.0, "steps": 9, "finished": False}
    return Measurement(value=value, fold_values=folds, **{**kept, **fields})


@pytest.mark.parametrize(
    ("reports", "left", "worth"),
    [
        # It ended within its third fold, where the held-out subjects are easy ones.
        ({(0, 1.0): 0.86, (1, 1.0): 0.87, (2, 0.5): 0.93}, cut(0.87, (0.86, 0.88)), 0.87),
        # No fold ended: what it reported is no value of the trial.
        ({(0, 0.25): 0.93}, cut(0.93, ()), None),
        # A training that diverged has none either, and 0 may be a good value of an objective.
        ({(0, 1.0): -0.4}, cut(0.0, (-0.4,), diverged=True), None),
        # Requeued: an earlier training, on another machine, came further.
        ({(0, 1.0): 0.86, (1, 1.0): 0.91}, cut(0.86, (0.86,)), 0.86),
    ],
)
def test_what_a_stopped_trial_is_worth(
    store: Store, reports: dict[tuple[int, float], float], left: Measurement, worth: float | None
) -> None:
    plan, log = join(store, "s", (), lambda line: None), Log()
    trials = Trials(plan, store.study("s"), log, Options(trials=3), 1, None)
    job = job_of(trials)
    for (fold, fraction), value in reports.items():
        trials.go_on(job, Report(0, "progress", job, fold=fold, fraction=fraction, value=value))
    trials.ended(job, Report(0, "measured", job, measurement=left))
    record = store.trials("s")[0]
    assert record.state == "pruned" and record.result["value"] == worth
    assert record.value == worth and log.values == [worth]
    plain = optuna.load_study(study_name="s", storage=store.rdb).trials[0]
    assert plain.values == (None if worth is None else [worth]), "Optuna's own value"
    overlay = Overlay(store, Shelf(Path()), Path())
    study_id = store.study("s")._study_id
    assert overlay.get_all_trials(study_id)[0].values == plain.values, "the Dashboard's"


def test_a_note_gives_the_value_over_the_folds_that_ended(store: Store) -> None:
    plan = join(store, "s", (), lambda line: None)
    trials = Trials(plan, store.study("s"), Log(), Options(trials=3), 1, None)
    job = job_of(trials)
    trials.go_on(job, Report(0, "progress", job, fold=1, fraction=0.25, value=0.93))
    data, rows = plan.dataset, plan.folds[0].held_out
    logits = plan.dataset.y[rows, None] == [0, 1]
    found = plan.definition.target.predictions(logits.astype("f4"), data.y[rows], data.subject[rows])
    left = cut(0.877, (0.877,), rows=rows, predictions=found)
    trials.ended(job, Report(0, "measured", job, measurement=left))
    overlay = Overlay(store, Shelf(Path()), Path())
    note = overlay.trial_notes(store.study("s")._study_id, [0])[0]
    assert "predicted over the fold of 3 that ended" in note
    assert "0.877" in note and "0.930" not in note


def test_studies_of_version_01_are_read_so_too(tmp_path: Path) -> None:
    """Their databases hold the last report of a pruned trial as its value."""
    (tmp_path / "studies.db").write_bytes((V01 / "studies.db").read_bytes())
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    pruned = [t for name in store.studies() for t in store.trials(name) if t.state == "pruned"]
    within = [t for t in pruned if not t.result.get("fold_values")]
    after = [t for t in pruned if t.result.get("fold_values") and not t.constraints.get("diverged", 0) > 0]
    assert within and after
    assert {t.value for t in within} == {None}
    assert all(t.value == t.result["value"] for t in after)
    store.close()
