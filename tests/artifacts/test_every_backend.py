"""What holds for every form of export, over all in `BACKENDS` and one that a user adds."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from atml.artifacts.backends import BACKENDS, backend
from atml.artifacts.export import check_parity, export
from atml.artifacts.model import CARD, CONFIG, METRICS, MODEL
from atml.errors import ExportError, ParityError
from atml.models import build
from atml.models.config import ModelConfig
from atml.tasks.task import Task

TASKS = (
    Task(name="b", classes=("other", "AF"), positive=1, sampling_rate=50, window=100),
    Task(name="m", kind="multiclass", classes=("N", "AF", "O"), sampling_rate=50, window=100, leads=2),
)
CONFIG_OF = ModelConfig(channels=(4, 4), kernels=(5, 3), strides=(2, 2), cell="lstm", units=3)


class Packed:
    """A user's own: the ONNX file, packed."""

    name, file_name = "packed", "model.onnx.gz"

    def write(self, net, task, metadata):
        return gzip.compress(backend("onnx").write(net, task, metadata), mtime=0)

    def run(self, model, x):
        return backend("onnx").run(gzip.decompress(model), x)


class Coarse(Packed):
    """One that loses something on the way."""

    name, file_name = "coarse", "model.coarse"

    def run(self, model, x):
        return np.round(super().run(model, x), 1)


@pytest.fixture(autouse=True)
def _added(monkeypatch):
    monkeypatch.setitem(BACKENDS, "packed", Packed())


@pytest.fixture(params=["onnx", "packed"])
def form(request):
    return BACKENDS[request.param]


def windows(task, n=40):
    return np.random.default_rng(0).normal(size=(n, task.leads, task.window)).astype(np.float32)


def test_names_and_files_are_their_own():
    assert all(name == one.name for name, one in BACKENDS.items())
    files = [one.file_name for one in BACKENDS.values()]
    assert len(set(files)) == len(files) and not {CONFIG, METRICS, CARD} & set(files)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_it_computes_what_torch_computes_and_writes_the_same_again(form, task):
    net, x = build(CONFIG_OF, task).eval(), windows(task)
    model = form.write(net, task, {"study": "µ"})
    assert model == form.write(net, task, {"study": "µ"})
    assert model != form.write(net, task, {"study": "another"})
    assert check_parity(model, net, x, task, run=form.run).worst < 1e-4
    assert form.run(model, x[:1]).shape == (1, len(task.classes))
    np.testing.assert_allclose(form.run(model, x[5:9]), form.run(model, x)[5:9], atol=1e-5)


def test_an_export_has_the_files_that_were_asked_for(make, tmp_path):
    got = export(make.net(), make.record(), make.dataset().x, root=tmp_path, also=["packed"])
    names = {path.name for path in got.folder.iterdir()}
    assert names == {MODEL, CONFIG, METRICS, CARD, "model.onnx.gz"}
    packed = (got.folder / "model.onnx.gz").read_bytes()
    assert gzip.decompress(packed) == got.model and struct.unpack("<I", packed[4:8]) == (0,)


def test_one_that_disagrees_or_is_unknown_exports_nothing(make, tmp_path, monkeypatch):
    monkeypatch.setitem(BACKENDS, "coarse", Coarse())
    with pytest.raises(ParityError, match="nothing was exported"):
        export(make.net(), make.record(), make.dataset().x, root=tmp_path, also=["coarse"])
    with pytest.raises(ExportError, match="no backend 'elf'; an export is written as one of onnx, packed"):
        export(make.net(), make.record(), make.dataset().x, root=tmp_path, also=["elf"])
    assert list(tmp_path.iterdir()) == []
