"""A Triton model repository, read by Protocol Buffers as Triton reads it, and held against the ONNX file."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from atml.artifacts.model import load
from atml.errors import InputError
from atml.serving import triton
from tests.serving.conftest import AFIB, SHOCK
from tests.terminal import run

PROTO = {
    "ModelParameter": [("string_value", "string", False)],
    "ModelInput": [("name", "string", False), ("data_type", "DataType", False), ("dims", "int64", True)],
    "ModelOutput": [
        ("name", "string", False),
        ("data_type", "DataType", False),
        ("dims", "int64", True),
        ("label_filename", "string", False),
    ],
    "ModelDynamicBatching": [("max_queue_delay_microseconds", "uint64", False)],
    "ModelInstanceGroup": [("kind", "Kind", False), ("count", "int32", False)],
    "ModelConfig": [
        ("name", "string", False),
        ("platform", "string", False),
        ("max_batch_size", "int32", False),
        ("input", "ModelInput", True),
        ("output", "ModelOutput", True),
        ("instance_group", "ModelInstanceGroup", True),
        ("dynamic_batching", "ModelDynamicBatching", False),
        ("parameters", "ModelConfig.ParametersEntry", True),
    ],
}
"""The messages of Triton's ``model_config.proto`` as far as they are used: fields, types, whether repeated.

