"""The C finds the beats of the reference, every one at its sample, and decides on the windows round them."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import atml
from atml.artifacts.backends.onnx import graph
from atml.artifacts.export import onnx_bytes
from atml.artifacts.model import ExportedModel, describe, infer
from atml.data import soundness
from atml.device import c, folder, interpreter, writing
from atml.device.c import beats
from atml.device.program import Conv, Head, Input, Pool, Program
from atml.device.reading import read
from atml.device.toolchains import emulation
from atml.device.toolchains.building import build
from atml.ecg.qrs import detect
from atml.ecg.resampling import resample
from atml.errors import ExportError, InputError, ToolchainError
from atml.models.config import ModelConfig
from atml.tasks.task import MULTICLASS, Task
from tests.device.programs import model
from tests.ecg.test_qrs import TIMES, ecg, of_rhythm
from tests.lively import lively

CC = shutil.which("cc")

FLAGS = ("-std=c99", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fPIC")
CHECKED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")

CLASSES = ("N", "S", "V")

Floats = npt.NDArray[np.float64]


def program(window: int, leads: int = 1) -> Program:
    """Weighs every sample of a window, and tells a low sum from one in the middle and a high one."""
    random = np.random.default_rng(0)
    weigh = Conv(
        name="weigh",
        weight=(random.normal(size=(1, window, leads)) / 4).astype(np.float32),
        bias=np.zeros(1, np.float32),
        inputs=leads,
        stride=1,
        pad=0,
        steps=1,
    )
    return Program(
        input=Input(leads=leads, samples=window, kind="centre"),
        layers=(weigh,),
        pool=Pool(kind="last", width=1, steps=1, score=np.zeros(0, np.float32)),
        head=Head(weight=np.array([[-1], [0], [1]], np.float32), bias=np.array([0, 0.5, 0], np.float32)),
        positive=None,
    )


WINDOW_S, AFTER_S = 2.0, 1.0


def written(where: Path, rate: int, leads: int = 1) -> Program:
    """Write the C of a model of windows round beats; return its program."""
    made = program(round(WINDOW_S * rate), leads)
    text = c.write(made, sampling_rate=rate, hop=rate, classes=CLASSES, after=round(AFTER_S * rate))
    for name, content in text.items():
        (where / name).write_text(content, encoding="utf-8")
    return made


@dataclass
class Library:
    """A compiled model, its detector, and functions that push many samples."""

    c: ctypes.CDLL
    program: Program
    rate: int

    def beats(self, x: Floats) -> npt.NDArray[np.int64]:
        """Beats that the detector finds in one lead."""
        signal = np.ascontiguousarray(x, np.float32)
        found = np.zeros(len(signal) + 1, np.uint32)
        count = self.c.test_beats(_at(signal), len(signal), _at(found))
        return found[:count].astype(np.int64)

    def decisions(
        self, x: Floats
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Beats of ``x (leads, samples)``, their classes and logits, as the stream tells them."""
        columns = np.ascontiguousarray(x.T, np.float32)
        found = np.zeros((2, len(columns) + 1), np.int32)
        logits = np.zeros((len(columns) + 1, 3), np.float32)
        count = self.c.test_stream(_at(columns), len(columns), _at(found[0]), _at(found[1]), _at(logits))
        return found[0, :count].astype(np.int64), found[1, :count].astype(np.int64), logits[:count]


def _at(x: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.ctypes.data)


TEST_C = """\
#include "model.c"
int test_beats(const float *x, int n, uint32_t *found);
int test_beats(const float *x, int n, uint32_t *found)
{
    int i, count = 0;
    qrs_reset();
    for (i = 0; i < n; i++) count += qrs_push(x[i], &found[count]);
    for (i = 0; i < QRS_MORE; i++) {
        if (qrs_step(&found[count]) && found[count] < (uint32_t)n - QRS_MEAN / 2) count++;
    }
    return count;
}
int test_stream(const float *x, int n, int32_t *at, int32_t *classes, float *logits);
int test_stream(const float *x, int n, int32_t *at, int32_t *classes, float *logits)
{
    int i, count = 0;
    atml_reset();
    for (i = 0; ; i += i < n) {
        const int class_ = i < n ? atml_push(x + i * ATML_LEADS) : atml_end();
        if (class_ == ATML_WAIT && i == n) break;
        if (class_ == ATML_WAIT) continue;
        at[count] = (int32_t)atml_beat;
        classes[count] = class_;
        memcpy(logits + ATML_CLASSES * count++, atml_logits, sizeof atml_logits);
    }
    return count;
}
"""


