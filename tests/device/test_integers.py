"""Programs in integers: the C has every bit of the interpreter, and decides as the floats do."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import atml
from atml import cli
from atml.arrays import Float32
from atml.device import c, integer_interpreter, interpreter, ranges_file, writing
from atml.device.calibration import Ranges, calibrate
from atml.device.integer_sizes import sizes
from atml.device.program import Conv, Head, Input, Pool, Program, Recurrent
from atml.device.quantised import ConvIntegers, Quantised, quantise
from atml.device.reading import read
from atml.device.toolchains.emulation import run
from atml.errors import ExportError
from atml.library.board_estimate import of_export
from tests.device.programs import CASES, compiled, ecg, model

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "v0.1"
EXPORT = FIXTURES / "exports/small/97-91-t0138"
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic")
CHECKED = (*STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
THUMB1 = ("-D__thumb__",)
"""Products as a Cortex-M0 has them, of 32 bits."""

COMPILED = {
    "last, silu, layer norm, separable": CHECKED,
    "tanh, stride above kernel": CHECKED,
    "bilstm x2, last": (*CHECKED, *THUMB1),
    "gru x2, attention, classes": CHECKED,
    "gru of patches, mean and max": CHECKED,
    "beat, lstm, classes": CHECKED,
    "each lead, beat, lstm, classes": CHECKED,
}
"""Each layer, cell, direction and pool, with and without a table; the others of `CASES` add nothing."""


def quantised(name: str) -> Quantised:
    _, program = model(name)
    return quantise(program, calibrate(program, ecg(CASES[name][1], 64, seed=1)))


def hard(name: str) -> Float32:
    """Windows like those of the calibration, and some that it never saw."""
    x = ecg(CASES[name][1], 60)[44:56]
    x[0], x[1] = 0.25, 0.0
    x[2], x[3] = x[2] * 1e4, x[3] * 1e-4
    x[4], x[5, :, 9] = 3e38, 1e30
    return x


@pytest.mark.parametrize("name", COMPILED)
def test_the_c_has_the_bits_of_the_interpreter(name: str, tmp_path: Path) -> None:
    program, x = quantised(name), hard(name)
    found, called = run(compiled(program, tmp_path, compiler="gcc", flags=COMPILED[name]), x)
    exact = integer_interpreter.run(program, x)
    np.testing.assert_array_equal(found, exact)
    np.testing.assert_array_equal(called, interpreter.labels(program.program, exact))
    assert np.isnan(exact[[4, 6]]).all() and np.isfinite(exact[:4]).all()


BOARDS = {"cortex-m4": "gru x2, attention, classes", "cortex-m0": "lstm x2, max, centred"}


@pytest.mark.parametrize("target", BOARDS)
def test_a_board_computes_the_same_bits(target: str, tmp_path: Path) -> None:
    """An M4 multiplies two pairs at once, an M0 has no product of 64 bits."""
    program, x = quantised(BOARDS[target]), hard(BOARDS[target])
    found, _ = run(compiled(program, tmp_path, target, flags=STRICT), x)
    np.testing.assert_array_equal(found, integer_interpreter.run(program, x))


@pytest.mark.parametrize("name", CASES)
def test_integers_stay_near_the_floats(name: str) -> None:
    """Networks with random weights tell windows of noise apart by little, which is what is left to lose."""
    program = quantised(name)
    x = ecg(CASES[name][1], 50, seed=2)
    exact, found = interpreter.run(program.program, x), integer_interpreter.run(program, x)
    assert np.corrcoef(exact.ravel(), found.ravel())[0, 1] > 0.95
    assert np.sqrt(np.mean((found - exact) ** 2)) < 0.35 * exact.std()


def trained() -> tuple[Program, Float32]:
    exported = atml.load(EXPORT).exported
    with np.load(FIXTURES / "afib.npz") as stored:
        x = stored["x"].astype(np.float32)[:, None]
    return read(exported.model, exported.config, exported.task), x


def test_a_trained_network_decides_as_before() -> None:
    program, x = trained()
    found = integer_interpreter.run(quantise(program, calibrate(program, x[::2])), x[1::2])
    exact = interpreter.run(program, x[1::2])
    same = interpreter.labels(program, found) == interpreter.labels(program, exact)
    assert len(same) > 50 and same.mean() >= 0.98
    assert np.abs(found - exact).mean() < 0.02 * exact.std()


def test_ranges_travel_as_json_and_give_the_same_integers() -> None:
    _, program = model("bilstm, mean and max")
    ranges = calibrate(program, ecg(CASES["bilstm, mean and max"][1], 200))
    again = quantise(program, Ranges.from_dict(ranges.to_dict()))
    first = quantise(program, ranges)
    x = ecg(CASES["bilstm, mean and max"][1], 5)
    texts = [c.write(one, sampling_rate=50, hop=25) for one in (first, again)]
    assert texts[0] == texts[1]
    np.testing.assert_array_equal(*(integer_interpreter.run(one, x) for one in (first, again)))


def test_an_artefact_in_the_calibration_does_not_make_all_steps_coarse() -> None:
    name = "as it is, upright, decimated"  # the input is in mV
    _, program = model(name)
    x = ecg(CASES[name][1], 40, seed=1)
    x[3, 0, 10:13] = 3000.0  # an amplifier at its rail for 60 ms
    low, high = calibrate(program, x).rows[0]
    assert high - low < 100


def test_calibration_needs_windows_and_floats() -> None:
    _, program = model("lstm, mean")
    x = np.full((3, 1, 125), np.nan, np.float32)
    with pytest.raises(ExportError, match="no window without NaN"):
        calibrate(program, x)
    with pytest.raises(ExportError, match="f32, not in w8"):
        calibrate(model("lstm, mean", "w8")[1], ecg(CASES["lstm, mean"][1], 4))


def extreme(weight: float, bias: float, inputs: int = 200, units: int = 4) -> Program:
    """A convolution over the largest sums that there can be, then a cell."""
    cell = np.full((1, units, 4, 3), weight, np.float32)
    return Program(
        input=Input(leads=1, samples=inputs * 4, kind="none", patch=inputs),
        layers=(
            Conv(
                name="conv",
                weight=np.full((3, 3, inputs), weight, np.float32),
                bias=np.array([bias, -bias, 0], np.float32),
                inputs=inputs,
                stride=1,
                pad=1,
                steps=4,
            ),
            Recurrent(
                name="lstm",
                cell="lstm",
                weight=cell,
                recurrent=np.full((1, units, 4, units), -weight, np.float32),
                bias=np.full((1, units, 4), bias, np.float32),
                steps=4,
            ),
        ),
        pool=Pool(kind="mean_max", width=units, steps=4, score=np.zeros(0, np.float32)),
        head=Head(weight=np.full((2, 2 * units), weight, np.float32), bias=np.zeros(2, np.float32)),
        positive=None,
    )


@pytest.mark.parametrize(("weight", "bias"), [(1e6, 1e-6), (1e-12, 1e6), (0.0, 0.0), (1.0, 1e9)])
def test_no_weight_or_bias_leaves_what_c_can_hold(weight: float, bias: float) -> None:
    program = extreme(weight, bias)
    x = np.random.default_rng(0).normal(size=(6, 1, 800)).astype(np.float32)
    found = quantise(program, calibrate(program, x))
    for numbers in found.layers:
        for values, bits in ((numbers.multiplier, 16), (numbers.bias, 32)):
            assert np.abs(values).max() < 2 ** (bits - 1)
        assert 17 <= numbers.shift <= 46
    conv = found.layers[0]
    assert isinstance(conv, ConvIntegers)
    assert (np.abs(conv.weight).sum((1, 2)) * 128 + np.abs(conv.bias)).max() < 2**31
    assert np.isfinite(integer_interpreter.run(found, x)).all()


@pytest.mark.parametrize(("inputs", "units"), [(30_000, 4), (10, 600)])
def test_sums_that_might_overflow_are_refused(inputs: int, units: int) -> None:
    program = extreme(1.0, 0.0, inputs, units)
    ranges = Ranges(((-1.0, 1.0),) * 3, ((0.0, 0.0),) * 2)
    with pytest.raises(ExportError, match="too many for sums of 32 bits; choose format w8"):
        quantise(program, ranges)


BYTES = {"weight": 1, "value": 1, "int8_t": 1, "int16_t": 2, "int32_t": 4, "float": 4, "int": 4}


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_are_those_of_the_arrays(name: str) -> None:
    program = quantised(name)
    text = c.write(program, sampling_rate=50, hop=25)[c.SOURCE].split("enum {")
    constants = dict[str, int]()
    for kind, array, count in re.findall(r"^static const (\w+) (\w+)\[(\d+)\] = ", text[0], re.MULTILINE):
        constants[array] = BYTES[kind] * int(count)
    variables = 0
    for kind, count in re.findall(r"^static (value|int16_t|int32_t) \w+\[(\d+)\];", text[1], re.MULTILINE):
        variables += BYTES[kind] * int(count)
    found = sizes(program)
    assert sum(one.flash for one in found) == sum(constants.values())
    assert sum(one.ram for one in found) - 4 * program.program.pool.features - scratch(program) == variables
    assert [one.name for one in found] == [
        "input",
        *(layer.name for layer in program.program.layers),
        "pool",
        "head",
    ]


def scratch(program: Quantised) -> int:
    """Bytes that cells share, whose length in the C is a constant's."""
    rows = [
        -(-one.units * one.gates // 4) * 4 for one in program.program.layers if isinstance(one, Recurrent)
    ]
    return 8 * max(rows, default=0)


def test_an_export_with_ranges_is_checked_in_integers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "export"
    shutil.copytree(EXPORT, export)
    line = [
        "device",
        "check",
        str(export),
        "--format",
        "w8a8",
        "--windows",
        "60",
        "--compiler",
        "gcc",
        "--json",
    ]
    assert cli.run(line) == 2
    assert "has no usable ranges.json, the ranges that w8a8 needs: export the model again" in (
        capsys.readouterr().err.replace("\n", " ")
    )
    _, x = trained()
    found = atml.load(export).exported
    for name, content in ranges_file.contents(found.model, found.config, found.task, x).items():
        (export / name).write_bytes(content)
    written = writing.files(writing.in_format(found, "w8a8"), target="cortex-m0", hop=250)
    assert json.loads(written["report.json"])["format"] == "w8a8"
    assert "model.onnx" not in written  # ONNX can't say it
    said = " ".join(written["README"].decode().split())
    assert "the C has the bits of a reference in numpy" in said and "onnxruntime gives" not in said
    writing.write(export, written)
    assert of_export(export).format == "w8a8"
    if shutil.which("gcc") is None:
        pytest.skip("no gcc here")
    del line[3:5]  # the format of device/ is what an export is in
    assert cli.run(line) == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert said["passed"] and said["apart"] == said["flipped"] == said["other_bits"] == 0
