"""The Dashboard on a database of ours: what it shows, what it leaves alone, what it refuses."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from atml import cli
from atml.dashboard import pareto, server, trial_notes
from atml.dashboard.artifact_store import Shelf, of_folder
from atml.dashboard.read_only_storage import Overlay
from atml.dashboard.study_notes import study_note
from atml.errors import InputError, MissingExtraError
from atml.listening import is_loopback
from atml.models.budget import Cost
from atml.models.config import ModelConfig
from atml.searching.leaderboard import Entry
from atml.storage import Store
from tests.postgres import PASSWORD, Server
from tests.report import made

NAME = "shown"
TRIALS = 30


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a study, the folder of an export of it, and a report."""
    folder = tmp_path_factory.mktemp("dashboard")
    store = Store(f"sqlite:///{folder / 'studies.db'}")
    made.study(store, NAME, TRIALS)
    optuna.create_study(study_name="of others", storage=store.rdb)
    best = max(store.study(NAME).user_attrs["judged"], key=store.study(NAME).user_attrs["judged"].get)
    export = folder / "exports" / NAME / f"96-91-t{int(best):04d}"
    (export / "scores").mkdir(parents=True)
    (export / "model.onnx").write_bytes(b"a network")
    (export / "MODEL_CARD.md").write_text("# card")
    (export / "scores" / "iesd2024-1.json").write_text("{}")
    store.save_export(NAME, int(best), export, "0" * 64)
    (folder / "reports" / NAME / "figures").mkdir(parents=True)
    (folder / "reports" / NAME / "index.html").write_text("<p>report</p>")
    (folder / "reports" / NAME / "figures" / "roc.svg").write_text("<svg/>")
    store.close()
    return folder


@pytest.fixture
def store(here: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{here / 'studies.db'}", create=False)
    yield opened
    opened.close()


@pytest.fixture
def app(store: Store, here: Path) -> server.Wsgi:
    return server.application(store, here / "reports")


def ask(
    app: server.Wsgi, path: str, method: str = "GET", body: Any = None, **headers: str
) -> tuple[int, bytes]:
    """Send one request, as a web server would hand it over."""
    sent = b"" if body is None else json.dumps(body).encode()
    path, _, query = path.partition("?")
    told: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "127.0.0.1:8080",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(sent)),
        "wsgi.input": io.BytesIO(sent),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        **headers,
    }
    answer = app(environ, lambda status, headers, error=None: told.append(status))
    content = b"".join(answer)
    getattr(answer, "close", lambda: None)()
    return int(told[0].split()[0]), content


def study(app: server.Wsgi, after: int = 0) -> dict[str, Any]:
    status, content = ask(app, f"/api/studies/1?after={after}")
    assert status == 200, content
    found: dict[str, Any] = json.loads(content)
    return found


def rows(folder: Path) -> list[str]:
    """Everything that is in a database."""
    with sqlite3.connect(folder / "studies.db") as db:
        return list(db.iterdump())


def test_value_against_cost_is_plotted(app: server.Wsgi) -> None:
    _, content = ask(app, "/api/studies/1?after=0")
    plots = {
        one["id"]: json.loads(one["graph_object"]) for one in json.loads(content)["plotly_graph_objects"]
    }
    assert set(plots) == {"value-against-time", "value-against-size"}
    for name, unit in (("value-against-time", "MACs"), ("value-against-size", "KiB")):
        trials, best, winner = plots[name]["data"]
        assert unit in plots[name]["layout"]["xaxis"]["title"]["text"]
        pairs = list(zip(trials["x"], trials["y"], strict=True))
        assert len(winner["x"]) == 1 and (winner["x"][0], winner["y"][0]) == pairs[0]
        # No other trial is as cheap and better than one of the front.
        for x, y in zip(best["x"], best["y"], strict=True):
            assert not any(a <= x and b > y for a, b in pairs)
        assert best["x"] == sorted(best["x"]) and best["y"] == sorted(best["y"])


