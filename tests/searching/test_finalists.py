"""The baseline beside the finalists: fitted once a study, kept in it, exported and printed with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from atml import task_files
from atml.artifacts.model import load
from atml.errors import TaskFileError
from atml.evaluation import baselines
from atml.evaluation.baselines.rr_irregularity import METHOD
from atml.evaluation.cross_validation_result import BaselineResult
from atml.metrics.predictions import Predictions
from atml.models import cost
from atml.searching.exporting import always_wrong
from atml.searching.finalists import Finalists
from atml.searching.plan import Options, Plan, prepare
from atml.searching.progress import View
from atml.searching.repeats import Repeats
from atml.searching.rounds import Repeat
from atml.searching.samplers.parameters import from_params
from atml.searching.workers.jobs import Report
from tests.searching.studies import Space


@pytest.fixture
def objective(tmp_path: Path) -> Path:
    """Objectives of the built-in task, with a baseline; whatever trains is worth exporting."""
    path = tmp_path / "with_baseline.py"
    text = task_files.find("afib").objective_path.read_text(encoding="utf-8")
    path.write_text(f'{text}\n\nBASELINE = "rr_irregularity"\nQUALIFIES = 0.0\n', encoding="utf-8")
    return path


@pytest.fixture
def plan(small: Path, space: Space, objective: Path, tmp_path: Path) -> Plan:
    return prepare(
        Options(
            data=(small,),
            space=space(),
            objective=objective,
            folds=3,
            storage=f"sqlite:///{tmp_path / 's.db'}",
        ),
        lambda line: None,
    )


def finals(plan: Plan) -> Finalists:
    return Finalists(plan, plan.store.study(plan.name), View(), Options())


def told(baseline: BaselineResult | None) -> tuple[object, ...]:
    assert baseline is not None
    return baseline.baseline, baseline.value, baseline.four, baseline.rates, baseline.rhythms


def test_it_is_fitted_once_a_study(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    first = finals(plan).baseline()
    assert first is not None and first.baseline.name == "rr_irregularity"
    assert first.table.pooled().n == len(plan.dataset) == sum(row.windows for row in first.rhythms)

    def fitted_again(*a: object, **k: object) -> None:
        raise AssertionError("it was fitted again")

    monkeypatch.setattr(type(METHOD), "fit", fitted_again)
    assert told(finals(plan).baseline()) == told(first)


def test_repeats_in_other_hands_are_dropped(plan: Plan) -> None:
    store, study = plan.store, plan.store.study(plan.name)
    trial = study.ask()
    config = from_params(plan.definition.suggest, plan.definition.default)
    trial.set_user_attr("config", config.to_dict())
    trial.set_user_attr("cost", asdict(cost(config, plan.definition.task)))
    study.tell(trial, 0.5)
    record = store.trials(plan.name)[0]
    for way in ("ended", "requeued"):
        repeats = Repeats(finals(plan))
        repeats._waiting = [Repeat(record, 1), Repeat(record, 2)]
        job = repeats.next()
        assert job is not None
        # Another process took this one for dead.
        store.fail(study.trials[job.number]._trial_id, "the process that ran it ended unexpectedly")
        if way == "ended":
            repeats.ended(job, Report(0, "lost", job, text="was killed"), "cpu")
            assert repeats.taken_over and repeats.next() is None
        else:
            repeats.requeue(job)
    assert [t.failure for t in store.trials(plan.name)[1:]] == [
        "the process that ran it ended unexpectedly"
    ] * 2


def test_what_was_kept_for_another_objective_or_is_damaged_is_fitted_again(plan: Plan) -> None:
    first = finals(plan).baseline()
    study = plan.store.study(plan.name)
    kept = study.user_attrs["baseline"]
    moved = json.loads(json.dumps(kept))
    moved["fitted"][0]["limits"]["irregularity"] = 9.0
    study.set_user_attr("baseline", moved)
    shifted = finals(plan).baseline()
    assert first is not None and shifted is not None
    assert shifted.baseline.limits["irregularity"] == 9.0
    for damaged in (
        {**moved, "of": ["rr_irregularity", METHOD.version, "another", ""]},
        {**moved, "fitted": []},
        {**moved, "fitted": moved["fitted"][:2]},
        {**moved, "fitted": [{"name": "rr_irregularity"}]},
        {"of": moved["of"]},
        "text",
    ):
        study.set_user_attr("baseline", damaged)
        assert told(finals(plan).baseline()) == told(first)
        assert plan.store.study(plan.name).user_attrs["baseline"] == kept


def test_none_and_a_name_that_is_none(plan: Plan) -> None:
    assert finals(replace(plan, definition=replace(plan.definition, baseline=""))).baseline() is None
    with pytest.raises(TaskFileError, match="no baseline 'magic'"):
        finals(replace(plan, definition=replace(plan.definition, baseline="magic")))


@pytest.mark.parametrize(("name", "worst"), [("aed", -19.0), ("balanced", 0.0), ("f_beta", 0.0)])
def test_what_the_objective_gives_who_is_always_wrong(name: str, worst: float) -> None:
    """The model card judges over- and underfitting of a share from 0 to 1 alone."""
    found = Predictions(np.ones((6, 2), np.float32), np.arange(6) % 2, np.repeat(["a", "b"], 3))
    assert always_wrong(task_files.find("defib", objective=name), found) == pytest.approx(worst)


def test_the_search_prints_and_exports_it(
    atml: Callable[..., subprocess.CompletedProcess[str]],
    small: Path,
    space: Space,
    objective: Path,
    tmp_path: Path,
) -> None:
    done = atml(
        "search", "--data", small, "--space", space(20), "--objective", objective, "--trials", 1,
        "--folds", 3, "--study", "s", "--finalists", 1, "--repeats", 1, "--workers", 1,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "exports" / "s").iterdir()
    beside = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["baseline"]
    (line,) = [text for text in done.stdout.splitlines() if text.startswith("baseline, ")]
    assert line.startswith(f"baseline, irregular RR intervals: {beside['value']:.4f} out of fold; F1 ")
    assert line.endswith("; no network")
    assert baselines.from_dict(load(folder).baseline).describe() == beside["rule"]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "## What the network buys" in card and "## By rhythm" in card
    doubts = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["label_doubts"]["doubts"]
    part = card.partition("## Labels to look at again\n")[2].partition("\n## ")[0]
    assert all(f"| {one['subject']} " in part for one in doubts) and ("none." in part) is (not doubts)
