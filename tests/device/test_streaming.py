"""A stream through the compiled C decides, and finds events, as the product does on recordings."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.artifacts.model import infer
from atml.data import soundness
from atml.device import c, folder, interpreter
from atml.device.c import stream
from atml.device.checking import Checked
from atml.device.program import Conv, Head, Input, Pool, Program
from atml.device.reading import read
from atml.device.toolchains import emulation
from atml.device.toolchains.building import build
from atml.errors import ConfigError, ToolchainError
from atml.library import recordings
from atml.library.recordings import Recording
from atml.metrics.burden import burden
from atml.tasks.task import MULTICLASS, Task

REPO = Path(__file__).resolve().parents[2]
EXPORT = REPO / "tests" / "fixtures" / "v0.1" / "exports" / "small" / "97-91-t0138"
SETS = REPO / "tests" / "fixtures" / "v0.1" / "afib.npz"

FLAGS = ("-std=c99", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-fPIC")
FLAGS += ("-ffunction-sections", "-fdata-sections")

CC = shutil.which("cc")


def run(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, **more)


# An export of afib, and the demo that is made of it


@pytest.fixture(scope="module")
def model() -> atml.Model:
    return atml.load(EXPORT)


@pytest.fixture(scope="module")
def device(model: atml.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export for a board, with a decision a second."""
    where = tmp_path_factory.mktemp("device")
    exported = model.exported
    program = read(exported.model, exported.config, exported.task)
    for name, content in folder.contents(program, exported, target="host", hop=250).items():
        (where / name).write_bytes(content)
    return where


@pytest.fixture(scope="module")
def demo(device: Path) -> Path:
    if CC is None or shutil.which("make") is None:
        pytest.skip("no C compiler or no make here; Debian's packages are gcc and make")
    made = run("make", "-C", device, "CC=cc")
    assert made.returncode == 0, made.stderr
    return device / "demo"


@dataclass
class Heard:
    """What the demo printed: windows by start, and events."""

    starts: list[int]
    classes: list[str]
    logits: np.ndarray
    events: list[tuple[float, float, str]]


def hear(demo: Path, text: str) -> Heard:
    done = run(demo, input=text)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    windows = [row for row in rows if row[0] == "decision"]
    assert all(float(row[2]) - float(row[1]) == 5.0 for row in windows)
    return Heard(
        starts=[round(float(row[1]) * 250) for row in windows],
        classes=[row[3] for row in windows],
        logits=np.array([row[4:] or [np.nan, np.nan] for row in windows], np.float32),
        events=[(float(row[1]), float(row[2]), row[3]) for row in rows if row[0] == "event"],
    )


def recording() -> np.ndarray:
    """Four minutes of either class by turns, with missing samples, a lead that is off and an amplifier at
    its rail; the end falls between two decisions."""
    with np.load(SETS) as found:
        x, y = found["x"][:, :1250].reshape(-1, 1250), found["y"]
    rows = np.concatenate([np.flatnonzero(y == kind)[at : at + 6] for at in (0, 6) for kind in (0, 1)])
    long = np.concatenate([*x[rows], *x[rows], x[0, :117]]).astype(np.float32)
    long[9000] = np.nan
    long[15_000] = np.inf
    long[20_000:21_700] = long[20_000]
    long[40_100:40_400] = long[np.isfinite(long)].max()
    return long