def test_sizes_of_one_plot_are_of_one_kind() -> None:
    """A study that got its board later has trials without an estimate for it."""
    cost = Cost(parameters=1, fixed=0, macs=9, size_bytes=2048, peak_bytes=1)
    later = dataclasses.replace(cost, latency_ms=2.0, flash_bytes=9216)
    entries = [
        Entry(record=dataclasses.replace(_plain(), cost=one), value=0.9, size_kib=2.0)
        for one in (cost, later)
    ]
    plot = json.loads(pareto.plots(entries, "l432kc", "value")["value-against-size"])
    assert plot["data"][0]["x"] == [2.0, 2.0] and "ONNX" in plot["layout"]["xaxis"]["title"]["text"]


def test_notes_of_trials_say_how_they_came_out(app: server.Wsgi, store: Store) -> None:
    trials = study(app)["trials"]
    records = store.trials(NAME)
    assert len(trials) == len(records) > TRIALS
    for trial, record in zip(trials, records, strict=True):
        note = trial["note"]["body"]
        assert record.config is not None and record.config.describe() in note
        assert trial["note"]["version"] == 0, "a person's own note takes the place"
        why = trial_notes.ending(record, made.FOLDS)
        assert f"{why[0].upper()}{why[1:]}." in note
        if record.state == "complete":
            assert f"{record.result['metrics']['F1']:.3f}" in note and "It ran over all 5 folds." in note
    states = {trial_notes.ending(record, made.FOLDS).split(":")[0] for record in records}
    assert any(word.startswith("cut short in fold 1 of 5, ") for word in states), states
    assert any(word.startswith("cut short after fold ") for word in states), states
    assert "refused before training" in states, states


def test_learning_curves_constraints_and_names(app: server.Wsgi, store: Store) -> None:
    found = study(app)
    for trial, record in zip(found["trials"], store.trials(NAME), strict=True):
        curve = {point["step"]: point["value"] for point in trial["intermediate_values"]}
        assert curve == {step: pytest.approx(value, abs=1e-5) for step, value in record.steps.items()}
        assert trial["constraints"] == list(record.constraints.values())
        assert [p["name"] for p in trial["params"]] == [name.replace("_", " ") for name in record.params]
    assert any(max(t["constraints"], default=0) > 0 for t in found["trials"])
    assert found["objective_names"] == ["value out of fold"]
    facts = {one["key"]: one["value"] for one in found["trials"][0]["user_attrs"]}
    assert {"drawn", "network", "ended", "MACs", "size KiB", "F1", "recall"} <= set(facts)
    assert "config" not in facts and {"key": "MACs", "sortable": True} in found["union_user_attrs"]
    settings = {one["key"]: one["value"] for one in found["user_attrs"]}
    assert settings["folds"] == "5" and settings["data"] == "synthetic" and "atml" not in settings


def test_the_best_trial_is_the_winner_and_no_repeat(app: server.Wsgi, store: Store) -> None:
    from atml.searching.leaderboard import leaderboard

    winner = leaderboard(store, NAME)[0]
    assert winner.seeds == 2 and winner.record.role == "search"
    assert [t["number"] for t in study(app)["best_trials"]] == [winner.number]


def test_the_study_note_has_the_state_finalists_and_regions(app: server.Wsgi, store: Store) -> None:
    note = study(app)["note"]["body"]
    records = [t for t in store.trials(NAME) if t.role == "search"]
    whole = sum(t.state == "complete" for t in records)
    refused = sum(t.state == "pruned" and not t.feasible for t in records)
    assert f"{whole} trials over every fold, {TRIALS - whole - refused} cut short, {refused} refused" in note
    assert "4 repeats of finalists" in note and "### Finalists" in note and "`96-91-t00" in note
    judged = store.study(NAME).user_attrs["judged"]
    assert f"The winner is trial {max(judged, key=judged.get)}: " in note
    assert f"- winner, mean of 2 fresh seeds: trial {max(judged, key=judged.get)}, " in note
    assert "has no regions" in note, "an empty part says why"


