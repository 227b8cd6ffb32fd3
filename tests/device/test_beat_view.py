"""Networks that compare a beat with its neighbours, as devices run them: whole exports, streams and costs."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

import atml
from atml import cli, task_files
from atml.arrays import Float32
from atml.artifacts.export import onnx_bytes
from atml.artifacts.model import ExportedModel, describe, infer
from atml.data.beat_windows import gather
from atml.data.formats.annotations import Marks
from atml.data.windowing import Recording
from atml.device import c, integer_interpreter, interpreter, ranges_file, untrained, writing
from atml.device.calibration import calibrate
from atml.device.estimate import estimate
from atml.device.program import Program
from atml.device.quantised import Quantised, quantise
from atml.device.reading import read
from atml.device.toolchains import building, emulation
from atml.ecg.qrs import detect
from atml.ecg.resampling import resample
from atml.errors import ToolchainError
from atml.models.config import ModelConfig
from atml.scoring.beats import UNDECIDED, called
from tests.ecg.test_qrs import of_rhythm
from tests.lively import lively

TASK = task_files.find("beats").task
CONFIG = ModelConfig(
    normalise="beat",
    decimation=3,
    channels=(6, 8),
    kernels=(5, 5),
    strides=(2, 2),
    cell="gru",
    units=6,
    pool="last",
)
WARNED = ("-Wall", "-Wextra", "-Werror", "-pedantic")


def ecg(seed: int = 0, seconds: int = 30) -> Float32:
    """Beats of a made heart with premature ventricular ones among them, ``(1, samples)``."""
    return of_rhythm("B", TASK.sampling_rate, seed)[0][None, : seconds * TASK.sampling_rate].astype(
        np.float32
    )


@pytest.fixture(scope="module", name="export")
def _export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export of task beats: a model that calls beats of all three classes, and its C."""
    folder = tmp_path_factory.mktemp("export")
    told = describe(
        task=TASK,
        config=CONFIG,
        study="s",
        trial=1,
        offsets=(0.0, 0.0, 0.0),
        data_name="made",
        data_fingerprint="0" * 32,
        synthetic=True,
        subjects=(),
    )
    network = lively(CONFIG, TASK)
    x = gather(ecg(), detect(ecg()[0], TASK.sampling_rate), TASK)
    with torch.no_grad():
        dict(network.named_parameters())["head.bias"].sub_(network(torch.from_numpy(x)).mean(0))
    model = onnx_bytes(network, TASK, told)
    record = {"model": {"sha256": hashlib.sha256(model).hexdigest()}, "data": {"subjects": []}}
    files = {"model.onnx": model, "config.json": json.dumps(record).encode()}
    for name, content in (files | ranges_file.contents(model, CONFIG, TASK, x)).items():
        (folder / name).write_bytes(content)
    writing.write_checked(atml.load(folder).exported, writing.Wanted("host", "f32", None))
    return folder


@pytest.fixture(name="exported")
def _exported(export: Path) -> ExportedModel:
    return atml.load(export).exported


