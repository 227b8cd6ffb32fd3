"""The Open Inference Protocol, version 2, in JSON: what is asked, what a model is, what is answered.

Source: https://github.com/kserve/open-inference-protocol, ``inference_rest.md``. Each model has one input,
`INPUT` (FP32, ``[-1, leads, samples]``: windows) or `PAGE` (FP32 or UINT8, ``[-1, 3, rows, columns]``: pages
of 0 to 255), and the outputs of `outputs_of`.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from atml.data.rates import Rate, rate_of, shown
from atml.errors import DataError
from atml.library.decisions import named
from atml.library.recordings import fits
from atml.metrics.label_sets import truth
from atml.serving.decisions import UNDECIDED, Decided
from atml.serving.http import Refused, as_json
from atml.tasks.task import MULTILABEL, Task

PAGE = "page"
INPUT, LOGITS, LABEL, CLASS, QUALITY = "ecg", "logits", "label", "class", "quality"
"""Names of tensors."""

PLATFORM = "onnxruntime_onnx"
VERSION = "1"
"""The one version that every model has."""

GOOD, FLAT, SATURATED, BLANK = "good", "flat", "saturated", "blank"
"""What `QUALITY` says of a window, `BLANK` of a page; only good ones are decided."""

SAMPLING_RATE = "sampling_rate"
"""Parameter of a request or of its input: Hz of the windows, where that is not the model's."""

LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Asked:
    """What a request asks for: ``windows (n, leads, samples)`` at ``rate`` Hz, or pages, and its outputs."""

    windows: npt.NDArray[np.float64]
    rate: Rate
    id: str | None
    outputs: tuple[str, ...]


def outputs_of(task: Task) -> dict[str, dict[str, Any]]:
    """Return the outputs of a model by name, as its metadata has them; ``-1`` is the number of windows.

    Where several labels may be true at once `LABEL` holds 1 or 0 for each, and `CLASS` their names with "+".

    Example:
        >>> task = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
        >>> [(name, of["datatype"], of["shape"]) for name, of in outputs_of(task).items()]
        [('logits', 'FP32', [-1, 2]), ('label', 'INT64', [-1]), ('class', 'BYTES', [-1]),
        ('quality', 'BYTES', [-1])]
    """
    kinds = {LOGITS: ("FP32", [-1, len(task.classes)]), LABEL: ("INT64", [-1]), CLASS: ("BYTES", [-1])}
    if task.kind == MULTILABEL:
        kinds[LABEL] = ("INT64", [-1, len(task.classes)])
    kinds[QUALITY] = ("BYTES", [-1])
    return {name: {"name": name, "datatype": kind, "shape": shape} for name, (kind, shape) in kinds.items()}


def input_of(task: Task) -> str:
    """Name the input of a model."""
    return INPUT if task.picture is None else PAGE