def test_regions_are_told_in_words() -> None:
    record = dataclasses.replace(_plain(), params={"family": "gru"})
    region = ("rejected", "family = gru", "0 of 32 reference trials")
    assert "region that is **rejected**: family = gru (0 of 32 reference trials)" in trial_notes.trial_note(
        record, folds=5, regions=[region]
    )
    assert "| rejected | family = gru |" in study_note("s", {}, [record], ranking=[], regions=[region])


def _plain(**fields: Any) -> Any:
    from atml.training.records import TrialRecord

    return TrialRecord(number=3, state="pruned", **{"config": ModelConfig(), **fields})


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"state": "running"}, "it is running"),
        ({"state": "failed"}, "its worker was lost"),
        ({"constraints": {"size_kib": 3.5}}, "over the budget in size in KiB by 3.5"),
        ({"constraints": {"size_kib": -1.0, "diverged": 1.0}}, "refused: training diverged"),
        ({"constraints": {"constant": 1.0}}, "refused: collapsed: one class for every window"),
        ({"constraints": {"hopeless": 0.2}}, "refused: below the objective's floor after one fold"),
        ({"state": "complete"}, "it ran over all 5 folds"),
        ({"steps": {0: 0.5, 1: 0.6}}, "cut short in fold 1 of 5, 50% through"),
        ({"steps": {7: 0.5}}, "cut short after fold 2 of 5"),
        ({}, "it ended before its first report"),
    ],
)
def test_why_a_trial_ended(fields: dict[str, Any], says: str) -> None:
    assert says in trial_notes.ending(dataclasses.replace(_plain(), **fields), 5)


def test_a_network_that_turns_windows_and_reads_patches_is_described() -> None:
    made = ModelConfig(channels=(), cell="gru", patch=8, upright=True, polarity=0.5, stretch=0.1, filter=0.2)
    lines = dict(trial_notes.config_words(made))
    assert lines["input"] == "normalised by zscore, turned upright where its third moment is negative"
    assert lines["recurrent"] == "GRU of 16 units, forward, 8 samples at a time"
    assert lines["augmentation"] == "stretch 0.1, filter 0.2, polarity 0.5"
    assert "scaled to the data" in dict(trial_notes.config_words(ModelConfig(init="data")))["convolutions"]
    plain = dict(trial_notes.config_words(ModelConfig(cell="gru")))
    assert plain["input"] == "normalised by zscore" and plain["recurrent"] == "GRU of 16 units, forward"
    assert "scaled" not in plain["convolutions"] and plain["augmentation"] == "none"


def test_files_are_artifacts_where_they_lie(app: server.Wsgi, here: Path) -> None:
    found = study(app)
    names = {one["filename"]: one["artifact_id"] for one in found["artifacts"]}
    assert {"report index.html", "report figures/roc.svg"} <= set(names)
    assert any(name.endswith(" MODEL_CARD.md") for name in names)
    assert ask(app, f"/artifacts/1/{names['report figures/roc.svg']}") == (200, b"<svg/>")
    exported = next(t for t in found["trials"] if t["artifacts"])
    files = {one["filename"]: one["artifact_id"] for one in exported["artifacts"]}
    assert set(files) == {"model.onnx", "MODEL_CARD.md", "scores/iesd2024-1.json"}
    place = f"/artifacts/1/{exported['trial_id']}/{files['model.onnx']}"
    assert ask(app, place) == (200, b"a network")
    assert sum(bool(t["artifacts"]) for t in found["trials"]) == 1
    assert ask(app, f"/api{place}", "DELETE")[0] == 404, "what was exported stays"
    assert list(here.glob("exports/*/*/model.onnx"))


