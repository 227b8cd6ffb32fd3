"""Models of pages in the protocol: what they take, what is refused, a 1 or 0 for each label."""

from __future__ import annotations

import json

import numpy as np
import pytest

from atml.serving import protocol
from atml.serving.decisions import UNDECIDED, Decided
from atml.serving.http import Refused
from atml.tasks.task import Task

TASK = Task(name="p", kind="multilabel", classes=("AF", "PVC", "RBBB"), picture=(2, 4), leads=3)


def request(**changes: object) -> bytes:
    tensor = {"name": "page", "datatype": "UINT8", "shape": [1, 3, 2, 4], "data": [7] * 24, **changes}
    return json.dumps({"inputs": [tensor]}).encode()


def test_metadata_names_pages() -> None:
    told = protocol.metadata("m", TASK, {})
    assert told["inputs"] == [{"name": "page", "datatype": "FP32", "shape": [-1, 3, 2, 4]}]
    assert "sampling_rate" not in told["parameters"] and told["parameters"]["white"] == 255
    assert {one["name"]: one["shape"] for one in told["outputs"]}["label"] == [-1, 3]


@pytest.mark.parametrize("datatype", ["UINT8", "FP32"])
def test_pages_are_read_in_both_types(datatype: str) -> None:
    assert protocol.asked(request(datatype=datatype), TASK).windows.shape == (1, 3, 2, 4)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "ecg"}, "takes 'page'"),
        ({"datatype": "INT64"}, "takes 'FP32' or 'UINT8'"),
        ({"shape": [1, 3, 8]}, r"takes pages of \[n, 3, 2, 4\]"),
        ({"shape": [1, 3, 4, 2]}, r"takes pages of \[n, 3, 2, 4\]"),
    ],
)
def test_what_is_no_page_is_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(Refused, match=says):
        protocol.asked(request(**changes), TASK)


def test_an_answer_has_a_decision_a_label_and_none_of_a_blank_page() -> None:
    logits = np.array([[1.0, -1.0, 2.0], [-1.0, -1.0, -1.0], [5.0, 5.0, 5.0]], np.float32)
    blank = np.array([False, False, True])
    found = Decided(logits, np.array([5, 0, UNDECIDED]), blank, np.zeros(3, np.bool_), "")
    asked = protocol.asked(request(shape=[1, 3, 2, 4]), TASK)
    told = {one["name"]: one for one in json.loads(protocol.answered("m", asked, found, TASK))["outputs"]}
    assert told["label"]["shape"] == [3, 3]
    assert told["label"]["data"] == [1, 0, 1, 0, 0, 0, -1, -1, -1]
    assert told["class"]["data"] == ["AF+RBBB", "none", ""]
    assert told["quality"]["data"] == ["good", "good", "blank"]
