"""A task of three classes: decided, described and written for Triton as the library decides it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import atml
from atml.artifacts.model import load
from atml.serving import inference, triton
from atml.serving.decisions import Served
from tests import untrained
from tests.serving.conftest import tensor


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("rhythm")
    plan = untrained.plan(where, "rhythm")
    untrained.add(plan, 0.5, origin="default")
    untrained.export(untrained.finals(plan, repeats=0))
    plan.store.close()
    (found,) = (where / "exports" / "s").iterdir()
    return found


def test_three_classes(export: Path) -> None:
    model, served = atml.load(export), Served("r", load(export))
    x = np.random.default_rng(0).normal(size=(5, model.leads, model.window))
    x[3] = 0
    found = json.loads(inference.answer(served, json.dumps({"inputs": [tensor(x)]}).encode()).body)
    logits, label, names, quality = (one["data"] for one in found["outputs"])
    with pytest.warns(UserWarning, match="1 is flat"):
        expected = model.logits(x)
    assert np.array_equal(np.array(logits, np.float32).reshape(5, 3), expected)
    good = [0, 1, 2, 4]
    assert [label[i] for i in good] == model.labels(x[good]).tolist()
    assert [names[i] for i in good] == model.predict(x[good]).tolist()
    assert (label[3], names[3], quality[3]) == (-1, "", "flat")


def test_its_configuration_for_triton(export: Path) -> None:
    text = triton.config("r", load(export))
    assert "dims: [ 3 ]" in text and "atml_threshold" not in text
    assert "the largest logit; of equal ones the first" in text