def test_looking_writes_nothing(app: server.Wsgi, here: Path) -> None:
    before = rows(here)
    for path in ("/api/studies", "/api/studies/1", "/api/studies/2", "/csv/1", "/api/meta", "/dashboard"):
        assert ask(app, path)[0] == 200, path
    assert rows(here) == before
    assert not (here / server.UPLOADS).exists()


def test_a_search_beside_it_is_seen_and_not_disturbed(store: Store, here: Path) -> None:
    """Another process writes: what it began is there with the next look, and it never sees what we add."""
    overlay = Overlay(store, Shelf(here), here)
    other = Store(f"sqlite:///{here / 'studies.db'}", create=False)
    study_id = other.study(NAME)._study_id
    before = overlay.get_all_trials(study_id, deepcopy=False)
    begun = other.study(NAME).ask()
    begun.set_user_attr("config", before and other.trials(NAME)[0].config.to_dict())  # type: ignore[union-attr]
    begun.report(0.5, 0)
    after = overlay.get_all_trials(study_id, deepcopy=False)
    assert all(a is b for a, b in zip(before, after, strict=False)), "what ended is not made again"
    assert len(after) == len(before) + 1 and after[-1].intermediate_values == {0: 0.5}
    note = overlay.trial_notes(study_id, [begun.number])[begun.number]
    assert "It is running." in note
    assert other.trials(NAME)[-1].constraints == {}
    other.study(NAME).tell(begun, state=optuna.trial.TrialState.FAIL)
    assert overlay.get_all_trials(study_id, deepcopy=False)[-1].state.name == "FAIL"
    other.close()


def test_a_persons_own_note_stays(app: server.Wsgi, store: Store) -> None:
    first = study(app)["trials"][0]
    path = f"/api/studies/1/{first['trial_id']}/note"
    assert ask(app, path, "PUT", {"version": 1, "body": "look at this one"})[0] == 204
    assert study(app)["trials"][0]["note"] == {"version": 1, "body": "look at this one"}
    assert ask(app, path, "PUT", {"version": 2, "body": ""})[0] == 204
    assert study(app)["trials"][0]["note"] == {**first["note"], "version": 2}, "ours is there again"


@pytest.mark.parametrize(
    ("method", "path", "instead"),
    [
        ("DELETE", "/api/studies/1", "atml study delete"),
        ("DELETE", "/api/studies/1/", "atml study delete"),
        ("delete", "/api/studies/1", "atml study delete"),
        ("DELETE", "/api/studies/1\xff", "atml study delete"),
        ("POST", "/api/studies/1/rename", "atml study copy"),
        ("POST", "/api/trials/1/tell", "only a search"),
        ("POST", "/api/trials/1/user-attrs", "only a search"),
    ],
)
def test_what_would_break_a_study_is_refused(
    app: server.Wsgi, here: Path, method: str, path: str, instead: str
) -> None:
    before = rows(here)
    body = {"study_name": "x", "state": "fail", "user_attrs": {"config": 1}}
    status, content = ask(app, path, method, body)
    assert status == 403 and instead in json.loads(content)["reason"]
    assert rows(here) == before


def test_other_sites_are_refused(app: server.Wsgi) -> None:
    assert ask(app, "/api/studies", HTTP_ORIGIN="https://example.org")[0] == 403
    assert ask(app, "/api/studies", HTTP_ORIGIN="http://127.0.0.1:8080")[0] == 200
    # A site may have its own name lead to this machine: then page and server are of one origin.
    rebound = {"HTTP_HOST": "evil.example:8080", "HTTP_ORIGIN": "http://evil.example:8080"}
    assert ask(app, "/api/studies", **rebound)[0] == 403
    for host in ("localhost:8080", "[::1]:8080", "127.0.0.1"):
        assert ask(app, "/api/studies", HTTP_HOST=host)[0] == 200


def test_others_are_answered_where_that_was_asked_for(store: Store, here: Path) -> None:
    app = server.application(store, here / "reports", local=False)
    assert ask(app, "/api/studies", HTTP_HOST="board.example:8080")[0] == 200


