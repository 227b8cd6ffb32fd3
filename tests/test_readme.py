"""Every command of the README and of `make demo` is run, with tiny nets in place of the real ones."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from tests import terminal, untrained
from tests.annotating import made
from tests.searching.conftest import SPACE, command
from tests.waves import write_challenge, write_wfdb

REPO = Path(__file__).resolve().parent.parent
README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w*\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
NOT_OURS = ("make demo", "python3 -m venv", ".venv/bin/pip")
"""`make demo` is taken apart below; the other two install."""

MADE = "atml data make pages --hearts 60 --pages 1 --kind clean --size 128x168"
"""Pages that a search takes: people enough for two folds with every label, beside those held out."""

PAGES_SPACE = """
from typing import Any

from atml import ModelConfig

DEFAULT: dict[str, Any] = {"width": 4}


def suggest(trial: Any) -> ModelConfig:
    width = trial.suggest_int("width", 4, 8)
    return ModelConfig(
        family="page_plain", normalise="ink", channels=(width, 16), kernels=(5, 3), strides=(2, 2), size=128,
        batch=8, steps=150, learning_rate=5e-3,
    )
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def shell_lines() -> list[str]:
    lines = [
        line.split("#")[0].strip()
        for block in BLOCKS
        if not block.startswith("import ")
        for line in block.splitlines()
    ]
    return [line for line in lines if line and not line.startswith(NOT_OURS)]


def tiny(line: str) -> str:
    line = re.sub(r"--trials \d+", "--trials 2", line.removeprefix(".venv/bin/"))
    if "--out HEARTS" in line:
        return f"{MADE} --out OTHERS".replace("--hearts 60", "--hearts 3")
    line = re.sub(r"(make pages .*)--hearts \d+ --pages \d+", r"\1--hearts 1 --pages 1 --size 192x256", line)
    # Two trials learn no regions unasked, as many trials do.
    if "atml search" in line:
        return f"{line} --learn-regions --workers 1 --folds 2 --finalists 1 --repeats 1"
    # Each replica is a process that loads the libraries.
    line = re.sub("(atml bench .*) --replicas 1,2,4,8", r"\1 --replicas 1,2 --seconds 0.05", line)
    return f"{line} --no-figures" if line == "atml report" else line


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a person's after a search: tiny nets, a contest set, an export."""
    folder = tmp_path_factory.mktemp("studio")
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / "afib.py").write_text(SPACE.replace("STEPS", "60"))
    (folder / "objectives").mkdir()
    judge = (REPO / "objectives" / "afib.py").read_text(encoding="utf-8")
    (folder / "objectives" / "afib.py").write_text(judge.replace("QUALIFIES = 0.80", "QUALIFIES = 0.05"))
    random = np.random.default_rng(0)
    for split, subjects in (("train_data", range(6)), ("test_data", range(6, 9))):
        (folder / "DIR" / split).mkdir(parents=True)
        for subject in subjects:
            for index in range(8):
                x = random.normal(size=1250) + (index % 2) * 3 * np.linspace(-1, 1, 1250) ** 2
                name = f"S{subject}-{'AFIB' if index % 2 else 'N'}-{index}.txt"
                (folder / "DIR" / split / name).write_text("\n".join(f"{v:.4f}" for v in x))
    shutil.copytree(folder / "DIR" / "test_data", folder / "TEST_DIR" / "test_data")
    for split in ("train_data", "test_data"):  # other people
        for file in sorted((folder / "DIR" / split).iterdir()):
            place = folder / "NEW_DIR" / split / f"N{file.name}"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)
    holter = np.column_stack([np.arange(5000) / 250, random.normal(size=5000)])
    np.savetxt(folder / "holter.csv", holter, delimiter=",", header="time,ECG", comments="")
    done = run(folder, tiny("atml search --task afib --data DIR --trials 2"))
    assert done.returncode == 0, done.stderr
    exports = sorted((folder / "exports").glob("*/*"))
    assert exports, done.stdout
    shutil.copytree(exports[0], folder / "EXPORT")
    shutil.copytree(exports[0], folder / "CHAMPION")
    other_decision(folder / "CHAMPION")
    done = run(folder, "atml regions export --out learned")
    assert done.returncode == 0, done.stderr
    return folder


