"""What the Open Inference Protocol promises, and that what is not right is refused in words."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

import atml
from tests.serving.conftest import Running, tensor, windows


def test_the_server_says_what_it_is(served: Running) -> None:
    assert served.ask("GET", "/v2")[:2] == (
        200,
        {"name": "atml", "version": atml.__version__, "extensions": ["model_repository"]},
    )
    assert served.ask("GET", "/v2/")[0] == 200
    assert served.ask("GET", "/v2/health/live")[:2] == (200, {"live": True})
    assert served.ask("GET", "/v2/health/ready")[:2] == (200, {"ready": True})
    assert served.ask("GET", "/v2/models/shock/ready")[:2] == (200, {"name": "shock", "ready": True})
    status, index, _ = served.ask("POST", "/v2/repository/index", b"")
    assert status == 200
    assert [(one["name"], one["version"], one["state"]) for one in index] == [
        ("af", "1", "READY"),
        ("shock", "1", "READY"),
    ]


def test_a_model_says_what_it_takes_and_gives(served: Running) -> None:
    status, found, _ = served.ask("GET", "/v2/models/af")
    assert status == 200
    assert (found["name"], found["versions"], found["platform"]) == ("af", ["1"], "onnxruntime_onnx")
    assert found["inputs"] == [{"name": "ecg", "datatype": "FP32", "shape": [-1, 1, 1250]}]
    assert [(one["name"], one["datatype"], one["shape"]) for one in found["outputs"]] == [
        ("logits", "FP32", [-1, 2]),
        ("label", "INT64", [-1]),
        ("class", "BYTES", [-1]),
        ("quality", "BYTES", [-1]),
    ]
    assert found["parameters"]["classes"] == ["other", "AF"]
    assert found["parameters"]["sampling_rate"] == 250
    assert served.ask("GET", "/v2/models/af/versions/1")[1] == found


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("count", [1, 3, 16])
def test_answers_are_those_of_the_library_to_the_bit(
    served: Running, model: atml.Model, count: int, nested: bool
) -> None:
    x = windows(count, seed=count)
    status, found, _ = served.infer({"id": "a1", "inputs": [tensor(x, nested=nested)]})
    assert status == 200, found
    assert (found["model_name"], found["model_version"], found["id"]) == ("af", "1", "a1")
    logits, label, names, quality = found["outputs"]
    assert (logits["name"], logits["datatype"], logits["shape"]) == ("logits", "FP32", [count, 2])
    expected = model.logits(x)
    assert np.array_equal(np.array(logits["data"], np.float32).reshape(-1, 2), expected)
    assert (label["name"], label["datatype"], label["shape"]) == ("label", "INT64", [count])
    assert label["data"] == model.labels(x).tolist()
    assert names["data"] == model.predict(x).tolist() and names["datatype"] == "BYTES"
    assert quality["data"] == ["good"] * count


def test_more_windows_than_a_block_of_the_library(served: Running) -> None:
    x = windows(300, 500)
    found = served.infer({"inputs": [tensor(x.round(2))]}, "shock")[1]
    model = atml.load(served.inference.models["shock"].exported.path.parent)
    assert np.array_equal(
        np.array(found["outputs"][0]["data"], np.float32).reshape(-1, 2), model.logits(x.round(2))
    )


def test_windows_at_another_rate_are_resampled(served: Running, model: atml.Model) -> None:
    x = windows(2, 640)
    for place in ("request", "input"):
        named = {"parameters": {"sampling_rate": 128}}
        request = {"inputs": [tensor(x, **(named if place == "input" else {}))]}
        status, found, _ = served.infer({**request, **(named if place == "request" else {})})
        assert status == 200, found
        logits = np.array(found["outputs"][0]["data"], np.float32).reshape(-1, 2)
        assert np.array_equal(logits, model.logits(x, 128))


def test_flat_and_saturated_windows_are_left_undecided_as_in_a_recording(
    served: Running, model: atml.Model
) -> None:
    wave = 3 * np.sin(np.arange(1250) / 20)
    x = np.stack([wave, 0 * wave, wave.clip(-1, 1)])[:, None]
    found = served.infer({"inputs": [tensor(x)]})[1]
    label, names, quality = (one["data"] for one in found["outputs"][1:])
    assert quality == ["good", "flat", "saturated"]
    assert label[1:] == [-1, -1] and names[1:] == ["", ""]
    alone = [model.decide_recording(one)[0]["decision"][0] for one in x]
    assert [name or None for name in names] == alone


def test_chosen_outputs_and_no_windows(served: Running) -> None:
    request = {"inputs": [tensor(windows())], "outputs": [{"name": "class"}]}
    assert [one["name"] for one in served.infer(request)[1]["outputs"]] == ["class"]
    none = {"name": "ecg", "shape": [0, 1, 1250], "datatype": "FP32", "data": []}
    status, found, _ = served.infer({"inputs": [none]})
    assert status == 200
    assert [(one["shape"], one["data"]) for one in found["outputs"]] == [([0, 2], []), *([([0], [])] * 3)]


def test_a_unit_that_may_be_another_is_told(served: Running) -> None:
    """A file of this version knows how large signals were; those of earlier ones don't."""
    from atml.artifacts.seen import Amplitude

    shock = served.inference.models["shock"]
    x = windows(2, 500)
    assert "parameters" not in served.infer({"inputs": [tensor(x)]}, "shock")[1]
    kept = shock.exported
    try:
        import dataclasses

        shock.exported = dataclasses.replace(kept, amplitude=Amplitude(1, 2, 3))
        found = served.infer({"inputs": [tensor(1000 * x)]}, "shock")[1]
    finally:
        shock.exported = kept
    assert "another unit?" in found["parameters"]["warning"]