def test_a_study_of_others_is_shown_as_it_is(app: server.Wsgi) -> None:
    found = json.loads(ask(app, "/api/studies/2")[1])
    assert found["name"] == "of others" and found["note"]["body"] == "" and found["trials"] == []


def test_uploads_go_beside_the_database(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "uploads")
    shelf.write("abc-1", io.BytesIO(b"mine"))
    with shelf.open_reader("abc-1") as file:
        assert file.read() == b"mine"
    (tmp_path / "secret").write_text("x")
    for name in ("../secret", "gone", "0"):
        with pytest.raises(optuna.artifacts.exceptions.ArtifactNotFound):
            shelf.open_reader(name)
    shelf.remove("abc-1")
    assert not list((tmp_path / "uploads").iterdir())


def test_a_folder_that_is_gone_has_no_files(tmp_path: Path) -> None:
    assert of_folder(tmp_path / "gone") == []


def test_on_postgresql(postgres: Server, tmp_path: Path) -> None:
    url = postgres.url(postgres.new_database())
    store = Store(url)
    made.study(store, NAME, 6, finalists=0)
    found = study(server.application(store, tmp_path))
    assert len(found["trials"]) == 6 and "ran over all" in "".join(t["note"]["body"] for t in found["trials"])
    assert "horse" in PASSWORD and "horse" in url and "horse" not in store.name
    store.close()


# --- the command


Capture = pytest.CaptureFixture[str]


def fails(capture: Capture, *arguments: object) -> str:
    assert cli.run(["dashboard", *map(str, arguments), "--no-browser"]) == 2
    error = capture.readouterr().err
    assert error.startswith("atml: ") and len(error.splitlines()) == 1, error
    return error


def test_mistakes(capsys: Capture, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{here / 'studies.db'}"
    assert "no studies.db here" in fails(capsys)
    assert not list(tmp_path.iterdir())
    assert "no study 'other'" in fails(capsys, "other", "--storage", url)
    assert "'nowhere.invalid'" in fails(capsys, "--storage", url, "--host", "nowhere.invalid")
    error = fails(capsys, "--storage", url, "--host", "0.0.0.0")
    assert "no login" in error and "--yes" in error
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = fails(capsys, "--storage", url, "--port", port)
        assert f"port {port} of 127.0.0.1 is in use" in error
        free = int(error.split("--port ")[1].split()[0])
        assert free > port
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", free))


def test_without_its_package(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "optuna_dashboard" else found(name)
    )
    with pytest.raises(MissingExtraError, match=r"atml\[dashboard\]"):
        server.application(store)


def test_loopback_is_told_from_the_rest() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.0.2.7"))
    with pytest.raises(InputError, match="--host 'no such host'"):
        is_loopback("no such host")
    with pytest.raises(InputError, match=r"--host 'a\.\.b'"):
        is_loopback("a..b")


def test_no_browser_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    assert sys.platform != "linux" or server.open_browser("http://127.0.0.1:1/") is False


def test_sigterm_stops_it_and_is_given_back(app: server.Wsgi) -> None:
    before = signal.getsignal(signal.SIGTERM)
    bound = server.bind(app, "127.0.0.1", 0)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()
    server.serve(bound)
    assert signal.getsignal(signal.SIGTERM) is before
    with pytest.raises(OSError):
        bound.socket.getsockname()


def test_it_serves_until_ctrl_c(here: Path) -> None:
    import urllib.request

    secret = "sqlite:///" + str(here / "studies.db")
    line = [sys.executable, "-m", "atml", "dashboard", "--port", "0", "--storage", secret]
    clean = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")}
    process = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
        env=clean,
        # What starts tests in the background has Ctrl-C ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        url = said[0].split()[-1]
        assert "Ctrl-C" in said[1] and "no browser could be opened" in said[2]
        with urllib.request.urlopen(url) as page:
            assert "<title>Optuna Dashboard</title>" in page.read().decode()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, error) == (0, "", "")
