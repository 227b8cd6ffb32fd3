"""The C of a program: as onnxruntime decides, to the bit as numpy computes, the same on every processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from atml.arrays import Float32
from atml.artifacts.backends.onnx import graph
from atml.artifacts.model import infer
from atml.device import c, integer_interpreter, interpreter
from atml.device.calibration import calibrate
from atml.device.program import Conv, Program, Recurrent
from atml.device.quantised import Quantised, quantise
from atml.device.reading import read
from atml.device.toolchains.emulation import run
from atml.errors import ExportError
from atml.tasks.task import Task
from tests.device.programs import CASES, compiled, ecg, model
from tests.lively import lively

WINDOWS = 1024
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-O1")
CHECKED = (*STRICT, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("format", ["f32", "w8"])
def test_the_interpreter_computes_what_onnxruntime_does(name: str, format: str) -> None:
    file, program = model(name, format)
    x = ecg(CASES[name][1], 101)
    found, expected = interpreter.run(program, x), infer(file, x)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-5)
    assert np.isnan(found[50]).all()
    assert program.format == format


@pytest.mark.parametrize("name", CASES)
def test_the_c_decides_as_onnxruntime_and_has_the_bits_of_the_interpreter(name: str, tmp_path: Path) -> None:
    # One compile a case: every third has weights of 8 bits, which is another text of the same loops.
    format = "w8" if list(CASES).index(name) % 3 == 2 else "f32"
    file, program = model(name, format)
    x = ecg(CASES[name][1], WINDOWS)
    found, called = run(compiled(program, tmp_path, compiler="gcc", flags=CHECKED), x)
    expected = infer(file, x)
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-5)
    np.testing.assert_array_equal(called, interpreter.labels(program, expected))
    some = slice(0, 128)
    np.testing.assert_array_equal(found[some], interpreter.run(program, x[some]))
    assert (called[50::100] == -1).all() and np.isnan(found[50::100]).all()


def test_beats_are_found_to_the_end_of_a_long_window(tmp_path: Path) -> None:
    config, task = CASES["rr, decimated"]
    long = replace(task, window=2**15 + 250)
    program = read(graph(lively(config, long), long).SerializeToString(), config, long)
    x = ecg(long, 2)
    found, _ = run(compiled(program, tmp_path, compiler="gcc", flags=CHECKED), x)
    np.testing.assert_array_equal(found, interpreter.run(program, x))


def uneasy(task: Task) -> Float32:
    """Windows round beats of any size: flat as a whole or in part, with steps, of one sample; 18 of them."""
    x = np.tile(ecg(task, 1, seed=3), (18, 1, 1))
    beat = task.window - task.samples_after_beat - 1
    for place, gain in enumerate((1e-30, 1e-21, 3e-20, 1e-12, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12)):
        x[place] *= gain
    x[10], x[11] = 0.0, -7.5
    x[12, :, beat - 20 : beat + 30] = 1.0  # the beat alone is flat, or all but the beat
    x[13, :, : beat - 10] = x[13, :, beat + 15 :] = 0.2
    x[14] = np.where(np.arange(task.window) < beat, -400.0, 400.0)
    x[15] = 0.0
    x[15, :, beat] = 1.0
    x[16, 0], x[17, -1] = 0.0, 5.0
    return x


@pytest.mark.parametrize("name", [name for name, (config, _) in CASES.items() if config.normalise == "beat"])
def test_beats_are_compared_whatever_their_size(name: str, tmp_path: Path) -> None:
    file, program = model(name)
    x = uneasy(CASES[name][1])
    expected, exact = infer(file, x), interpreter.run(program, x)
    np.testing.assert_allclose(exact, expected, atol=1e-4, rtol=1e-5)
    beyond = np.concatenate([x, x[:2] * np.float32([[[1e32]], [[1e30]]]), np.float32(1e19) * x[4:7]])
    beyond[-1, 0, ::2] = 3e38
    beyond[-1, 0, 1::2] = -3e38  # slopes that are infinite
    image = compiled(program, tmp_path, compiler="gcc", flags=CHECKED)
    found, called = run(image, beyond)
    np.testing.assert_array_equal(found, interpreter.run(program, beyond))
    np.testing.assert_array_equal(called[:18], interpreter.labels(program, expected))


def test_a_size_beyond_16_bits_is_refused() -> None:
    _, program = model("mean, batch norm, relu")
    first = program.layers[0]
    assert isinstance(first, Conv)
    wide = replace(program, layers=(replace(first, pad=2**16), *program.layers[1:]))
    with pytest.raises(ExportError, match="'conv1' has a size of 65,536, and the C has room for 65,535"):
        c.write(wide, sampling_rate=50, hop=25)


BOARDS = ("cortex-m0", "cortex-m4", "cortex-m7", "loongarch64")
ON_BOARDS = {
    "bilstm, mean and max": "f32",
    "gru of patches, mean and max": "w8",
    "rr, decimated": "f32",
    "beat, decimated": "w8",
    "each lead, as it is, gru": "f32",
}


@pytest.mark.parametrize("target", BOARDS)
@pytest.mark.parametrize("name", ON_BOARDS)
def test_every_processor_computes_the_same_bits(name: str, target: str, tmp_path: Path) -> None:
    _, program = model(name, ON_BOARDS[name])
    x = ecg(CASES[name][1], 60)[47:53]
    found, called = run(compiled(program, tmp_path, target, flags=("-Wall", "-Wextra", "-Werror")), x)
    exact = interpreter.run(program, x)
    np.testing.assert_array_equal(found, exact)
    np.testing.assert_array_equal(called, interpreter.labels(program, exact))


def test_another_compiler_has_nothing_to_complain_of(tmp_path: Path) -> None:
    _, program = model("bigru, max")
    x = ecg(CASES["bigru, max"][1], 20)
    found, _ = run(compiled(program, tmp_path, compiler="clang", flags=STRICT), x)
    np.testing.assert_array_equal(found, interpreter.run(program, x))


def bare() -> Program:
    """Convolutions and a layer norm without an activation, which no config asks for."""
    _, program = model("max, layer norm, leaky relu")
    layers = tuple(
        one if isinstance(one, Recurrent) else replace(one, activation="none") for one in program.layers
    )
    return replace(program, layers=layers)


@pytest.mark.parametrize("target", ["host", "cortex-m4"])
@pytest.mark.parametrize("format", ["f32", "w8a8"])
def test_layers_without_an_activation(format: str, target: str, tmp_path: Path) -> None:
    program, x = bare(), ecg(CASES["max, layer norm, leaky relu"][1], 40)
    written: Program | Quantised = program
    exact = interpreter.run(program, x)
    if format == "w8a8":
        written = quantise(program, calibrate(program, x))
        exact = integer_interpreter.run(written, x)
    found, _ = run(compiled(written, tmp_path, target, flags=("-Wall", "-Wextra", "-Werror")), x)
    np.testing.assert_array_equal(found, exact)