def other_decision(folder: Path) -> None:
    """Make another model of an export: its last bias is a little larger."""
    proto = onnx.load(folder / "model.onnx")
    bias = next(one for one in proto.graph.initializer if one.dims in ([2], [3]))
    moved = onnx.numpy_helper.to_array(bias) + np.linspace(0, 0.1, bias.dims[0], dtype=np.float32)
    bias.CopyFrom(onnx.numpy_helper.from_array(moved, bias.name))
    onnx.save(proto, folder / "model.onnx")
    config = json.loads((folder / "config.json").read_text())
    config["model"]["sha256"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as a person's who works on defibrillators: two WFDB databases, an export, and a mirror."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / "defib.py").write_text(SPACE.replace("STEPS", "80"))
    (folder / "objectives").mkdir()
    judge = (REPO / "objectives" / "defib.py").read_text(encoding="utf-8")
    (folder / "objectives" / "defib.py").write_text(judge.replace("QUALIFIES = 0.80", "QUALIFIES = 0.05"))
    for name, lead, records in (("vfdb", "ECG", range(100, 110)), ("mitdb", "MLII", range(300, 306))):
        write_wfdb(folder / name, records, lead=lead)
    mirror = tmp_path_factory.mktemp("mirror") / "files" / "vfdb" / "1.0.0"
    shutil.copytree(folder / "vfdb", mirror)
    sums = (f"{hashlib.sha256(p.read_bytes()).hexdigest()} {p.name}\n" for p in sorted(mirror.iterdir()))
    (mirror / "SHA256SUMS.txt").write_text("".join(sums))
    done = run(folder, tiny("atml search --task defib --data vfdb --hold-out 0.2 --trials 2 --study first"))
    assert done.returncode == 0, done.stderr
    exports = sorted((folder / "exports").glob("*/*"))
    assert exports, done.stdout
    shutil.copytree(exports[0], folder / "EXPORT")
    shutil.copytree(folder / "vfdb", folder / "TEST_DIR")
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(mirror.parents[2]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        (folder / "mirror").write_text(f"http://127.0.0.1:{server.server_address[1]}/files/")
        yield folder
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def handheld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a person's with recordings of three classes, and an export."""
    folder = tmp_path_factory.mktemp("handheld")
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / "rhythm.py").write_text(SPACE.replace("STEPS", "80"))
    (folder / "objectives").mkdir()
    judge = (REPO / "objectives" / "rhythm.py").read_text(encoding="utf-8")
    assert "QUALIFIES = 0.55" in judge
    (folder / "objectives" / "rhythm.py").write_text(judge.replace("QUALIFIES = 0.55", "QUALIFIES = 0.05"))
    write_challenge(folder / "cinc2017", 18)
    write_challenge(folder / "TEST_DIR", 9, seed=1)
    done = run(folder, tiny("atml search --task rhythm --data cinc2017 --trials 2 --study first"))
    assert done.returncode == 0, done.stderr
    exports = sorted((folder / "exports").glob("*/*"))
    assert exports, done.stdout
    shutil.copytree(exports[0], folder / "EXPORT")
    return folder


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a person's who annotates beats: two sets of records, two exports, a recording."""
    folder = tmp_path_factory.mktemp("ward")
    (folder / "search_spaces").mkdir()
    beats = SPACE.replace("STEPS", "150").replace("decimation=5", 'normalise="beat"')
    (folder / "search_spaces" / "beats.py").write_text(beats)
    (folder / "objectives").mkdir()
    judge = (REPO / "objectives" / "beats.py").read_text(encoding="utf-8")
    gate = 'GATE = {"sensitivity V": 0.80, "specificity V": 0.95}'
    assert gate in judge
    (folder / "objectives" / "beats.py").write_text(judge.replace(gate, 'GATE = {"specificity V": 0.05}'))
    untrained.recordings(folder / "MITDB", "beats", people=7, seconds=360)
    untrained.recordings(folder / "NEW_MITDB", "beats", people=3, seconds=60, split="test")
    made.write_record(folder, "RECORD", made.ecg("NNNNVNNSNNVVNNVVVNNVNVNVNN"))
    shutil.copytree(REPO / "tests" / "fixtures" / "ec57" / "edge_360", folder / "BEATS")
    search = "atml search --task beats --data MITDB --hold-out 0.3 --trials 2 --study first"
    done = run(folder, tiny(search))
    assert done.returncode == 0, done.stderr
    exports = sorted((folder / "exports").glob("*/*"))
    assert exports, done.stdout
    shutil.copytree(exports[0], folder / "EXPORT")
    shutil.copytree(exports[0], folder / "CHAMPION")
    other_decision(folder / "CHAMPION")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a person's who has ECG on paper: pages, an export, a page to read, letters."""
    folder = tmp_path_factory.mktemp("archive")
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / "pages.py").write_text(PAGES_SPACE)
    (folder / "objectives").mkdir()
    judge = (REPO / "objectives" / "pages.py").read_text(encoding="utf-8")
    small = judge.replace("(256, 336)", "(96, 128)").replace('"balanced accuracy": 0.75', '"accuracy": 0.01')
    assert small.count("(96, 128)") == small.count("0.01") - small.count('rarest": 0.01') == 1
    (folder / "objectives" / "pages.py").write_text(re.sub(r"^FLOOR = .*$", "FLOOR = 0.0", small, flags=re.M))
    for line in (f"{MADE} --out HEARTS", "atml data make pages --hearts 1 --pages 1 --kind clean --out ONE"):
        done = run(folder, line)
        assert done.returncode == 0, done.stderr
    (page,) = folder.glob("ONE/*/*_dirty.png")
    shutil.copy(page, folder / "PAGE.png")
    shutil.copy(page, folder / "scan.png")
    Image.open(page).save(folder / "letter.pdf")
    search = "atml search --task pages --data HEARTS --hold-out 0.2 --trials 2 --study first"
    done = run(folder, tiny(search))
    assert done.returncode == 0, done.stderr
    exports = sorted((folder / "exports").glob("*/*"))
    assert exports, done.stdout
    shutil.copytree(exports[0], folder / "EXPORT")
    return folder


