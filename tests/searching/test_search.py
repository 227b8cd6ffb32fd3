"""The whole way through the command line, on real training of tiny nets."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from atml.storage import Store
from tests.searching.studies import Run, Space, counted, finished, line, trials


def test_from_data_to_a_scored_model_and_on_from_there(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    first = atml(*line(small, space(), 5))
    assert first.returncode == 0, first.stderr
    assert finished(tmp_path) == 5
    assert trials(tmp_path)[0].origin == "default"
    assert trials(tmp_path)[0].params == {"width": 8, "learning_rate": 0.005}
    repeats = [t for t in trials(tmp_path) if t.role == "finalist"]
    assert len(repeats) == 2
    assert all(t.state == "complete" and t.seed != trials(tmp_path)[t.of or 0].seed for t in repeats)
    folders = sorted((tmp_path / "exports" / "s").iterdir())
    assert folders, first.stdout
    held = {p.name for p in folders[0].iterdir()}
    assert held == {"model.onnx", "config.json", "metrics.json", "MODEL_CARD.md", "ranges.json"}

    # The same line again has nothing to do; a larger total goes on to exactly that.
    again = atml(*line(small, space(), 5))
    assert again.returncode == 0, again.stderr
    assert len(trials(tmp_path)) == 7
    assert atml(*line(small, space(), 7)).returncode == 0
    assert finished(tmp_path) == 7

    status = json.loads(atml("status", "--json").stdout)
    assert [(s["study"], s["finished"], s["running"]) for s in status] == [("s", 7, 0)]
    best = json.loads(atml("best", "--json").stdout)
    assert best[0]["repeats"] and best[0]["config"]["steps"] == 40
    assert set(best[0]["metrics"]) == {"F1", "accuracy", "precision", "recall"}
    for command in (["status"], ["best"], ["best", "s", "--top", "2"], ["tasks"]):
        shown = atml(*command)
        assert shown.returncode == 0, shown.stderr

    score = atml("score", folders[0], "--data", small, "--rule", "iesd2024")
    assert score.returncode == 0, score.stderr
    assert "first evaluation of this test set" in score.stdout
    score = atml("score", folders[0], "--data", small, "--latency-ms", 5, "--size-kib", 200, "--json")
    report = json.loads(score.stdout)
    assert report["look"] == 2
    assert 0 < report["total"] <= 80
    assert len(list((folders[0] / "scores").iterdir())) == 2

    # The winner is exported already: into another folder it goes all the same.
    exported = atml(
        "best", "export", "s", "--top", 1, "--out", "more", "--target", "cortex-m4", "--format", "w8"
    )
    assert exported.returncode == 0, exported.stderr
    (folder,) = (tmp_path / "more" / "s").iterdir()
    # With C beside it: of the 8-bit weights that lie there as ONNX too, and that the card has figures of.
    assert {file.name for file in (folder / "device").iterdir()} == {
        "model.c", "model.h", "model.onnx", "main.c", "Makefile", "README", "report.json"
    }  # fmt: skip
    report = json.loads((folder / "device" / "report.json").read_text(encoding="utf-8"))
    assert report["format"] == "w8" and len(report["checked"]) + len(report["unchecked"]) == 2
    assert all(one["passed"] for one in report["checked"])
    assert (folder / "device" / "model.onnx").stat().st_size < (folder / "model.onnx").stat().st_size
    formats = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["formats"]
    assert list(formats) == ["w8", "w8a8"]
    for figures in formats.values():
        assert figures["agreement"] > 0.9 and set(figures) >= {"value", "F1", "subjects"}
    assert "## With fewer bits" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_what_no_budget_holds_is_not_trained(atml: Run, small: Path, space: Space, tmp_path: Path) -> None:
    done = atml(*line(small, space(), 3, "--max-macs", 100, "--max-ram", 0.5))
    assert done.returncode == 0, done.stderr
    assert (
        "none of them stays within the limits (at most 256 KiB, 100 MACs a window, 0.5 KiB of RAM)"
        in done.stdout
    )
    for trial in trials(tmp_path):
        assert trial.state == "pruned" and not trial.steps
        assert trial.constraints["macs"] > 0 and trial.constraints["ram_kib"] > 0
        assert trial.constraints["size_kib"] < 0
    # The study keeps its budget; another one is another question.
    other = atml(*line(small, space(), 3, "--max-macs", 200))
    assert other.returncode == 2 and "another MACs budget (100.0 before, 200.0 now)" in other.stderr


def test_held_out_subjects_stay_out_however_a_study_is_gone_on_with(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    with np.load(small) as held:
        train = held["split"] == "train"
        np.savez(tmp_path / "bare.npz", **{k: held[k][train] for k in ("x", "y", "subject", "rhythm")})
    one = ["--finalists", 1]
    first = atml(*line(tmp_path / "bare.npz", space(), 1, "--hold-out", 0.25, *one))
    assert first.returncode == 0, first.stderr
    out = next(text for text in first.stdout.splitlines() if text.startswith("held out of the search"))
    # The same line, a line without it, and their names: one study.
    names = out.partition(": ")[2].replace(" ", "")
    for trials_in_all, how in ((2, ["--hold-out", 0.25]), (3, []), (4, ["--hold-out", names])):
        again = atml(*line(tmp_path / "bare.npz", space(), trials_in_all, *how, *one))
        assert again.returncode == 0, again.stderr
        assert out in again.stdout
    other = atml(*line(tmp_path / "bare.npz", space(), 5, "--hold-out", 0.5))
    assert other.returncode == 2 and "another held-out part" in other.stderr
    folder = next((tmp_path / "exports" / "s").iterdir())
    scored = json.loads(atml("score", folder, "--data", tmp_path / "bare.npz", "--json").stdout)
    assert {row["subject"] for row in scored["subjects"]} == set(names.split(","))


def test_a_study_of_before_takes_no_new_budget_unasked(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    assert atml(*line(small, space(), 1)).returncode == 0
    store = Store(f"sqlite:///{tmp_path / 'studies.db'}")
    spec = store.spec("s")
    assert spec is not None
    for key in ("max_macs", "max_ram_kib", "held_out", "leads", "window", "objective_name"):
        del spec[key]
    store.study("s", {**spec, "data": str(small)})
    store.close()
    refused = atml(*line(small, space(), 2, "--max-macs", 1e9))
    assert refused.returncode == 2 and "another MACs budget (None before" in refused.stderr
    assert atml(*line(small, space(), 2)).returncode == 0


def test_the_same_seed_gives_the_same_trials_bit_for_bit(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    found = []
    for name in ("a", "b"):
        where = f"sqlite:///{name}.db"
        done = atml(*line(small, space(), 5, "--workers", 1, "--seed", 7, "--storage", where, "--out", name))
        assert done.returncode == 0, done.stderr
        store = Store(f"sqlite:///{tmp_path / name}.db")
        found.append([(t.number, t.params, t.steps, t.value) for t in store.trials("s")])
        store.close()
    assert found[0] == found[1]


def test_configs_that_cannot_work_are_pruned_with_a_constraint_not_failed(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    wild = space(40, 'trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)', "1e30, optimizer='sgd'")
    done = atml(*line(small, wild, 3))
    assert done.returncode == 0, done.stderr
    assert counted(tmp_path) == {"pruned": 3}
    assert all(t.constraints["diverged"] > 0 for t in trials(tmp_path))
    assert "no trial ran over every fold" in done.stdout


def test_models_over_the_budget_are_never_trained(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    done = atml(*line(small, space(), 6, "--max-size", 3.2))
    assert done.returncode == 0, done.stderr
    refused = [t for t in trials(tmp_path) if t.constraints.get("size_kib", 0) > 0]
    assert refused
    assert all(t.cost and t.cost.size_bytes > 3.2 * 1024 and not t.steps for t in refused)
    assert finished(tmp_path) == 6


def test_a_search_that_gets_nowhere_stops_by_itself(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    same = space(20, 'trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True)', "1e-9")
    done = atml(*line(small, same, 60, "--patience", 4))
    assert done.returncode == 0, done.stderr
    assert "no better trial among the last 4" in done.stdout
    assert finished(tmp_path) < 30


def test_a_timeout_keeps_time_for_the_finalists(atml: Run, small: Path, space: Space, tmp_path: Path) -> None:
    began = time.monotonic()
    done = atml(*line(small, space(100), 5000, "--timeout", "12s", "--patience", 0))
    assert done.returncode == 0, done.stderr
    assert "the time for trials is up" in done.stdout
    assert finished(tmp_path) < 5000
    # However slow this machine is: what there was time for, or what there was not.
    if counted(tmp_path)["complete"]:
        assert "on a fresh seed" in done.stdout or "left out for lack of time" in done.stdout
        assert list((tmp_path / "exports" / "s").iterdir())
    else:
        assert "no trial ran over every fold" in done.stdout
    # No promise to the second, but it is not the time of 5,000 trials.
    assert time.monotonic() - began < 120


def test_a_longer_training_is_tried_out_of_fold_and_told(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    done = atml(*line(small, space(10), 1, "--longer", 3))
    assert done.returncode == 0, done.stderr
    default, short, long = trials(tmp_path)
    assert default.config and short.config and long.config
    assert (short.length, long.length, short.of, long.of) == (1, 3, 0, 0)
    assert long.config.steps == 3 * short.config.steps == 3 * default.config.steps
    (told,) = [text for text in done.stdout.splitlines() if text.startswith("trained 3 times as long")]
    longer = told.endswith("the longer training ships")
    (folder,) = (tmp_path / "exports" / "s").iterdir()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    values = config["values_by_length"]
    assert longer == (values["3"] > values["1"])
    assert config["length"] == (3 if longer else 1)
    assert config["config"]["steps"] == default.config.steps * config["length"]
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["final"]["steps"] == config["config"]["steps"]
    assert metrics["value"] == values[str(config["length"])]
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| times a trial's length | {config['length']}; out of fold" in card
    best = json.loads(atml("best", "--json").stdout)[0]
    assert (best["repeats"], best["judged"], best["length"]) == (1, metrics["value"], config["length"])
    # Into another folder it goes as the search shipped it; the judgement of the study stays.
    exported = atml("best", "export", "s", "--out", "more")
    assert exported.returncode == 0, exported.stderr
    (again,) = (tmp_path / "more" / "s").iterdir()
    there = json.loads((again / "config.json").read_text(encoding="utf-8"))
    assert there["config"]["steps"] == config["config"]["steps"]
    # The same line again has nothing to do.
    before = folder.stat().st_mtime_ns
    assert atml(*line(small, space(10), 1, "--longer", 3)).returncode == 0
    assert len(trials(tmp_path)) == 3 and folder.stat().st_mtime_ns == before


def test_a_changed_space_is_refused_with_both_ways_out(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    assert atml(*line(small, space(), 1)).returncode == 0
    changed = space(41)
    done = atml(*line(small, changed, 2))
    assert done.returncode == 2
    assert "another search space" in done.stderr
    assert "--study NAME" in done.stderr and "--accept-changes" in done.stderr
    assert finished(tmp_path) == 1
    assert atml(*line(small, changed, 2, "--accept-changes")).returncode == 0
    assert finished(tmp_path) == 2
    done = atml(*line(small, changed, 3, "--max-size", 9))
    assert done.returncode == 2
    assert "another size budget (256.0 before, 9.0 now)" in done.stderr


def test_another_split_is_never_mixed_in(atml: Run, small: Path, space: Space, tmp_path: Path) -> None:
    assert atml(*line(small, space(), 1)).returncode == 0
    for change, says in (
        (["--seed", 4], "another seed (0 before, 4 now)"),
        (["--folds", 4], "number of folds"),
        (
            ["--subjects", r"train(\d)\d*"],
            r"another choice of subjects (as the data say before, train(\d)\d* now)",
        ),
    ):
        done = atml(*line(small, space(), 2), *change, "--accept-changes")
        assert done.returncode == 2
        assert says in done.stderr and "--study NAME" in done.stderr
        assert "--accept-changes" not in done.stderr
    assert finished(tmp_path) == 1


def test_changed_choices_cannot_be_accepted(atml: Run, small: Path, space: Space, tmp_path: Path) -> None:
    pooled = space(40, 'pool="mean_max"', 'pool=trial.suggest_categorical("pool", ["mean_max", "max"])')
    pooled.write_text(pooled.read_text().replace('"width": 8,', '"width": 8, "pool": "max",'))
    assert atml(*line(small, pooled, 1)).returncode == 0
    pooled.write_text(pooled.read_text().replace('["mean_max", "max"]', '["mean_max", "max", "mean"]'))
    done = atml(*line(small, pooled, 2, "--accept-changes"))
    assert done.returncode == 2
    assert "'pool'" in done.stderr and "--study NAME" in done.stderr
    assert counted(tmp_path) == {"complete": 1}


def test_an_objective_that_raises_costs_no_trial(
    atml: Run, small: Path, space: Space, tmp_path: Path
) -> None:
    good = (Path(__file__).parents[2] / "objectives" / "afib.py").read_text(encoding="utf-8")
    judge = tmp_path / "judge.py"
    # It holds on a toy and breaks on the real thing.
    judge.write_text(
        good.replace("    f_beta = mean", "    assert len(predictions.y) < 10\n    f_beta = mean")
    )
    done = atml(*line(small, space(), 2, "--objective", judge))
    assert done.returncode == 2, done.stdout
    assert "judge.py" in done.stderr and "AssertionError" in done.stderr
    assert finished(tmp_path) == 0
    judge.write_text(good)
    done = atml(*line(small, space(), 2, "--objective", judge, "--accept-changes"))
    assert done.returncode == 0, done.stderr
    assert finished(tmp_path) == 2


def test_no_time_for_even_one_trial(atml: Run, small: Path, space: Space, tmp_path: Path) -> None:
    done = atml(*line(small, space(3000), 5, "--timeout", "6s", "--workers", 1))
    assert done.returncode == 0, done.stderr
    assert "more time" in done.stdout
    assert set(counted(tmp_path)) == {"waiting"}