def metadata(name: str, task: Task, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of a model; ``facts`` go into its parameters beside classes and rate."""
    window = {"name": input_of(task), "datatype": "FP32", "shape": [-1, *task.shape]}
    if task.picture is None:
        size: dict[str, Any] = {SAMPLING_RATE: task.sampling_rate, "seconds": task.seconds}
    else:
        size = {"colours": ["red", "green", "blue"], "black": 0, "white": 255}
    return {
        "name": name,
        "versions": [VERSION],
        "platform": PLATFORM,
        "inputs": [window],
        "outputs": list(outputs_of(task).values()),
        "parameters": {
            "classes": list(task.classes),
            **size,
            # Each window lies round one beat, so many seconds before its end.
            **({"after_beat": task.after_beat} if task.around_beats else {}),
            **facts,
        },
    }


def asked(body: bytes, task: Task) -> Asked:
    """Read the body of a request for a model.

    Raises Refused (400), which says what is wrong and what the model takes.

    Example:
        >>> task = Task(name="t", classes=("a", "b"), positive=1, sampling_rate=2, window=4)
        >>> tensor = b'{"name": "ecg", "shape": [1, 1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}'
        >>> asked(b'{"inputs": [%b]}' % tensor, task).windows.tolist()
        [[[1.0, 2.0, 3.0, 4.0]]]
    """
    request = _object(_parsed(body), "the request")
    given = request.get("id")
    if given is not None and not isinstance(given, str):
        raise Refused(400, f"id is {_brief(given)}; give a string")
    inputs = request.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1:
        raise Refused(400, f"inputs is {_brief(inputs)}; give a list of one tensor, {input_of(task)!r}")
    tensor = _object(inputs[0], "the input")
    if tensor.get("name") != input_of(task):
        raise Refused(
            400, f"the input is called {_brief(tensor.get('name'))}; the model takes {input_of(task)!r}"
        )
    types = ("FP32",) if task.picture is None else ("FP32", "UINT8")
    if tensor.get("datatype") not in types:
        takes = " or ".join(map(repr, types))
        raise Refused(400, f"the datatype is {_brief(tensor.get('datatype'))}; the model takes {takes}")
    rate = _rate(task, request, tensor)
    shape = _shape(tensor.get("shape"), task, rate)
    if "data" not in tensor:
        raise Refused(400, "the input has no data; binary tensors are not read, send JSON")
    return Asked(_values(tensor["data"], shape), rate, given, _outputs(request.get("outputs"), task))


def answered(name: str, wanted: Asked, found: Decided, task: Task) -> bytes:
    """Write the answer to a request.

    Raises Refused (400) where the network gives no number for a window, whose samples are too large then.
    """
    finite = np.isfinite(found.logits).all(axis=1)
    if not finite.all():
        window = int(np.flatnonzero(~finite)[0])
        raise Refused(
            400, f"the network has no finite logits for window {window}; are its samples too large?"
        )
    labels, classes = _decided(found, task)
    nothing = FLAT if task.picture is None else BLANK
    quality = np.select([found.flat, found.saturated], [nothing, SATURATED], GOOD)
    data: dict[str, list[Any]] = {
        LOGITS: found.logits.ravel().tolist(),
        LABEL: labels,
        CLASS: classes,
        QUALITY: quality.tolist(),
    }
    outputs = []
    for key, tensor in outputs_of(task).items():
        if key in wanted.outputs:
            shape = [len(found.labels), *tensor["shape"][1:]]
            outputs.append({**tensor, "shape": shape, "data": data[key]})
    return as_json(
        {
            "model_name": name,
            "model_version": VERSION,
            **({} if wanted.id is None else {"id": wanted.id}),
            **({"parameters": {"warning": found.note}} if found.note else {}),
            "outputs": outputs,
        }
    )


def _decided(found: Decided, task: Task) -> tuple[list[int], list[str]]:
    """Return what `LABEL` and `CLASS` hold."""
    if task.kind == MULTILABEL:
        none = found.labels == UNDECIDED
        each = truth(found.labels, len(task.classes)).astype(np.int64)
        each[none] = UNDECIDED
        return each.ravel().tolist(), np.where(none, "", named(found.labels, task)).tolist()
    classes = (*task.classes, "")  # the last is that of UNDECIDED
    assert UNDECIDED == -1
    return found.labels.tolist(), [classes[label] for label in found.labels]


def _parsed(body: bytes) -> Any:
    def none(text: str) -> Any:
        raise Refused(400, f"{text} is no JSON; leave out windows with missing samples")

    try:
        return json.loads(body, parse_constant=none)
    except RecursionError:
        raise Refused(400, "the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(400, f"the body is no JSON: {str(error)[:200]}") from None


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(400, f"{what} is {_brief(value)}; give a JSON object")
    return value


def _brief(value: Any) -> str:
    """Write a value of JSON in a few letters."""
    if isinstance(value, list | dict):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)}"
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rate(task: Task, *places: dict[str, Any]) -> Rate:
    """Return the rate that a request or its input names, the model's where neither does."""
    for place in places:
        parameters = place.get("parameters")
        if parameters is None:
            continue
        parameters = _object(parameters, "parameters")
        if parameters.get("binary_data") or parameters.get("binary_data_output"):
            raise Refused(400, "binary tensors are neither read nor written; ask for JSON")
        hz = parameters.get(SAMPLING_RATE)
        if hz is None:
            continue
        if isinstance(hz, bool) or not isinstance(hz, int | float) or not 1 <= hz <= 1e6:
            raise Refused(400, f"{SAMPLING_RATE} is {_brief(hz)}; give Hz, 1 to 1,000,000")
        return rate_of(float(hz))
    return task.sampling_rate


def _shape(shape: Any, task: Task, rate: Rate) -> tuple[int, ...]:
    fine = (
        isinstance(shape, list)
        and len(shape) == 1 + len(task.shape)
        and all(type(size) is int and 0 <= size <= LARGEST for size in shape)
        and (fits(shape[1], shape[2], task, rate) if task.picture is None else tuple(shape[1:]) == task.shape)
    )
    if not fine:
        text = str(shape) if isinstance(shape, list) and len(str(shape)) <= 60 else _brief(shape)
        if task.picture is not None:
            sizes = ", ".join(map(str, task.shape))
            raise Refused(400, f"the shape is {text}; the model takes pages of [n, {sizes}]")
        samples = float(task.window * rate / task.sampling_rate)
        other = "" if rate != task.sampling_rate else f" (parameters.{SAMPLING_RATE} names another rate)"
        raise Refused(
            400,
            f"the shape is {text}; the model takes [n, {task.leads}, {samples:g}] at {shown(rate)} Hz{other}",
        )
    return tuple(shape)


def _values(data: Any, shape: Sequence[int]) -> npt.NDArray[np.float64]:
    """Return a tensor of numbers that are given flat, or nested as its shape says."""
    count = math.prod(shape)
    if not isinstance(data, list):
        raise Refused(400, f"data is {_brief(data)}; give a list of numbers")
    for depth, size in enumerate(shape[1:]):
        if not data or type(data[0]) is not list:
            break
        whole = len(data) == math.prod(shape[: depth + 1])
        if not whole or set(map(type, data)) != {list} or set(map(len, data)) != {size}:
            raise Refused(400, f"data is not nested as its shape {list(shape)} says")
        data = list(itertools.chain.from_iterable(data))
    if not set(map(type, data)) <= {int, float}:
        odd = next(one for one in data if type(one) not in (int, float))
        what = "null" if odd is None else "true or false" if isinstance(odd, bool) else _brief(odd)
        raise Refused(400, f"data holds {what}; give numbers, nested as the shape says or flat")
    if len(data) != count:
        raise Refused(400, f"data holds {len(data):,} numbers; the shape {list(shape)} has {count:,}")
    try:
        return np.array(data, np.float64).reshape(shape)
    except OverflowError:
        raise Refused(400, "data holds a number that is too large") from None


def _outputs(outputs: Any, task: Task) -> tuple[str, ...]:
    known = outputs_of(task)
    if outputs is None or outputs == []:
        return tuple(known)
    if not isinstance(outputs, list):
        raise Refused(400, f"outputs is {_brief(outputs)}; give a list of objects with a name")
    names = []
    for one in outputs:
        tensor = _object(one, "an output")
        _rate(task, {"parameters": tensor.get("parameters")})
        name = tensor.get("name")
        if not isinstance(name, str) or name not in known:
            raise Refused(400, f"there is no output {_brief(name)}; there are {', '.join(known)}")
        names.append(name)
    return tuple(names)


def in_words(error: DataError) -> str:
    """Say what the library refuses, in the words of a request.

    Example:
        >>> in_words(DataError("window 0 of x has the sample inf; leave out the 1 windows"))
        'window 0 has the sample inf; leave out the 1 windows'
    """
    return str(error).replace(" of x ", " ", 1)
