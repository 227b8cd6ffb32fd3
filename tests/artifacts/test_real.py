"""Export and scoring on real ECG, with weights that nobody trained: nothing here is chosen by a test set."""

import json

import numpy as np
import pytest

from atml import data
from atml.artifacts.export import check_parity, export, onnx_bytes
from atml.models.config import ModelConfig
from atml.scoring.evaluation import score_export
from atml.scoring.rules import iesd2024
from atml.tasks.task import Task

TASK = Task(name="afib", classes=("other", "AF"), positive=1, sampling_rate=250, window=1250)
CONFIG = ModelConfig(decimation=2, cell="lstm", bidirectional=True, units=8)


def label(rhythm):
    return int(rhythm == "AFIB")


@pytest.fixture(scope="module")
def ecg(real_data):
    return data.open(real_data / "iesd2024.zip", task=TASK, label=label, split="test")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"normalise": "none"},
        {"normalise": "maxabs", "norm": "layer", "activation": "silu"},
        {"cell": "gru", "layers": 2, "pool": "attention", "separable": True},
        {"channels": (), "kernels": (), "strides": (), "decimation": 8, "pool": "last"},
    ],
)
def test_parity_on_real_segments(make, ecg, fields):
    net = make.net(make.replace(CONFIG, **fields), TASK)
    parity = check_parity(onnx_bytes(net, TASK, {}), net, ecg.x, TASK)
    assert parity.windows == 1024 and parity.worst < 1e-4


def test_scoring_the_real_test_set(make, real_data, ecg, tmp_path):
    record = make.record(make.dataset(subjects=4), config=CONFIG, task=TASK)
    record = make.replace(record, data=make.replace(record.data, subjects=("S0", "S1")))
    got = export(make.net(CONFIG, TASK), record, ecg.x, root=tmp_path)

    class Looks:
        def record(self, **look):
            return 1

        def evaluations_of(self, data_fingerprint, subjects):
            return []

    report = score_export(got.folder, real_data / "iesd2024.zip", label=label, evaluations=Looks())
    written = json.loads(report.file.read_text())
    rows = written["subjects"]
    assert report.windows == len(ecg) and len(rows) == len(np.unique(ecg.subject)) == 8
    assert written["confusion"]["tp"] + written["confusion"]["fn"] == (ecg.y == 1).sum()
    only_positive = {name for name in np.unique(ecg.subject) if ecg.y[ecg.subject == name].all()}
    assert {row["subject"] for row in rows if row["n"] == row["positives"]} == only_positive != set()
    assert all(r["specificity"] == r["npv"] == 1.0 for r in rows if r["subject"] in only_positive)
    assert written["F"] == report.score["F"] and written["rule"] == iesd2024.NAME