def watched(folder: Path, line: str) -> None:
    """Run a command that goes on until Ctrl-C, and press that when it is up."""
    alone = ["--no-browser"] if "dashboard" in line else []
    words = [*command(*shlex.split(line)[1:]), "--port", "0", *alone]
    pipe = subprocess.PIPE
    # What starts tests in the background has Ctrl-C ignored, and a child would inherit that.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        words, cwd=folder, stdout=pipe, stderr=subprocess.STDOUT, text=True, preexec_fn=heard
    ) as process:
        try:
            assert process.stdout is not None
            said = [next(process.stdout), next(process.stdout)]
            # It is up when it answers.
            url = re.search(r"http://127.0.0.1:\S+", "".join(said))
            assert url is not None, said
            with urllib.request.urlopen(url[0]) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "Ctrl-C" in said[1], (said, rest)
    assert process.returncode == 0, rest


def run(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(line)
    assert words[0] == "atml", f"{line!r} is not a command of ours: run it here, or name it in NOT_OURS"
    return terminal.run(folder, *words[1:])


def test_there_are_commands() -> None:
    lines = shell_lines()
    verbs = (
        "search",
        "status",
        "best",
        "best export",
        "regions",
        "regions export",
        "score",
        "tasks",
        "report",
    )
    more = ("regions import", "compare", "dashboard", "worker", "run", "study copy", "study pack", "predict")
    device = (
        "annotate",
        "ec57",
        "search --task beats",
        "device check",
        "device estimate",
        "device calibrate",
    )
    serving = ("serve", "bench", "triton", "promote", "data make pages", "data inspect", "data fetch")
    for verb in (
        *verbs,
        *more,
        *device,
        *serving,
        "data make pages",
        "digitize",
        "data inspect",
        "data fetch",
    ):
        assert any(line.removeprefix(".venv/bin/").startswith(f"atml {verb}") for line in lines), verb


def of_the_clinic(line: str) -> bool:
    return "defib" in line or "vfdb" in line or "--vt-rate" in line


def of_handhelds(line: str) -> bool:
    return "rhythm" in line or "cinc2017" in line


def of_the_ward(line: str) -> bool:
    return "MITDB" in line or line.startswith(("atml annotate", "atml ec57"))


def of_the_archive(line: str) -> bool:
    return "HEARTS" in line or "scan.png" in line or "digitize" in line


ELSEWHERE = (of_the_clinic, of_handhelds, of_the_ward, of_the_archive)


@pytest.mark.parametrize("line", [line for line in shell_lines() if not any(of(line) for of in ELSEWHERE)])
def test_readme_command(line: str, studio: Path) -> None:
    if line.startswith(("atml dashboard", "atml serve")):
        watched(studio, line)
        return
    done = run(studio, tiny(line))
    # Of so little data, on a busy machine, a check warns.
    assert done.returncode in ((0, 1) if line.startswith("atml check") else (0,)), done.stderr


@pytest.mark.parametrize("line", [line for line in shell_lines() if of_the_clinic(line)])
def test_readme_command_for_defibrillators(line: str, clinic: Path) -> None:
    line = tiny(line)
    if "data fetch" in line:
        line += f" --to fetched --url {(clinic / 'mirror').read_text()}"
    done = run(clinic, line)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in shell_lines() if of_handhelds(line)])