def test_a_recording_gives_what_the_product_gives(demo: Path, model: atml.Model, tmp_path: Path) -> None:
    x = recording()
    heard = hear(demo, "".join(f"{value:.9g}\n" for value in x))

    cut = Recording.of(x, 250, model.task)
    starts = cut.starts(1.0)
    assert heard.starts == starts.tolist()
    assert starts[-1] - starts[-2] == 117

    wanted, _ = model.decide_recording(x, step=1.0)
    assert heard.classes == ["undecided" if one is None else one for one in wanted["decision"]]
    # Each kind of window is there, so that agreement on it means something.
    blocks = list(cut.blocks(starts))
    for kind in ("missing", "flat", "saturated"):
        assert sum(int(getattr(one, kind).sum()) for one in blocks) >= 1, kind
    assert min(heard.classes.count(name) for name in ("other", "AF", "undecided")) >= 12

    sound = np.concatenate([one.sound for one in blocks])
    windows = np.concatenate([one.x for one in blocks])[sound]
    expected = infer(model.exported.model, windows)
    assert np.abs(heard.logits[sound] - expected).max() <= 1e-4
    assert np.isnan(heard.logits[~sound]).all()

    np.save(tmp_path / "long.npy", x)
    found = atml.predict(EXPORT, tmp_path / "long.npy", step=1.0).episodes
    assert len(found) >= 4
    assert heard.events == [(row.start_s, row.end_s, "AF") for row in found.itertuples()]


