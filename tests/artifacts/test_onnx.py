import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from atml.artifacts.backends.onnx import graph
from atml.errors import AtmlError
from atml.models import blocks
from atml.models.config import ModelConfig
from atml.models.families.conv_recurrent import shapes
from atml.tasks.task import Task
from tests.lively import lively

# Of windows round beats, which one way to normalise asks for and all others take as well.
TASK = Task(name="tiny", classes=("no", "yes"), positive=1, sampling_rate=50, window=125, after_beat=1.0)
SMALL = ModelConfig(channels=(4, 6), kernels=(5, 4), strides=(2, 1), units=3)


def ecg(n, task=TASK, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.normal(0.3, 1.7, (n, task.leads, task.window))).astype(np.float32)


def outputs(model, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(["logits"], {"ecg": x})[0]


def check(config, task=TASK):
    net = lively(config, task)
    model = graph(net, task)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    x = ecg(7, task)
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(outputs(model, x), expected, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(outputs(model, x[:1]), expected[:1], atol=1e-5, rtol=1e-5)
    return net, model


def changed(**fields):
    return dataclasses.replace(SMALL, **fields)


@pytest.mark.parametrize("norm", blocks.NORM)
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("activation", blocks.ACTIVATION)
def test_convolutions(norm, separable, activation):
    check(changed(norm=norm, separable=separable, activation=activation))


@pytest.mark.parametrize("cell", ["none", *blocks.CELL])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("pool", shapes.POOLS)
def test_cells_and_pools(cell, bidirectional, layers, pool):
    check(changed(cell=cell, bidirectional=bidirectional, layers=layers, pool=pool))


@pytest.mark.parametrize("normalise", shapes.NORMALISATIONS)
@pytest.mark.parametrize("decimation", [1, 3])
@pytest.mark.parametrize("leads", [1, 2])
def test_preprocessing(normalise, decimation, leads):
    task = dataclasses.replace(TASK, leads=leads)
    _, model = check(changed(normalise=normalise, decimation=decimation), task)
    x = ecg(2, task)
    loud = outputs(model, np.float32(x * 8 + 3))
    alike = np.allclose(loud, outputs(model, x), atol=1e-4)
    assert alike == (normalise in ("zscore", "maxabs", "rr", "beat"))


def test_a_flat_segment_is_no_nan():
    for normalise in shapes.NORMALISATIONS:
        model = graph(lively(changed(normalise=normalise), TASK), TASK)
        assert np.isfinite(outputs(model, np.full((1, 1, 125), 0.25, np.float32))).all()


@pytest.mark.parametrize("normalise", shapes.NORMALISATIONS)
def test_a_window_without_a_number_gets_none(normalise):
    """Relu makes a 0 of NaN: without the mark such windows have one fixed, finite decision."""
    task = dataclasses.replace(TASK, leads=2)
    _, model = check(changed(normalise=normalise, cell="lstm"), task)
    x = ecg(6, task)
    clean = outputs(model, x)
    for row, value in ((1, np.nan), (3, np.inf), (4, -np.inf)):
        x[row, 1, 7] = value
    found = outputs(model, x)
    assert np.isnan(found[[1, 3, 4]]).all()
    np.testing.assert_array_equal(found[[0, 2, 5]], clean[[0, 2, 5]])


def test_without_convolutions_and_with_more_classes():
    task = dataclasses.replace(TASK, classes=("a", "b", "c", "d"))
    check(ModelConfig(channels=(), kernels=(), strides=(), cell="lstm", units=5, decimation=5), task)


@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize("normalise", ["none", "zscore"])
def test_upright_and_upside_down_are_one(normalise, leads):
    task = dataclasses.replace(TASK, leads=leads)
    _, model = check(changed(upright=True, normalise=normalise), task)
    x = np.float32(ecg(4, task) ** 3)  # cubes are skewed
    np.testing.assert_allclose(outputs(model, -x), outputs(model, x), atol=1e-6)
    each = x * np.array([1, -1][:leads], np.float32)[:, None]  # lead by lead
    np.testing.assert_allclose(outputs(model, each), outputs(model, x), atol=1e-6)


@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize(("decimation", "patch"), [(1, 5), (2, 7), (3, 4)])
def test_patches(decimation, patch, leads):
    cell = {"cell": "gru", "units": 4, "bidirectional": True}
    config = ModelConfig(channels=(), kernels=(), strides=(), decimation=decimation, patch=patch, **cell)
    check(config, dataclasses.replace(TASK, leads=leads))


def test_the_file_is_lean():
    net, model = check(changed(cell="lstm", bidirectional=True, pool="last"))
    assert [node.op_type for node in model.graph.node] == [
        *("ReduceMean", "Sub", "Mul", "ReduceMean", "Sqrt", "Add", "Div"),
        *("Conv", "Relu", "Conv", "Relu", "Transpose", "LSTM", "Transpose", "Reshape", "Gemm"),
        *("ReduceMean", "Gemm"),
    ]
    assert not any(
        t.external_data or t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer
    )
    stored = sum(numpy_helper.to_array(t).size for t in model.graph.initializer)
    # Each batch norm's four values a channel became one bias; zeros of a lead and two classes mark NaN.
    assert stored == sum(p.numel() for p in net.parameters()) - (4 + 6) + len(["epsilon"]) + len([0, 6]) + 2
    dims = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["n", 1, 125]
    assert (model.ir_version, model.opset_import[0].version, model.producer_name) == (7, 13, "atml")


def test_metadata_travels():
    model = graph(lively(SMALL, TASK), TASK, metadata={"classes": '["no","yes"]', "odd": "µ ∆"})
    reread = onnx.load_from_string(model.SerializeToString())
    assert {p.key: p.value for p in reread.metadata_props} == {"classes": '["no","yes"]', "odd": "µ ∆"}


def test_gate_order_matters():
    """The comparison with torch would notice two swapped gates."""
    _, model = check(changed(cell="gru", pool="mean"))
    swapped = onnx.ModelProto()
    swapped.CopyFrom(model)
    for tensor in swapped.graph.initializer:
        if tensor.name.startswith("gru1.") and tensor.name != "gru1.bias":
            array = numpy_helper.to_array(tensor)
            z, r, h = np.split(array, 3, axis=1)
            tensor.CopyFrom(numpy_helper.from_array(np.concatenate([r, z, h], 1), tensor.name))
    x = ecg(7)
    assert np.abs(outputs(swapped, x) - outputs(model, x)).max() > 1e-3


@pytest.mark.parametrize("part", ["norm", "activation"])
def test_a_layer_without_onnx_form_is_named(part):
    net = lively(SMALL, TASK)
    setattr(net.convs[0], part, torch.nn.Softshrink())
    with pytest.raises(AtmlError, match="Softshrink has no ONNX form"):
        graph(net, TASK)
