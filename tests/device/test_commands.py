"""`atml device` as a person calls it, and what it says to what can't be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from atml import cli
from atml.artifacts.model import load
from atml.data.dataset import Rows
from atml.device import checking, writing
from atml.device.fold_networks import by_format
from atml.errors import ExportError, ParityError
from tests.device.programs import CASES, TASK, ecg
from tests.lively import lively

EXPORT = Path(__file__).parents[1] / "fixtures" / "v0.1" / "exports" / "small" / "97-91-t0138"

Capture = pytest.CaptureFixture[str]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_an_export_is_checked(capsys: Capture) -> None:
    line = ["device", "check", str(EXPORT), "--windows", "200", "--compiler", "gcc", "--json"]
    assert cli.run(line) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["passed"] and found["windows"] == 200 and found["flipped"] == 0
    assert 0 < found["apart"] < 1e-4 and found["other_bits"] == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (["device", "check", "nowhere"], "nowhere does not exist"),
        (["device", "check", str(EXPORT), "--target", "z80"], "no such target: 'z80'; targets: host"),
        (["device", "check", str(EXPORT), "--compiler", "tcc"], "no such compiler: 'tcc'; compilers: zig"),
        (["device", "check", str(EXPORT), "--format", "w4"], "--format 'w4' is unknown: one of f32, w8"),
        (
            ["best", "export", "s", "--format", "w8"],
            "--format is about the C of a model: name what it is for",
        ),
        (["best", "export", "s", "--hop", "1"], "--hop is about the C of a model"),
        (["best", "export", "s", "--target", "z80"], "no such target: 'z80'; targets: host"),
        (["best", "export", "s", "--target", "host", "--format", "w4"], "--format 'w4' is unknown"),
        (["best", "export", "s", "--target", "host", "--hop", "0"], "--hop 0 is no time between"),
        (
            ["best", "export", "s", "--target", "host", "--hop", "1e308"],
            "seconds above 0, at most 86,400",
        ),
        (["device", "estimate", "²", "--board", "l432kc"], "² does not exist"),
        (["search", "--board", "f746ng", "--format", "w8a8"], "no estimate for 'zig cortex-m7 w8a8'"),
        (["search", "--latency-ms", "3"], "--latency-ms 3 is of a board: name it, as --board l432kc"),
        (["search", "--board", "uno"], "no such board: 'uno'; boards: l432kc"),
        (["search", "--format", "w4"], "--format 'w4' is unknown"),
        (["search", "--objective", "official"], "counts what latency and size earn: name the board"),
    ],
)
def test_a_mistake_gets_one_line(
    line: list[str], says: str, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(line) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_what_is_apart_is_not_passed(tmp_path: Path) -> None:
    found = checking.Checked(
        target="host", title="this machine", compiler="gcc", windows=9, apart=2e-4, flipped=1, other_bits=3,
        instructions=None, stack=None, flash=None, ram=None,
    )  # fmt: skip
    with pytest.raises(ParityError, match="1 of 9 labels, 3 logits in their last bits"):
        checking.demand(found)


def test_an_earlier_device_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    exported = tmp_path / "export"
    exported.mkdir()
    writing.write(exported, {"model.c": b"1", "old": b""})
    writing.write(exported, {"model.c": b"2"})
    assert [file.name for file in (exported / "device").iterdir()] == ["model.c"]
    with pytest.raises(ExportError, match="can't be written"):
        writing.write(exported, {"no/where": b""})
    assert (exported / "device" / "model.c").read_bytes() == b"2"
    assert [file.name for file in exported.iterdir()] == ["device"]


def test_a_network_of_a_fold_predicts_in_8_bits() -> None:
    config, _ = CASES["lstm, mean"]
    x = ecg(TASK, 40)
    net = lively(config, TASK)
    found = by_format(config, TASK)(net, Rows(x, np.arange(20)), Rows(x, np.arange(20, 40)))
    exact = net(torch.from_numpy(x[20:])).detach().numpy()
    assert list(found) == ["w8", "w8a8"]
    for logits, most in zip(found.values(), (0.2, 0.4), strict=True):
        assert logits.shape == exact.shape
        assert 1e-5 < np.abs(logits - exact).max() < most  # other numbers, and not by much


def test_the_windows_of_a_check_are_of_every_size() -> None:
    task = load(EXPORT).task
    x = checking.windows(task, 400)
    spread = x.std(-1)[:, 0]
    assert x.shape == (400, 1, task.window) and np.isfinite(x).all()
    assert (spread == 0).any() and (spread > 5).any() and (spread[spread > 0] < 0.01).any()


def test_an_operation_without_a_form_is_refused(tmp_path: Path, capsys: Capture) -> None:
    proto = onnx.load(EXPORT / "model.onnx")
    for node in proto.graph.node:
        if node.op_type == "Relu":
            node.op_type = "Softplus"
    onnx.save(proto, tmp_path / "other.onnx")
    assert cli.run(["device", "check", str(tmp_path / "other.onnx")]) == 2
    said = capsys.readouterr().err
    assert "Softplus 'conv1.relu' has no form on a device" in said and said.count("\n") == 1