@pytest.fixture(scope="module", name="demo")
def _demo(export: Path) -> Path:
    if shutil.which("cc") is None or shutil.which("make") is None:
        pytest.skip("no C compiler or no make here; Debian's packages are gcc and make")
    made = subprocess.run(["make", "-C", export / "device", "CC=cc"], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return export / "device" / "demo"


def judged_the_same(demo: Path, exported: ExportedModel, x: Float32) -> list[str]:
    """The classes that the demo tells of a recording, after these and their beats were those of scoring."""
    text = "".join(f"{value:.9g}\n" for value in x[0])
    done = subprocess.run([demo], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split(",") for line in done.stdout.splitlines()]
    none = Marks(np.zeros(0, np.int64), (), np.zeros(0, np.int64), ())
    recording = Recording("r", "r", TASK.sampling_rate, x, (), marks=none)
    (record,) = called(recording, [lambda some: infer(exported.model, some).argmax(1)], TASK)
    assert [int(row[1]) for row in rows] == record.test.sample.tolist()
    found = [UNDECIDED if row[3] == "undecided" else row[3] for row in rows]
    assert found == list(record.test.symbol)
    return found


def test_a_stream_calls_beats_as_scoring_does(demo: Path, exported: ExportedModel) -> None:
    x = ecg(seed=1, seconds=60)
    x[0, 2000] = np.nan
    found = judged_the_same(demo, exported, x)
    assert len(found) > 50 and {"N", "S", "V", UNDECIDED} == set(found)


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of pandas, at wfdb
def test_a_stream_calls_beats_of_a_real_recording_as_scoring_does(
    demo: Path, exported: ExportedModel, real_data: Path
) -> None:
    wfdb = pytest.importorskip("wfdb")
    x = wfdb.rdrecord(str(real_data / "mitdb" / "208"), channels=[0], sampto=60 * 360).p_signal[:, 0]
    found = judged_the_same(demo, exported, resample(x, 360, 125).astype(np.float32)[None])
    assert len(found) > 90 and len(set(found)) > 1


def test_the_folder_says_what_the_comparison_takes(export: Path) -> None:
    said = " ".join((export / "device" / "README").read_text(encoding="utf-8").split())
    assert re.search(
        r"a window takes [\d,]+ multiply-accumulates, beside the 26,162 operations that compare it with its"
        r" beat and whose rows take 5,352 bytes of RAM\.",
        said,
    )


@pytest.mark.parametrize("form", ["f32", "w8", "w8a8"])
def test_an_export_is_checked_in_every_format(
    form: str, export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    line = [
        "device",
        "check",
        str(export),
        "--format",
        form,
        "--windows",
        "200",
        "--compiler",
        "gcc",
        "--json",
    ]
    assert cli.run(line) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["passed"] and said["flipped"] == said["other_bits"] == 0 and said["apart"] <= 1e-4


@pytest.mark.parametrize("form", ["f32", "w8a8"])
def test_a_board_finds_compares_and_decides_to_the_last_bit(
    form: str, exported: ExportedModel, tmp_path: Path
) -> None:
    x = ecg(seed=2, seconds=8)
    at = detect(x[0], TASK.sampling_rate)
    at = at[at + TASK.samples_after_beat < x.shape[1]]
    wanted = gather(x, at, TASK)
    floats = read(exported.model, CONFIG, TASK)
    program: Program | Quantised = floats
    exact = interpreter.run(floats, wanted)
    if form == "w8a8":
        program = quantise(floats, calibrate(floats, wanted))
        exact = integer_interpreter.run(program, wanted)
    text = c.write(program, sampling_rate=125, hop=125, classes=TASK.classes, after=TASK.samples_after_beat)
    for name, content in text.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    try:
        image = building.build(tmp_path, "cortex-m4", entry="atml_push", flags=WARNED)
        logits, told = emulation.run(image, x.T)
    except ToolchainError as error:
        pytest.skip(str(error))
    ends = np.flatnonzero(told != -2)
    assert len(at) > 5 and ends.tolist() == (at + TASK.samples_after_beat).tolist()
    assert np.array_equal(logits[ends], exact)
    assert np.array_equal(told[ends], exact.argmax(1))


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_what_a_board_counts_is_what_was_estimated(compiler: str, tmp_path: Path) -> None:
    program = untrained.program(CONFIG, TASK)
    for name, text in c.write(program, sampling_rate=125, hop=125).items():
        (tmp_path / name).write_text(text)
    try:
        image = building.build(tmp_path, "cortex-m4", compiler=compiler)
        counted = emulation.count(image, ecg()[:, : TASK.window])
    except ToolchainError as error:
        pytest.skip(str(error))
    found = estimate(program, "l432kc", compiler=compiler, measured=[])
    assert found.instructions == pytest.approx(counted, rel=0.05)
    assert found.layers[0].instructions > 0.25 * counted
    assert abs(found.flash_bytes - image.linked.flash) <= max(256, 0.05 * image.linked.flash)
    assert found.ram_bytes == image.linked.ram
    assert found.stack_bytes >= emulation.stack(image, ecg()[:, : TASK.window])