def library(where: Path, rate: int, leads: int = 1) -> Library:
    if CC is None:
        pytest.skip("no C compiler here; Debian's package is gcc")
    made = written(where, rate, leads)
    (where / "test.c").write_text(TEST_C)
    done = subprocess.run(
        [CC, *FLAGS, *CHECKED, "-shared", "test.c", "-o", "test.so"],
        cwd=where,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Library(ctypes.CDLL(str(where / "test.so")), made, rate)


def troubled(rate: int, seed: int = 0) -> Floats:
    """A rhythm with all that happens to a lead: gaps, steps, a rail, silence, spikes, other gains."""
    x, _ = of_rhythm("AFIB", rate, seed)
    random = np.random.default_rng(seed)
    x = np.concatenate([x, -3 * x, 0.1 * x])
    for _ in range(12):
        at, length = int(random.integers(len(x))), int(random.integers(1, 3 * rate))
        kind = random.integers(5)
        if kind == 0:
            x[at : at + length] = random.choice([np.nan, np.inf, 3e38])
        elif kind == 1:
            x[at : at + length] = x[at]
        elif kind == 2:
            x[at:] += random.normal(0, 3)
        elif kind == 3:
            x[at : at + 3] += 600.0  # beyond what counts
        else:
            x[at : at + length] += random.normal(0, 0.3, len(x[at : at + length]))
    return x


@pytest.mark.parametrize("rate", [100, 125, 250, 360, 1000])
def test_the_c_finds_the_same_beats(rate: int, tmp_path: Path) -> None:
    made = library(tmp_path, rate)
    random = np.random.default_rng(5)
    signals = [ecg(TIMES, 14, rate), *(troubled(rate, seed) for seed in range(2))]
    signals += [
        random.normal(0, 1, 20 * rate),
        random.normal(0, 300, 20 * rate),
        np.zeros(3 * rate),
        np.ones(0),
    ]
    signals += [10.0 ** random.uniform(-4, 3, 20 * rate) * random.choice([-1, 1, np.nan], 20 * rate)]
    count = 0
    for x in signals:
        found, expected = made.beats(x), detect(x, rate)
        assert np.array_equal(found, expected)
        count += len(found)
    assert count > 500


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, at wfdb
def test_the_c_finds_the_same_beats_in_real_recordings(real_data: Path, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    made = library(tmp_path, 125)
    for name in ("203", "207", "208"):
        x = wfdb.rdrecord(str(real_data / "mitdb" / name), channels=[0]).p_signal[:, 0]
        x = resample(x, 360, 125)
        found = made.beats(x)
        assert len(found) > 1800 and np.array_equal(found, detect(x, 125))


def windows(x: Floats, at: npt.NDArray[np.int64], rate: int) -> npt.NDArray[np.float32]:
    """Windows round beats; before the first sample and after the last these go on."""
    place = at[:, None] + np.arange(round(WINDOW_S * rate)) - round((WINDOW_S - AFTER_S) * rate) + 1
    return np.stack([x[:, one] for one in np.clip(place, 0, x.shape[1] - 1)]).astype(np.float32)


def doubted(x: Floats, at: int, rate: int) -> str:
    """Say what is the matter with the window round a beat, by what there is of it."""
    end = at + round(AFTER_S * rate) + 1
    part = x[None, :, max(0, end - round(WINDOW_S * rate)) : end].astype(np.float32)
    if not np.isfinite(part).all():
        return "missing"
    flat, saturated = soundness.doubtful(part, rate)
    return "flat" if flat[0] else "rail" if saturated[0] else ""


@pytest.mark.parametrize("leads", [1, 2])
def test_a_stream_decides_on_the_windows_round_its_beats(leads: int, tmp_path: Path) -> None:
    rate = 125
    made = library(tmp_path, rate, leads)
    x = np.stack([of_rhythm("B", rate, seed)[0] for seed in range(leads)])[:, :14_930]
    x[-1, 30 * rate] = np.nan
    for beat in detect(x[0], rate)[60:90:10].tolist():
        x[:, beat - 110 : beat - 35] = x[:, [beat - 110]]
        x[:, beat + 30 : beat + 105] = x[:, [beat + 30]]
    x[0, 90 * rate : 90 * rate + rate // 3] = -4
    x[:, :40] = x[:, [40]]
    x[:, -40:] = x[:, [-40]]
    at, classes, logits = made.decisions(x)

    missing = ~np.isfinite(x).all(0)
    expected = detect(np.where(missing, np.nan, x[0]), rate)
    assert np.array_equal(at, expected)
    assert at[0] < WINDOW_S * rate and at[-1] > x.shape[1] - AFTER_S * rate
    wanted = windows(x, at, rate)
    why = [doubted(x, one, rate) for one in at.tolist()]
    usable = np.array([one == "" for one in why])
    exact = interpreter.run(made.program, wanted[usable])
    assert np.array_equal(logits[usable], exact)
    assert np.array_equal(classes[usable], interpreter.labels(made.program, exact))
    assert np.isnan(logits[~usable]).all() and (classes[~usable] == -1).all()
    # All there is to tell apart is there.
    assert len(np.unique(classes[usable])) == 3
    assert {"missing", "flat", "rail"} <= set(why) and 2 <= (~usable).sum() <= 16
    assert [len(each) for each in made.decisions(x[:, :0])] == [0, 0, 0]


def test_a_board_finds_and_decides_to_the_last_bit(tmp_path: Path) -> None:
    rate = 125
    made = written(tmp_path, rate)
    x = of_rhythm("AB", rate, 1)[0][None, : 25 * rate]
    x[0, 12 * rate] = np.nan
    try:
        image = build(tmp_path, "cortex-m4", entry="atml_push", flags=("-Wall", "-Wextra", "-Werror"))
        logits, found = emulation.run(image, x.T.astype(np.float32))
    except ToolchainError as error:
        pytest.skip(str(error))
    ends = np.flatnonzero(found != -2)
    at = detect(x[0], rate)
    at = at[at + AFTER_S * rate < x.shape[1]]
    assert len(at) > 20 and ends.tolist() == (at + round(AFTER_S * rate)).tolist()
    wanted = windows(x, at, rate)
    usable = np.isfinite(wanted).all((1, 2))
    exact = interpreter.run(made, wanted)
    assert np.array_equal(logits[ends][usable], exact[usable])
    assert np.array_equal(found[ends], np.where(usable, interpreter.labels(made, exact), -1))


# The folder of an export


TASK = Task(
    name="beats", classes=CLASSES, kind=MULTICLASS, sampling_rate=125, window=250, leads=1, after_beat=AFTER_S
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """A network of beats with the weights it begins with, as an ONNX file."""
    config = ModelConfig(normalise="beat", channels=(4,), kernels=(7,), strides=(4,))
    told = describe(
        task=TASK,
        config=config,
        study="s",
        trial=1,
        offsets=(0.0, 0.0, 0.0),
        data_name="made",
        data_fingerprint="0" * 32,
        synthetic=True,
        subjects=(),
    )
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    path.write_bytes(onnx_bytes(lively(config, TASK), TASK, told))
    return atml.load(path).exported


@pytest.fixture(scope="module")
def device(exported: ExportedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("device")
    made = read(exported.model, exported.config, exported.task)
    for name, content in folder.contents(made, exported, target="host", hop=250).items():
        (where / name).write_bytes(content)
    return where


def test_the_demo_tells_every_beat_and_its_class(device: Path, exported: ExportedModel) -> None:
    if CC is None or shutil.which("make") is None:
        pytest.skip("no C compiler or no make here; Debian's packages are gcc and make")
    made = subprocess.run(["make", "-C", device, "CC=cc"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    x = of_rhythm("B", 125)[0][: 30 * 125].astype(np.float32)
    x[1000] = np.nan
    done = subprocess.run(
        [device / "demo"], input="".join(f"{value:.9g}\n" for value in x), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    at = detect(x, 125)
    assert [row[0] for row in rows] == ["beat"] * len(at)
    assert [int(row[1]) for row in rows] == at.tolist()
    assert [float(row[2]) for row in rows] == pytest.approx(at / 125, abs=1e-4)
    wanted = windows(x[None], at, 125)
    usable = np.isfinite(wanted).all((1, 2))
    assert [row[3] for row in np.array(rows, object)[~usable]] == ["undecided"] * int((~usable).sum())
    expected = infer(exported.model, wanted[usable])
    decided = [row for row, good in zip(rows, usable, strict=True) if good and row[3] != "undecided"]
    assert len(decided) == usable.sum() > 20
    assert np.abs(np.array([row[4:] for row in decided], float) - expected).max() <= 1e-4
    assert [row[3] for row in decided] == [CLASSES[one] for one in expected.argmax(1)]


def test_the_folder_says_how_beats_come(device: Path) -> None:
    text = " ".join((device / "README").read_text(encoding="utf-8").split())
    for words in (
        "decided when ATML_AFTER = 125 samples (1 s) have come after it",
        "beat,SAMPLE,SECONDS,CLASS,LOGIT...",
        "those of the detector of beats",
    ):
        assert words in text
    for words in ("ATML_HOP", "atml_event", "$", "//"):
        assert words not in text
    assert max(map(len, (device / "README").read_text(encoding="utf-8").splitlines())) <= 112
    report = json.loads((device / "report.json").read_text(encoding="utf-8"))
    assert report["stream"] == {"after_beat": 125}
    assert "ATML_HOP" not in (device / "model.h").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [("main.c",), ("-DATML_BOARD", "main.c"), ("-x", "c++", "model.h")])
def test_the_demo_compiles_without_a_word(words: tuple[str, ...], device: Path) -> None:
    if CC is None:
        pytest.skip("no C compiler here; Debian's package is gcc")
    flags = FLAGS if "c++" not in words else FLAGS[1:]
    done = subprocess.run([CC, *flags, "-fsyntax-only", *words], cwd=device, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") or "cc1plus" in done.stderr


@pytest.mark.parametrize("name", ["rr, decimated", "gru x2, attention, classes"])
def test_names_of_the_detector_are_its_own(name: str, tmp_path: Path) -> None:
    if CC is None:
        pytest.skip("no C compiler here; Debian's package is gcc")
    for file, content in c.write(model(name)[1], sampling_rate=125, hop=1, after=130).items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    done = subprocess.run(
        [CC, *FLAGS, "-Wshadow", "-fsyntax-only", "model.c"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("rate", [100, 257, 1000])
def test_compilers_take_it_without_a_word(compiler: str, rate: int, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} here; Debian's package has its name")
    written(tmp_path, rate)
    done = subprocess.run(
        [compiler, *FLAGS, "-Wconversion", "-Wno-sign-conversion", "-fsyntax-only", "model.c"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_windows_that_end_before_their_beat_is_found_are_refused() -> None:
    made = program(250)
    with pytest.raises(
        ExportError, match=r"windows end 0\.4 s after their beat.* found up to 0\.\d+ s after it"
    ):
        c.write(made, sampling_rate=125, hop=125, after=50)
    with pytest.raises(ExportError, match="the C finds beats itself, and the sampling rate is 50 Hz"):
        c.write(made, sampling_rate=50, hop=125, after=125)


def test_an_export_is_written_and_checked_and_takes_no_hop(exported: ExportedModel, tmp_path: Path) -> None:
    there = replace(exported, folder=tmp_path)
    with pytest.raises(InputError, match=r"--hop 1 is the time .* task 'beats' decides on every beat"):
        writing.write_checked(there, writing.Wanted("host", "f32", 1.0))
    assert not list(tmp_path.iterdir())
    said = writing.write_checked(there, writing.Wanted("host", "f32", None))
    assert said.startswith(f"wrote {tmp_path / 'device'} (f32): ")
    assert "void qrs_reset" in (tmp_path / "device" / "model.c").read_text(encoding="utf-8")


def test_what_the_detector_takes_of_a_board() -> None:
    assert beats.ram(150, 125) < 1100 < beats.ram(300, 250) < 2048


def test_the_comparison_with_neighbours_and_the_detector_stand_in_one_file(tmp_path: Path) -> None:
    task = Task(name="b", kind=MULTICLASS, classes=CLASSES, sampling_rate=125, window=438, after_beat=1.2)
    config = ModelConfig(
        normalise="beat", decimation=3, channels=(4,), kernels=(5,), strides=(2,), cell="gru", units=4
    )
    made = read(graph(lively(config, task), task).SerializeToString(), config, task)
    text = c.write(made, sampling_rate=125, hop=125, classes=CLASSES, after=task.samples_after_beat)
    for name, content in text.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        [CC or "cc", *FLAGS, "-c", "model.c", "-o", "model.o"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