def test_readme_command_for_several_classes(line: str, handheld: Path) -> None:
    done = run(handheld, tiny(line))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in shell_lines() if of_the_ward(line)])
def test_readme_command_for_beats(line: str, ward: Path) -> None:
    done = run(ward, tiny(line))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in shell_lines() if of_the_archive(line)])
def test_readme_command_for_pages(line: str, archive: Path) -> None:
    done = run(archive, tiny(line))
    assert done.returncode == 0, done.stderr


def test_readme_python(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(studio / "EXPORT")
    (block,) = (b for b in BLOCKS if "import onnxruntime" in b.replace("numpy as np, ", ""))
    found: dict[str, object] = {}
    exec(block, found)
    assert isinstance(found["session"], onnxruntime.InferenceSession)
    assert found["is_af"] in (True, False)


def test_readme_library(studio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("search_spaces", "objectives", "DIR", "TEST_DIR"):
        shutil.copytree(studio / name, tmp_path / name)
    shutil.copy(studio / "holter.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    (block,) = (b for b in BLOCKS if "atml.search(" in b)
    assert "trials=50" in block
    found: dict[str, object] = {}
    exec(block.replace("trials=50", "trials=2, workers=1, folds=2, finalists=1, repeats=1"), found)
    assert len(list(tmp_path.glob("exports/*/*/scores/iesd2024-1.json"))) == 1


def test_readme_names_what_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPO / target).exists(), target


def test_make_demo(studio: Path, tmp_path: Path) -> None:
    """Run the recipe as make would, and its search as those above, on tiny nets that learn for longer."""
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^demo:.*?\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    winner = re.search(r"^WINNER := (.*)$", makefile, re.MULTILINE)
    assert recipe is not None and winner is not None
    lines = [line.strip() for line in recipe[1].splitlines()]
    assert lines[0] == "mkdir -p demo" and len(lines) == 4
    shutil.copytree(studio / "objectives", tmp_path / "demo" / "objectives")
    (tmp_path / "demo" / "search_spaces").mkdir()
    (tmp_path / "demo" / "search_spaces" / "afib.py").write_text(SPACE.replace("STEPS", "150"))
    (tmp_path / "bin").mkdir()
    for program, runs in (("atml", "-m atml "), ("python", "")):
        (tmp_path / "bin" / program).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {runs}"$@"\n')
        (tmp_path / "bin" / program).chmod(0o755)
    said = ""
    for line in lines:
        text = re.sub(r"--trials \d+ --folds \d+", "--trials 2 --folds 2", line)
        if search := re.fullmatch(r"cd demo && \$\(BIN\)/(atml search .*)", text):
            done = run(tmp_path / "demo", search[1])
        else:
            text = text.replace("$(BIN)", str(tmp_path / "bin"))
            text = text.replace("$(WINNER)", winner[1]).replace("$$", "$")
            done = subprocess.run(
                ["bash", "-c", text], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240
            )
        assert done.returncode == 0, f"{text}\n{said}\n{done.stdout}{done.stderr}"
        said = done.stdout
    assert "synthetic" in said