An unknown field or a value of another type is an error. The text format does not need their numbers.
"""
ENUMS = {"DataType": ("TYPE_INVALID", "TYPE_FP32"), "Kind": ("KIND_AUTO", "KIND_GPU", "KIND_CPU")}


def message() -> Any:
    """An empty ModelConfig."""
    file = descriptor_pb2.FileDescriptorProto(name="model_config.proto", package="inference", syntax="proto3")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    kinds = descriptor_pb2.FieldDescriptorProto

    def fill(kind: Any, fields: list[tuple[str, str, bool]]) -> None:
        for number, (name, of, repeated) in enumerate(fields, 1):
            field = kind.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if of in ENUMS:
                field.type, field.type_name = kinds.TYPE_ENUM, f".inference.{of}"
            elif of[0].isupper():
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".inference.{of}"
            else:
                field.type = getattr(kinds, f"TYPE_{of.upper()}")

    for name, fields in PROTO.items():
        fill(kind := file.message_type.add(name=name), fields)
    entry = kind.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    fill(entry, [("key", "string", False), ("value", "ModelParameter", False)])
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("inference.ModelConfig"))()


def parsed(folder: Path) -> Any:
    return text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), message())


def test_what_is_written_fits_the_onnx_file(tmp_path: Path) -> None:
    done = run(tmp_path, "triton", f"af={AFIB}", SHOCK, "--out", "repo/models", "--instances", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "next: tritonserver --model-repository=repo/models"
    repo = tmp_path / "repo" / "models"
    assert sorted(path.name for path in repo.iterdir()) == ["100-87-t0000", "af"]
    for name, export in (("af", AFIB), (SHOCK.name, SHOCK)):
        folder, exported = repo / name, load(export)
        there = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        assert there == ["1/model.onnx", "config.pbtxt", "labels.txt"]
        assert (folder / "1" / "model.onnx").read_bytes() == (export / "model.onnx").read_bytes()
        assert (folder / "labels.txt").read_text().splitlines() == list(exported.task.classes)
        found = parsed(folder)
        assert (found.name, found.platform) == (name, "onnxruntime_onnx")
        (entry,), (exit_,) = found.input, found.output
        session = onnxruntime.InferenceSession(folder / "1" / "model.onnx")
        for tensor, (of,) in ((entry, session.get_inputs()), (exit_, session.get_outputs())):
            assert (tensor.name, tensor.data_type, of.type) == (of.name, 1, "tensor(float)")
            # The first dimension is Triton's batch: it has to be free in the file.
            assert isinstance(of.shape[0], str) and list(tensor.dims) == of.shape[1:]
        assert exit_.label_filename == "labels.txt" and exit_.dims[0] == len(exported.task.classes)
        assert found.max_batch_size == 64
        assert found.HasField("dynamic_batching") and found.dynamic_batching.max_queue_delay_microseconds > 0
        (group,) = found.instance_group
        assert (group.count, group.kind) == (2, 2)
        facts = {key: value.string_value for key, value in found.parameters.items()}
        assert facts["intra_op_thread_count"] == facts["inter_op_thread_count"] == "1"
        assert facts["atml_classes"].split(",") == list(exported.task.classes)
        assert facts["atml_sampling_rate_hz"] == "250"
        assert float(facts["atml_threshold"]) == pytest.approx(exported.threshold, rel=1e-5)
        assert facts["atml_sha256"] == exported.sha256
        for subject in exported.subjects or ():
            assert f'"{subject}"' not in (folder / "config.pbtxt").read_text()


def test_the_file_takes_batches(tmp_path: Path) -> None:
    (graph_input,) = onnx.load(AFIB / "model.onnx").graph.input
    assert graph_input.type.tensor_type.shape.dim[0].dim_param == "n"


def test_words_of_any_kind(tmp_path: Path) -> None:
    exported = load(AFIB)
    task = dataclasses.replace(exported.task, classes=('say "no"\n', "\N{GREEK SMALL LETTER MU}\\V"))
    odd = dataclasses.replace(exported, task=task, unqualified=("F1 below 0.8",), synthetic=True)
    triton.write({"m": odd}, tmp_path)
    found = parsed(tmp_path / "m")
    assert found.parameters["atml_classes"].string_value == ",".join(task.classes)
    assert found.parameters["atml_unqualified"].string_value == "F1 below 0.8"
    assert found.parameters["atml_synthetic_data"].string_value == "yes"
    labels = (tmp_path / "m" / "labels.txt").read_text(encoding="utf-8")
    assert labels.splitlines() == ['say "no"', "\N{GREEK SMALL LETTER MU}\\V"]


def test_ours_is_replaced_and_what_is_not_is_kept(tmp_path: Path) -> None:
    models = {"a": load(AFIB), "b": load(SHOCK)}
    triton.write(models, tmp_path)
    (tmp_path / "a" / "left over").write_text("x")
    (tmp_path / "other").mkdir()
    triton.write(models, tmp_path, instances=3)
    assert not (tmp_path / "a" / "left over").exists() and (tmp_path / "other").is_dir()
    assert parsed(tmp_path / "b").instance_group[0].count == 3
    (tmp_path / "b" / "config.pbtxt").write_text('name: "b"\n')
    before = (tmp_path / "a" / "config.pbtxt").stat().st_mtime_ns
    done = run(tmp_path, "triton", f"a={AFIB}", f"b={SHOCK}", "--out", ".")
    assert done.returncode == 2 and done.stderr.startswith("atml: b was not written by atml; name another")
    assert len(done.stderr.splitlines()) == 1
    assert (tmp_path / "a" / "config.pbtxt").stat().st_mtime_ns == before
    assert run(tmp_path, "triton", f"b={SHOCK}", "--out", ".", "--force").returncode == 0
    assert parsed(tmp_path / "b").name == "b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "other"]


def test_what_can_not_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"a": load(AFIB), "b": load(SHOCK)}
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*repo can't be written: "):
        triton.write(models, tmp_path / "file" / "repo")
    triton.write({"a": models["a"]}, tmp_path / "repo")
    before = (tmp_path / "repo" / "a" / "config.pbtxt").read_bytes()
    kept = Path.rename

    def full(self: Path, target: Path) -> Path:
        if target == tmp_path / "repo" / "b":
            raise OSError(28, "No space left on device")
        return kept(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match="No space left on device"):
        triton.write(models, tmp_path / "repo", instances=9)
    with pytest.raises(InputError, match="No space left on device"):
        shutil.rmtree(tmp_path / "repo")
        triton.write({"b": models["b"]}, tmp_path / "repo")
    assert not (tmp_path / "repo").exists()
    monkeypatch.undo()
    triton.write({"a": models["a"]}, tmp_path / "repo")
    assert (tmp_path / "repo" / "a" / "config.pbtxt").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((AFIB,), "missing option '--out'"),
        (("nothing", "--out", "x"), "nothing does not exist"),
        ((AFIB, "--out", "x", "--instances", "0"), "--instances 0: must be 1 or more"),
        ((AFIB, AFIB, "--out", "x"), "are both called"),
    ],
)
def test_bad_arguments(tmp_path: Path, arguments: tuple[object, ...], said: str) -> None:
    done = run(tmp_path, "triton", *arguments)
    assert done.returncode == 2 and said in done.stderr.lower() and len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