GOOD = tensor(windows())
WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "the body is no JSON"),
    "no JSON": (b"{'inputs': 1}", "the body is no JSON"),
    "no UTF-8": (b'{"id": "\xff"}', "the body is no JSON"),
    "a list": ([1], "the request is a list of 1; give a JSON object"),
    "too deep": (b"[" * 100_000, "nested too deeply"),
    "no inputs": ({}, "inputs is missing"),
    "two inputs": ({"inputs": [GOOD, GOOD]}, "inputs is a list of 2; give a list of one tensor, 'ecg'"),
    "a number for an input": ({"inputs": [3]}, "the input is 3; give a JSON object"),
    "another name": ({"inputs": [{**GOOD, "name": "x"}]}, "the input is called 'x'; the model takes 'ecg'"),
    "INT8": ({"inputs": [{**GOOD, "datatype": "INT8"}]}, "the datatype is 'INT8'; the model takes 'FP32'"),
    "no datatype": ({"inputs": [{**GOOD, "datatype": None}]}, "the datatype is missing"),
    "no shape": ({"inputs": [{**GOOD, "shape": None}]}, "the shape is missing; the model takes [n, 1, 1250]"),
    "two dimensions": ({"inputs": [{**GOOD, "shape": [1, 1250]}]}, "the shape is [1, 1250]; the model takes"),
    "a short window": ({"inputs": [tensor(windows(1, 1249))]}, "the shape is [1, 1, 1249]"),
    "shape of true": ({"inputs": [{**GOOD, "shape": [True, 1, 1250]}]}, "the shape is [True, 1, 1250]"),
    "negative": ({"inputs": [{**GOOD, "shape": [-1, 1, 1250]}]}, "the shape is [-1, 1, 1250]"),
    "enormous": ({"inputs": [{**GOOD, "shape": [10**12, 1, 1250]}]}, "the shape is [1000000000000, 1, 1250]"),
    "very many": ({"inputs": [{**GOOD, "shape": [10**9, 1, 1250]}]}, "data holds 1,250 numbers; the shape"),
    "fewer numbers": ({"inputs": [{**GOOD, "shape": [2, 1, 1250]}]}, "data holds 1,250 numbers"),
    "no data": ({"inputs": [{k: v for k, v in GOOD.items() if k != "data"}]}, "the input has no data"),
    "text for data": ({"inputs": [{**GOOD, "data": "AAAA"}]}, "data is 'AAAA'; give a list of numbers"),
    "text in data": ({"inputs": [{**GOOD, "data": ["1.0"] * 1250}]}, "data holds '1.0'; give numbers"),
    "null in data": ({"inputs": [{**GOOD, "data": [None] * 1250}]}, "data holds null; give numbers"),
    "true in data": ({"inputs": [{**GOOD, "data": [True] * 1250}]}, "data holds true or false"),
    "unevenly nested": (
        {"inputs": [{**GOOD, "shape": [2, 1, 1250], "data": [[[0.1] * 1249], [[0.1] * 1251]]}]},
        "data is not nested as its shape [2, 1, 1250] says",
    ),
    "half nested": ({"inputs": [{**GOOD, "data": [[[0.1] * 1250], 1]}]}, "data is not nested as its shape"),
    "NaN": (json.dumps({"inputs": [tensor(windows() * np.nan)]}).encode(), "NaN is no JSON"),
    "Infinity": (json.dumps({"inputs": [tensor(windows() * np.inf)]}).encode(), "Infinity is no JSON"),
    "1e999": (
        re.sub(rb'"data": \[[^,]+,', b'"data": [1e999,', json.dumps({"inputs": [GOOD]}).encode()),
        "window 0 has the sample inf; leave out the 1 windows",
    ),
    "beyond a converter": (
        {"inputs": [tensor(windows() * 1e12)]},
        "leave out the 1 windows with missing or infinite samples",
    ),
    "an integer beyond a float": (
        {"inputs": [{**GOOD, "data": [10**400] * 1250}]},
        "data holds a number that is too large",
    ),
    "an integer of 5,000 digits": (
        b'{"inputs": [{"name": "ecg", "datatype": "FP32", "data": [%b]}]}' % (b"9" * 5000),
        "the body is no JSON",
    ),
    "a rate of 0": ({"parameters": {"sampling_rate": 0}, "inputs": [GOOD]}, "sampling_rate is 0; give Hz"),
    "a rate in words": ({"parameters": {"sampling_rate": "x"}, "inputs": [GOOD]}, "sampling_rate is 'x'"),
    "another rate than the length says": (
        {"parameters": {"sampling_rate": 128}, "inputs": [GOOD]},
        "the model takes [n, 1, 640] at 128 Hz",
    ),
    "parameters of 3": ({"parameters": 3, "inputs": [GOOD]}, "parameters is 3; give a JSON object"),
    "binary": (
        {"inputs": [{**GOOD, "parameters": {"binary_data_size": 5000, "binary_data": True}}]},
        "binary tensors are neither read nor written",
    ),
    "an id of 5": ({"id": 5, "inputs": [GOOD]}, "id is 5; give a string"),
    "an unknown output": (
        {"inputs": [GOOD], "outputs": [{"name": "x"}]},
        "there is no output 'x'; there are logits, label, class, quality",
    ),
    "outputs by name": (
        {"inputs": [GOOD], "outputs": ["logits"]},
        "an output is 'logits'; give a JSON object",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be_answered_is_refused_in_one_line(served: Running, name: str) -> None:
    request, words = WRONG[name]
    status, found, _ = served.infer(request)
    assert status == 400 and list(found) == ["error"]
    assert words in found["error"] and "\n" not in found["error"] and len(found["error"]) < 300
    assert served.infer({"inputs": [GOOD]})[0] == 200


def test_other_addresses_and_methods(served: Running) -> None:
    status, found, _ = served.infer({"inputs": [GOOD]}, "nobody")
    assert (status, found["error"]) == (404, "there is no model 'nobody'; there are: af, shock")
    assert served.ask("GET", "/v2/models/af/versions/2")[0] == 404
    assert served.ask("GET", "/v2/models/af/versions")[0] == 404
    assert served.ask("GET", "/")[0] == served.ask("GET", "/v1/models/af:predict")[0] == 404
    status, found, headers = served.ask("GET", "/v2/models/af/infer")
    assert (status, headers["Allow"], found["error"]) == (
        405,
        "POST",
        "GET is not answered here; use POST",
    )
    assert served.ask("PUT", "/v2/models/af", b"{}")[0] == 405
    header = {"Inference-Header-Content-Length": "10"}
    assert served.infer({"inputs": [GOOD]}, headers=header)[0] == 400


def test_versions_in_the_address(served: Running) -> None:
    body = json.dumps({"inputs": [GOOD]}).encode()
    assert served.ask("POST", "/v2/models/af/versions/1/infer", body)[0] == 200
    assert served.ask("POST", "/v2/models/af/versions/7/infer", body)[0] == 404