def test_the_demo_reads_tables_as_the_product_does(demo: Path) -> None:
    values = [f"{value:.6g}" for value in recording()[:1300]]
    plain = hear(demo, "\n".join(values))
    assert plain.classes != ["undecided"] * len(plain.classes)
    for text in (
        "\ufeffMLII (mV)\r\n" + "\r\n".join(values) + "\r\n",
        "\n\n" + " ,\n".join(values) + "\n\n\n",
        "ecg\n\t" + "\t \n".join(values),
    ):
        again = hear(demo, text)
        assert (again.starts, again.classes) == (plain.starts, plain.classes)
        assert np.array_equal(again.logits, plain.logits)
    for gap in ("", "nan", "-", "NaN", "inf"):
        assert hear(demo, "\n".join([*values[:700], gap, *values[701:]])).classes == ["undecided"] * 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n2\nx\n", "line 3: not a number; give 1 a line, one for each lead\n"),
        ("a\nb\n", "line 2: not a number; give 1 a line, one for each lead\n"),
        ("1\n2 3\n", "line 2: 2 numbers; give 1 a line, one for each lead\n"),
        ("1\n2abc\n", "line 2: not a number; give 1 a line, one for each lead\n"),
        ("1\n2\n", "2 samples, and a window has 1250\n"),
    ],
)
def test_the_demo_names_a_line_that_it_cannot_read(demo: Path, text: str, said: str) -> None:
    done = run(demo, input=text)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_board_gets_objects_and_their_size(device: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("make") is None:
        pytest.skip("no arm-none-eabi-gcc or no make here; Debian's package is gcc-arm-none-eabi")
    made = run("make", "-C", device, "cortex-m4")
    assert made.returncode == 0, made.stderr
    assert "build/cortex-m4/model.o" in made.stdout.splitlines()[-3]
    assert {path.name for path in (device / "build" / "cortex-m4").iterdir()} == {"model.o", "main.o"}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_compiler_takes_it_without_a_word(device: Path, compiler: str) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here; Debian's package has its name")
    strict = (*FLAGS, "-pedantic", "-fsyntax-only")
    for words in (("model.c",), ("main.c",), ("-DATML_BOARD", "main.c"), ("-DATML_HOP=5000", "model.c")):
        made = run(compiler, *strict, *words, cwd=device)
        assert (made.returncode, made.stderr) == (0, ""), words
    (device / "twice.cpp").write_text('#include "model.h"\n#include "model.h"\natml_event event;\n')
    made = run(compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "twice.cpp", cwd=device)
    assert made.returncode == 0 or "cc1plus" in made.stderr, made.stderr


def test_the_folder_says_what_the_model_is(device: Path, model: atml.Model) -> None:
    report = json.loads((device / "report.json").read_text(encoding="utf-8"))
    for name in ("model.c", "model.h"):
        head = (device / name).read_text(encoding="utf-8").partition("*/")[0]
        for words in ("AF", "250 Hz", "trial 138", "sensitivity 0.973", "Not a medical device", "MIT"):
            assert words in head
    assert report["stream"] == {"hop": 250, "merge": 0, "shortest": 0}
    assert report["model"]["sha256"] == model.exported.sha256
    assert report["figures"]["specificity"] == pytest.approx(0.8529, abs=1e-4)
    assert set(report["files"]) == {"Makefile", "README", "main.c", "model.c", "model.h"}
    text = (device / "README").read_text(encoding="utf-8")
    assert "$" not in text
    assert max(map(len, text.splitlines())) <= 112


def test_a_file_alone_and_what_was_checked(model: atml.Model, tmp_path: Path) -> None:
    alone = shutil.copy(EXPORT / "model.onnx", tmp_path / "model.onnx")
    exported = atml.load(alone).exported
    program = read(exported.model, exported.config, exported.task)
    checked = Checked(
        target="cortex-m0",
        title="Cortex-M0 and M0+",
        compiler="gcc 12.2",
        windows=32,
        apart=4.1e-7,
        flipped=0,
        other_bits=0,
        instructions=5_000_000,
        stack=None,
        flash=4744,
        ram=592,
    )
    facts = {"checked": [checked.to_dict()], "unchecked": ["not checked on host: no C compiler"]}
    files = folder.contents(program, exported, target="cortex-m0", hop=25, facts=facts)
    assert b"#define ATML_HOP 25 " in files["model.h"]
    report = json.loads(files["report.json"])
    assert (report["checked"][0]["flash"], report["target"]) == (4744, "cortex-m0")
    assert report["figures"] == {"source": "out of fold, of the float model"}
    text = files["README"].decode()
    assert "sensitivity" not in text
    for words in (
        "decisions of model.onnx on 32 windows, every logit to within 4e-07",
        "atml_run takes 4,744 bytes of flash, 592 bytes of RAM and 5,000,000 instructions a window",
        "not checked on host: no C compiler",
        "make cortex-m0",
    ):
        assert words in " ".join(text.split())
    for hop in (0, 2**31):
        with pytest.raises(ConfigError, match=f"hop is {hop}; give 1 sample or more"):
            folder.contents(program, exported, target="cortex-m0", hop=hop)
    with pytest.raises(ToolchainError, match="no such target: 'cortex-m5'"):
        folder.contents(program, exported, target="cortex-m5", hop=1)


# A model of a few samples, two leads and three classes, whose stream can be as long and odd as one likes

WINDOW, RATE = 8, 1000
ODD = ('a "b"', "what??/", "\u00e4/*\\")
TASK = Task(
    name="tiny", classes=ODD, positive=None, kind=MULTICLASS, sampling_rate=RATE, window=WINDOW, leads=2
)
KNOBS = ("test_hop", "test_merge", "test_shortest")


def tiny() -> Program:
    """Two leads weighed over the whole window, then whether the sum is low, in the middle or high."""
    random = np.random.default_rng(0)
    weigh = Conv(
        name="weigh",
        weight=random.normal(size=(1, WINDOW, 2)).astype(np.float32),
        bias=np.zeros(1, np.float32),
        inputs=2,
        stride=1,
        pad=0,
        steps=1,
    )
    head = Head(weight=np.array([[-1], [0], [1]], np.float32), bias=np.array([0, 1.5, 0], np.float32))
    return Program(
        input=Input(leads=2, samples=WINDOW, kind="none"),
        layers=(weigh,),
        pool=Pool(kind="last", width=1, steps=1, score=np.zeros(0, np.float32)),
        head=head,
        positive=None,
    )


class Event(ctypes.Structure):
    _fields_ = (("class_", ctypes.c_int), ("onset", ctypes.c_uint32), ("end", ctypes.c_uint32))


@dataclass
class Library:
    """A compiled model whose hop, merge and shortest are variables."""

    at: Path
    c: ctypes.CDLL

    def hear(
        self, x: np.ndarray, hop: int, merge: int = 0, shortest: int = 0, begin: int = 0
    ) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
        """Push ``x (leads, samples)`` and end; return ``(start, class)`` of windows, and events.

        The counter of samples begins at ``begin``, from which everything that is returned counts. What came
        before a reset is forgotten, and an event is told of at the first decision that makes it certain.
        """
        for name, value in zip(KNOBS, (hop, merge, shortest), strict=True):
            ctypes.c_int.in_dll(self.c, name).value = value
        windows, events, event = [], [], Event()
        columns = np.ascontiguousarray(x.T, np.float32)
        pointer = columns.ctypes.data
        for at in range(len(columns) // 2):
            self.c.atml_push(ctypes.c_void_p(pointer + at * 4 * len(x)))
        self.c.atml_reset()
        self.c.test_begin(ctypes.c_uint32(begin))
        for at in range(len(columns) + 1):
            here = ctypes.c_void_p(pointer + at * 4 * len(x))
            found = self.c.atml_push(here) if at < len(columns) else self.c.atml_end()
            if found != -2:
                windows.append((min(at + 1, len(columns)) - WINDOW, found))
            while self.c.atml_event_next(ctypes.byref(event)):
                onset, end = ((one - begin) % 2**32 for one in (event.onset, event.end))
                events.append((event.class_, onset, end))
                certain = [start for start, _ in windows if start >= end + merge]
                assert at == len(columns) or certain == [windows[-1][0]]
        return windows, events


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    if CC is None:
        pytest.skip("no C compiler here; Debian's package is gcc")
    where = tmp_path_factory.mktemp("tiny")
    head = ["trial */ 7 of /* 'what??/'", "turned \u202e round\nand\\"]
    for name, text in c.write(tiny(), sampling_rate=RATE, hop=4, classes=ODD, head=head).items():
        (where / name).write_text(text, encoding="utf-8")
    knobs = "".join(f"#define ATML_{name.removeprefix('test_').upper()} {name}\n" for name in KNOBS)
    (where / "tiny.c").write_text(
        f'int {", ".join(KNOBS)};\n{knobs}#include "model.c"\n'
        "void test_begin(uint32_t at);\nvoid test_begin(uint32_t at) { pushed = at; }\n"
        "const char *const test_names[ATML_CLASSES] = ATML_NAMES;\n",
        encoding="utf-8",
    )
    for more in (("-c", where / "tiny.c", "-o", where / "tiny.o"), ("-shared", where / "tiny.o")):
        made = run(CC, *FLAGS, *more, *(() if "-c" in more else ("-o", where / "tiny.so")))
        assert made.returncode == 0, made.stderr
    return Library(where, ctypes.CDLL(str(where / "tiny.so")))


def test_names_arrive_as_they_are(library: Library) -> None:
    found = (ctypes.c_char_p * len(ODD)).in_dll(library.c, "test_names")
    assert tuple(one.decode() for one in found) == ODD


def judged(x: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Classes of the windows at starts, -1 for undecided."""
    windows = np.stack([x[:, at : at + WINDOW] for at in starts])
    found = interpreter.labels(tiny(), interpreter.run(tiny(), windows))
    return np.where((~(np.abs(windows) <= 1e10)).any((1, 2)), -1, found)


def test_any_stream_gives_the_events_of_the_product(library: Library) -> None:
    random = np.random.default_rng(1)
    several = bridged = 0
    for _ in range(150):
        samples, hop = int(random.integers(WINDOW, 200)), int(random.integers(1, 14))
        merge, shortest = (int(random.choice(some)) for some in ((0, 0, 1, 5, 12), (0, 0, 1, 9, 20)))
        x = np.repeat(random.normal(size=(2, samples)), random.choice((1, 6)), 1)[:, :samples]
        x = x.astype(np.float32)
        if random.random() < 0.5:
            x[random.integers(2), random.integers(samples)] = random.choice((np.nan, -np.inf, 2e10))
        begin = int(random.choice((0, 2**31 - 50, 2**32 - 50)))
        windows, events = library.hear(x, hop, merge, shortest, begin)

        starts = Recording.of(x, RATE, TASK).starts(hop / RATE)
        classes = judged(x, starts)
        assert windows == list(zip(starts.tolist(), classes.tolist(), strict=True))
        wanted = []
        for kind in range(3):
            # Of whole samples, so that no second is rounded.
            found = burden(
                *(starts, starts + WINDOW, classes == kind, classes >= 0),
                merge_s=merge,
                shortest_s=shortest,
            )
            wanted += [(kind, int(onset), int(end)) for onset, end in found.episodes]
            bridged += merge > 0 and len(found.episodes) > 0
        assert sorted(events) == sorted(wanted)
        assert merge or events == sorted(events, key=lambda event: event[2])
        several += len(events) > 3
    assert several > 30
    assert bridged > 30


def test_no_part_of_a_window_is_decided_and_one_missing_sample_stays_for_a_window(library: Library) -> None:
    x = np.random.default_rng(2).normal(size=(2, 40)).astype(np.float32)
    assert library.hear(x[:, : WINDOW - 1], 1) == ([], [])
    x[1, 20] = np.nan
    windows, _ = library.hear(x, 1)
    assert [start for start, _ in windows] == list(range(40 - WINDOW + 1))
    assert [start for start, found in windows if found == -1] == list(range(20 - WINDOW + 1, 21))
    # After a reset nothing of it is left.
    assert all(found >= 0 for _, found in library.hear(x[:, 21:], 1)[0])


def test_a_board_decides_on_a_stream_to_the_last_bit(library: Library) -> None:
    x = np.random.default_rng(3).normal(size=(2, 60)).astype(np.float32)
    x[1, 33] = np.nan
    try:
        logits, found = emulation.run(build(library.at, "cortex-m4", entry="atml_push"), x.T)
    except ToolchainError as error:
        pytest.skip(str(error))
    ends = np.flatnonzero(found != -2)
    starts = np.arange(0, 60 - WINDOW + 1, 4)
    assert ends.tolist() == (starts + WINDOW - 1).tolist()
    classes = judged(x, starts)
    assert found[ends].tolist() == classes.tolist()
    windows = np.stack([x[:, at : at + WINDOW] for at in starts])
    assert np.array_equal(logits[ends], interpreter.run(tiny(), windows), equal_nan=True)


def test_a_board_that_decides_whole_windows_carries_no_ring(library: Library) -> None:
    where = library.at
    sizes = {}
    for call in ("atml_run", "atml_push"):
        more = ", x" if call == "atml_run" else ""
        (where / "call.c").write_text(
            f'#include "model.h"\nint main(void) {{ float x[16] = {{0}}; return {call}(x{more}); }}\n'
        )
        objects = [where / "call.c", where / "tiny.o"]
        made = run(CC, *FLAGS, "-Wl,--gc-sections", *objects, "-o", where / "call")
        if "gc-sections" in made.stderr:
            pytest.skip("this linker has no --gc-sections")
        assert made.returncode == 0, made.stderr
        names = {line.split()[-1] for line in run("nm", where / "call").stdout.splitlines()}
        sizes[call] = names
    assert {"ring", "atml_push", "atml_logits"} <= sizes["atml_push"]
    assert not {"ring", "going", "over", "atml_push", "atml_end", "atml_logits"} & sizes["atml_run"]


@pytest.mark.parametrize(("rate", "window"), [(250, 1250), (360, 1800), (50, 100), (35, 60), (128, 640)])
def test_windows_are_left_undecided_by_the_rules_of_recordings(rate: int, window: int) -> None:
    found = dict(
        line.removeprefix("#define ").split(" ", 2)[:2]
        for line in stream.constants(window, rate).splitlines()
    )
    assert float(found["LARGEST"].rstrip("f")) == recordings.LARGEST
    wave = np.random.default_rng(0).normal(size=window)
    for kind, (rule, value) in enumerate((("STILL", 0.5), ("RAIL", 9.0))):
        run, most = (int(found[f"{rule}_{name}"]) for name in ("RUN", "MOST"))
        for count in (run - 1, run, most, most + 1, window):
            x = wave.copy()
            x[:count] = value
            assert soundness.doubtful(x[None, None], rate)[kind][0] == (
                count >= run and count > most and (kind == 0 or count <= int(found["STILL_MOST"]))
            )
