"""Estimates agree with programs that were compiled and counted; measurements of a board narrow them."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atml.device import c, cost, measurements, rates, untrained
from atml.device.boards import BOARDS, board_named
from atml.device.c.fragments import FOLDER
from atml.device.estimate import Estimate, estimate, ram_bytes
from atml.device.measurements import Measurement
from atml.device.program import Program
from atml.device.toolchains import cortex_m
from atml.errors import ExportError, InputError
from atml.library.board_estimate import of_export, on_board
from atml.models.config import ModelConfig
from atml.tasks.task import Task
from tests.terminal import run

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
EXPORT = FIXTURES / "v0.1" / "exports" / "small" / "99-96-t0034"
TASK = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=250)
BOARD = {"cortex-m0": "rp2040", "cortex-m4": "l432kc", "cortex-m7": "f746ng", "loongarch64": "2k0500"}

COUNTED: list[dict[str, Any]] = json.loads((FIXTURES / "device_counts.json").read_text(encoding="utf-8"))
"""Configs of the search spaces with what was counted of them, by `benchmarks/device_cost.py`."""


@pytest.fixture(scope="module", name="programs")
def _programs() -> list[Program]:
    return [untrained.program(ModelConfig.from_dict(one["config"]), Task(**one["task"])) for one in COUNTED]


@pytest.fixture(autouse=True)
def _own_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATML_CONFIG", str(tmp_path / "settings"))


def small(**fields: Any) -> Program:
    fields = {"channels": (4,), "kernels": (7,), "strides": (2,), **fields}
    task = replace(TASK, leads=2) if fields.get("each_lead") else TASK
    return untrained.program(ModelConfig(**fields), task)


def test_estimates_are_those_of_counted_programs(programs: list[Program]) -> None:
    seen = set()
    for program, one in zip(programs, COUNTED, strict=True):
        for column, counted in one["counted"].items():
            compiler, target, form = column.split()
            found = estimate(program, BOARD[target], form, compiler=compiler)
            near = max(0.05, rates.rates(target, form, compiler).error) if form == "w8a8" else 0.05
            assert found.instructions == pytest.approx(counted["instructions"], rel=near), (one, column)
            off = abs(found.flash_bytes - counted["flash"])
            assert off <= max(256, 0.05 * counted["flash"]), (column, off)
            # GCC moves a variable to the next multiple of 8 now and then.
            assert 0 <= counted["ram"] - found.ram_bytes <= (4 if compiler == "gcc" else 0), column
            assert counted["stack"] <= found.stack_bytes < 3 * counted["stack"], column
            seen.add(column)
    checked = {
        f"zig {target} {form}"
        for target in ("cortex-m0", "cortex-m4", "loongarch64")
        for form in ("f32", "w8")
    }
    assert checked <= seen <= set(rates.columns())


@pytest.mark.parametrize("each_lead", [False, True])
def test_a_real_count_agrees(tmp_path: Path, each_lead: bool) -> None:
    if not cortex_m.available():
        pytest.skip("unicorn is not installed")
    from atml.device.toolchains import building, emulation

    fields = {"cell": "gru", "units": 8, "pool": "mean_max", "activation": "silu", "decimation": 2}
    program = small(**fields, each_lead=each_lead)
    for name, text in c.write(program, sampling_rate=250, hop=250).items():
        (tmp_path / name).write_text(text)
    image = building.build(tmp_path, "cortex-m4")
    window = np.random.default_rng(1).normal(size=(program.leads, 250)).astype(np.float32)
    found = estimate(program, "l432kc", compiler=image.compiler.partition(" ")[0])
    assert found.instructions == pytest.approx(emulation.count(image, window), rel=0.05)
    assert abs(found.flash_bytes - image.linked.flash) <= max(256, 0.05 * image.linked.flash)
    assert found.ram_bytes == image.linked.ram
    assert found.stack_bytes >= emulation.stack(image, window)


def test_layers_add_up_to_the_whole() -> None:
    program = small(
        channels=(4, 8), kernels=(7, 5), strides=(2, 2), norm="layer", cell="lstm", bidirectional=True
    )
    found = estimate(program, "l432kc")
    layers = found.layers
    names = [one.name for one in layers]
    assert (names[0], *names[-2:]) == (cost.INPUT, cost.POOL, cost.HEAD)
    assert sum(one.instructions for one in layers) == found.instructions
    assert sum(one.macs for one in layers) == program.macs
    assert sum(one.ms for one in layers) == pytest.approx(found.ms.value, rel=1e-3)
    assert sum(one.ram_bytes for one in layers) + 4 * (len(program.layers) + 2) == found.ram_bytes


def test_more_work_takes_longer_and_int8_takes_less_flash() -> None:
    lean, rich, wide = small(), small(channels=(8,), kernels=(9,)), small(cell="lstm", units=24)
    for board in BOARDS:
        one, other = estimate(lean, board), estimate(rich, board)
        assert one.ms.low < one.ms.value < one.ms.high < 10 * one.ms.low
        assert one.ms.value < other.ms.value and one.flash_bytes < other.flash_bytes
        assert estimate(wide, board, "w8").flash_bytes < 0.7 * estimate(wide, board).flash_bytes
    assert estimate(lean, "rp2040").instructions > 10 * estimate(lean, "l432kc").instructions


def test_what_does_not_fit_says_so() -> None:
    task = Task(name="t", classes=("N", "AF"), positive=1, sampling_rate=250, window=5000)
    program = untrained.program(ModelConfig(channels=(4,), kernels=(7,), strides=(2,)), task)
    assert not estimate(program, "f303k8").fits, "the window alone takes 20,000 bytes of 16 KiB"
    assert estimate(program, "l432kc").fits


def test_names_that_are_not_known_list_those_that_are() -> None:
    with pytest.raises(InputError, match="no such board: 'uno'; boards: l432kc, f303k8, 2k0500"):
        board_named("uno")
    with pytest.raises(InputError, match=r"'zig cortex-m4 w4'.*known: .*zig cortex-m4 f32"):
        estimate(small(), "l432kc", "w4")


def measured(ms: float, network: str = "one", instructions: int = 1_000_000) -> Measurement:
    return Measurement("l432kc", ms, instructions, network, "f32", "zig")


def test_measurements_narrow_and_combine() -> None:
    board = BOARDS["l432kc"]
    wide = measurements.cycles(board)
    assert (wide.low, wide.value, wide.high) == board.cycles
    measurements.add(measured(25.0))  # 2 cycles an instruction
    one = measurements.cycles(board, measurements.read())
    assert one.value == pytest.approx(2.0)
    assert one.high / one.low < wide.high / wide.low
    measurements.add(measured(27.0, "two"))
    mine = measurements.add(measured(26.0, "three"))
    three = measurements.cycles(board, mine)
    assert three.high / three.low < one.high / one.low and one.value < three.value < 2.16
    assert len(measurements.add(measured(26.5, "three"))) == 3, "the same network again replaces itself"
    spread = measurements.cycles(board, [measured(10, "a"), measured(25, "b"), measured(60, "c")])
    assert spread.high / spread.low > 10, "measurements that disagree don't narrow"
    assert measurements.cycles(BOARDS["2k0500"], mine).value == BOARDS["2k0500"].cycles[1]


def test_a_measurement_is_the_next_estimate_of_that_network() -> None:
    program = small()
    before = estimate(program, "l432kc")
    mine = measurements.add(measured(9.0, instructions=before.instructions))
    after = estimate(program, "l432kc", measured=mine)
    assert after.ms.value == pytest.approx(9.0) and after.measured == 1
    assert estimate(program, "l432kc").ms == after.ms, "kept for this user"


def test_damaged_measurements_are_one_line_and_stay() -> None:
    measurements.add(measured(25.0))
    measurements.place().write_text("{", encoding="utf-8")
    for act in (measurements.read, lambda: measurements.add(measured(1.0))):
        with pytest.raises(
            InputError, match=r"measurements\.json is damaged .* enter your measurements again"
        ):
            act()
    assert measurements.place().read_text(encoding="utf-8") == "{"


def test_without_a_home_there_are_no_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ATML_CONFIG")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert estimate(small(), "l432kc").measured == 0
    with pytest.raises(InputError, match="set ATML_CONFIG to a folder"):
        measurements.add(measured(25.0))


def test_an_export_with_damaged_figures_has_an_estimate_and_no_total(tmp_path: Path) -> None:
    shutil.copytree(EXPORT, tmp_path / "export")
    (tmp_path / "export" / "metrics.json").write_text("{", encoding="utf-8")
    found = on_board(of_export(tmp_path / "export"), "2k0500")
    assert found.estimate.ms.value > 0 and found.official is not None and found.official.total is None
    (tmp_path / "export" / "metrics.json").write_text('{"subjects": [{"subject": "a", "tp": 1}]}')
    with pytest.raises(ExportError, match=r"metrics\.json is damaged \('fp'\): export the model again"):
        of_export(tmp_path / "export")


def test_the_timing_program_runs(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    for name, text in c.write(small(), sampling_rate=250, hop=250).items():
        (tmp_path / name).write_text(text)
    shutil.copy(FOLDER / "timing.c", tmp_path)
    flags = ["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-DATML_RUNS=3"]
    subprocess.run([compiler, *flags, "timing.c", "model.c", "-o", "timing"], cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "timing"], capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert words[0] == "class" and float(words[2]) >= 0 and words[3:] == "ms a window, mean of 3 runs".split()


def told(where: Path, *words: object) -> str:
    done = run(where, "device", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(where: Path, *words: object) -> str:
    done = run(where, "device", *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_the_command_estimates_and_calibrates(tmp_path: Path) -> None:
    found = json.loads(told(tmp_path, "estimate", EXPORT, "--board", "2K0500", "--json"))
    ms = found["ms"]
    assert ms["low"] < ms["likely"] < ms["high"] and found["measured"] == 0 and found["fits"]
    assert found["rule"] == "iesd2024" and found["total"]["low"] < found["total"]["value"] <= found["best"]
    assert sum(one["value"] for one in found["points"].values()) == pytest.approx(found["total"]["value"])
    text = told(tmp_path, "estimate", EXPORT, "--board", "2k0500")
    assert "nobody measured" in text and "iesd2024: " in text and "conv1" in text
    text = told(
        tmp_path, "calibrate", EXPORT, "--board", "2k0500", "--measured", f"{ms['likely'] * 1e3:.1f}us"
    )
    assert "outside" not in text and "from 1 measurement" in text
    after = json.loads(told(tmp_path, "estimate", EXPORT, "--board", "2k0500", "--json"))["ms"]
    assert after["high"] - after["low"] < 0.5 * (ms["high"] - ms["low"])
    assert "outside the 0.7 to 2.2" in told(
        tmp_path, "calibrate", EXPORT, "--board", "2k0500", "--measured", "1s"
    )


def test_the_timing_program_is_written_beside_the_model(tmp_path: Path) -> None:
    shutil.copytree(EXPORT, tmp_path / "export")
    line = refused(tmp_path, "calibrate", "export", "--board", "l432kc")
    assert "atml best export --target cortex-m4" in line
    (tmp_path / "export" / "device").mkdir()
    (tmp_path / "export" / "device" / "model.h").touch()
    assert "export/device/timing.c" in told(tmp_path, "calibrate", "export", "--board", "l432kc")
    assert (tmp_path / "export" / "device" / "timing.c").read_text() == (FOLDER / "timing.c").read_text()


def test_a_trial_is_estimated_without_an_export(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "v0.1" / "studies.db", tmp_path)
    found = json.loads(told(tmp_path, "estimate", "0", "--study", "small", "--board", "l432kc", "--json"))
    assert found["what"] == "trial 0 of study 'small'" and found["total"] is None
    assert set(found["points"]) == {"latency", "size"}
    assert "no trial 9999" in refused(tmp_path, "estimate", "9999", "--study", "small", "--board", "l432kc")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("estimate", EXPORT, "--board", "uno"), "no such board: 'uno'; boards: l432kc"),
        (("estimate", "nothing", "--board", "l432kc"), "nothing does not exist; name an export folder"),
        (("estimate", EXPORT, "--board", "l432kc", "--format", "w4"), "known: zig cortex-m0 f32"),
        (("estimate", EXPORT, "--board", "l432kc", "--rule", "cinc2017"), "rules that do: iccad2022"),
        (("calibrate", EXPORT, "--board", "l432kc", "--measured", "0ms"), "must be a time above 0"),
        (("calibrate", EXPORT, "--board", "l432kc", "--measured", "soon"), "must be a time above 0"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, words: tuple[object, ...], line: str) -> None:
    assert line in refused(tmp_path, *words)
    assert not measurements.place().exists()


def test_two_directions_alone_take_one_counter_less(tmp_path: Path) -> None:
    program = small(channels=(), kernels=(), strides=(), patch=5, cell="lstm", units=4, bidirectional=True)
    assert ram_bytes(program, "f32", "zig") == ram_bytes(program, "f32", "gcc") - 4
    assert isinstance(estimate(program, "l432kc"), Estimate)
