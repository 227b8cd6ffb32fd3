import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from atml.artifacts.export import check_parity, export, fold_decision, onnx_bytes, safe_name
from atml.artifacts.model import infer, load
from atml.errors import ExportError, ParityError
from atml.evaluation import baselines
from atml.metrics import mean_subject_f_beta
from atml.metrics.predictions import Predictions
from atml.models import blocks
from atml.models.families.conv_recurrent import shapes
from atml.tasks import targets


def tree(root):
    return sorted(str(path.relative_to(root)) for path in Path(root).rglob("*"))


@pytest.fixture(scope="module")
def record(make):
    return make.record()


@pytest.fixture(scope="module")
def x(make):
    return make.dataset().x


def test_folder_holds_all_and_reads_back(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    assert got.folder == tmp_path / "waves" / f"{record.result.name}-t0007"
    assert tree(got.folder) == ["MODEL_CARD.md", "config.json", "metrics.json", "model.onnx"]
    assert tree(tmp_path / "waves") == [
        got.folder.name,
        *(f"{got.folder.name}/{f}" for f in tree(got.folder)),
    ]
    assert got == load(got.folder)
    assert (got.task, got.config, got.study, got.trial) == (make.task, make.config, "waves", 7)
    assert got.threshold == record.result.threshold != 0
    assert got.subjects == tuple(f"S{i}" for i in range(8))
    assert got.synthetic is False and got.data_name == "waves"
    assert got.size_bytes == (got.folder / "model.onnx").stat().st_size
    config = json.loads((got.folder / "config.json").read_text())
    assert config["model"]["sha256"] == got.sha256
    assert config["seeds"] == {"search": 5, "runs": [11, 12], "final": 99}
    metrics = json.loads((got.folder / "metrics.json").read_text())
    assert metrics["value"] == pytest.approx(record.result.value)
    high, low = got.folder.name.split("-")[:2]
    four = [metrics[key] for key in ("F1", "accuracy", "precision", "recall")]
    assert (int(high), int(low)) == (int(max(four) * 100), int(min(four) * 100))
    assert baselines.from_dict(got.baseline) == record.baseline.baseline
    assert config["baseline"] == got.baseline
    beside = metrics["baseline"]
    assert beside["value"] == record.baseline.value and beside["rule"] == record.baseline.baseline.describe()
    assert (
        {row["rhythm"] for row in beside["rhythms"]}
        == {row["rhythm"] for row in metrics["rhythms"]}
        == {"AFIB", "N"}
    )
    assert beside["network_gains"]["value"] == pytest.approx(
        metrics["rates"]["balanced accuracy"]["value"] - beside["rates"]["balanced accuracy"]["value"]
    )
    assert len(metrics["subjects"]) == 8 and metrics["parity"]["segments"] == len(x)


def test_threshold_is_in_the_file(make, record, x, tmp_path):
    net = make.net()
    with torch.no_grad():
        raw = net(torch.from_numpy(x)).numpy()
    middle = float(np.median(raw[:, 1] - raw[:, 0])) + 1e-4
    record = make.replace(record, result=make.replace(record.result, offsets=(0.0, middle)))
    got = export(net, record, x, root=tmp_path)
    y, subject = np.zeros(len(x), np.int64), np.array(["S"] * len(x))
    asked = Predictions(raw, y, subject).decided(record.result.threshold)
    logits = infer(got.model, x)
    assert (targets.of(make.task).labels(logits) == asked).all()
    assert 0 < asked.sum() < len(x)
    assert (Predictions(raw, y, subject).decided(0.0) != asked).any()


def test_folding_leaves_the_original_alone(make):
    net = make.net().train()
    before = net.head.bias.detach().clone()
    folded = fold_decision(net, (0.0, 0.75))
    assert torch.equal(net.head.bias, before) and net.training and not folded.training
    assert (folded.head.bias - before).tolist() == pytest.approx([0.0, -0.75])


@pytest.mark.parametrize("cell", ["none", *blocks.CELL])
@pytest.mark.parametrize("pool", shapes.POOLS)
@pytest.mark.parametrize("norm", blocks.NORM)
def test_parity_of_every_kind(make, x, cell, pool, norm):
    net = make.net(make.replace(make.config, cell=cell, pool=pool, norm=norm))
    parity = check_parity(onnx_bytes(net, make.task, {}), net, x, make.task)
    assert parity.windows == len(x) and parity.worst < 1e-5


def tampered(model, name, change):
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))
    return proto.SerializeToString()


def test_gate_stops_a_tampered_graph(make, x):
    net = make.net()
    model = onnx_bytes(net, make.task, {})
    assert check_parity(tampered(model, "head.bias", lambda b: b), net, x, make.task).worst < 1e-5
    with pytest.raises(ParityError, match=r"by up to 0\.0003 .*limit 0\.0001"):
        check_parity(tampered(model, "head.bias", lambda b: b + np.float32(3e-4)), net, x, make.task)
    with pytest.raises(ParityError, match="disagree"):
        check_parity(tampered(model, "gru1.recurrent", lambda w: w * 0), net, x, make.task)
    with pytest.raises(ParityError, match="disagree"):
        check_parity(tampered(model, "head.bias", lambda b: b * np.float32("nan")), net, x, make.task)


def test_gate_stops_flipped_labels_of_close_logits(make, x):
    net = make.net()
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.copy_(torch.tensor([0.0, 1e-5]))
    model = tampered(onnx_bytes(net, make.task, {}), "head.bias", lambda b: -b)
    with pytest.raises(ParityError, match=f"{len(x)} of {len(x)} labels"):
        check_parity(model, net, x, make.task)


def test_gate_runs_before_anything_is_written(make, record, x, tmp_path, monkeypatch):
    from atml.artifacts import export as module

    monkeypatch.setattr(
        module, "onnx_bytes", lambda *a: tampered(onnx_bytes(*a), "head.bias", lambda b: b + 1)
    )
    with pytest.raises(ParityError):
        export(make.net(), record, x, root=tmp_path / "exports")
    assert tree(tmp_path) == []


def test_gate_takes_segments_from_all(make):
    dataset = make.dataset(subjects=30, each=100)
    net = make.net()
    assert check_parity(onnx_bytes(net, make.task, {}), net, dataset.x, make.task).windows == 1024
    with pytest.raises(ExportError, match="no windows"):
        check_parity(b"", net, dataset.x[:0], make.task)


def test_budget(make, record, x, tmp_path):
    size = export(make.net(), record, x, root=tmp_path).size_bytes
    with pytest.raises(ExportError, match=r"KiB, over the 1 KiB allowed"):
        export(make.net(), record, x, root=tmp_path / "small", max_kib=1)
    assert not (tmp_path / "small").exists()
    export(make.net(), record, x, root=tmp_path / "fits", max_kib=size / 1024)


def test_exporting_again_replaces_whole_and_keeps_scores_of_the_same_model(make, record, x, tmp_path):
    first = export(make.net(), record, x, root=tmp_path)
    (first.folder / "scores").mkdir()
    (first.folder / "scores" / "iesd2024-1.json").write_text("{}")
    (first.folder / "scratch.txt").write_text("old")
    other_name = make.record(seeds=(13, 14))
    assert other_name.result.name != record.result.name
    # The same weights at the same threshold are the same file, whatever the metrics say of it.
    same = make.replace(other_name, result=make.replace(other_name.result, offsets=record.result.offsets))
    again = export(make.net(), same, x, root=tmp_path)
    assert again.sha256 == first.sha256 and again.folder != first.folder
    assert [p.name for p in (tmp_path / "waves").iterdir()] == [again.folder.name]
    assert "scores/iesd2024-1.json" in tree(again.folder) and "scratch.txt" not in tree(again.folder)
    other = export(make.net(seed=1), record, x, root=tmp_path)
    assert [p.name for p in (tmp_path / "waves").iterdir()] == [other.folder.name]
    assert "scores" not in tree(other.folder)


def test_other_trials_stay(make, record, x, tmp_path):
    first = export(make.net(), record, x, root=tmp_path)
    second = export(make.net(), make.replace(record, trial=17), x, root=tmp_path)
    long = export(make.net(), make.replace(record, trial=10007), x, root=tmp_path)
    assert {p.folder for p in (first, second, long)} == set((tmp_path / "waves").iterdir())


FULL_DISK = """
    import resource, sys
    sys.path.insert(0, sys.argv[1])
    from pathlib import Path
    import conftest as make
    from atml.errors import ExportError
    from atml.artifacts.export import export

    finding, x = make.make_finding(), make.make_dataset().x
    root = Path(sys.argv[2])
    first = export(make.make_net(), finding, x, root=root)
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
    for target in (root, root / "new" / "deep"):
        try:
            export(make.make_net(seed=1), finding, x, root=target)
        except ExportError as error:
            print(error)
        else:
            raise SystemExit("it was written")
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before
    assert not (root / "new").exists()
    assert not list(root.rglob(".t*"))
"""


@pytest.mark.parametrize("limit", [0, 3000])
def test_full_disk_leaves_nothing_and_loses_nothing(tmp_path, limit):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), Path(__file__).parent, tmp_path, str(limit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and all("can't be written: File too large" in line for line in lines)


def test_unwritable_places(make, record, x, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="can't be written"):
        export(make.net(), record, x, root=tmp_path / "file")
    if os.getuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(ExportError, match="Permission denied"):
            export(make.net(), record, x, root=tmp_path / "closed")
    assert tree(tmp_path / "file") == []


@pytest.mark.parametrize(
    "study",
    [
        "../../up",
        "/etc",
        "..",
        ".",
        "",
        ".hidden",
        "a/b",
        "a\\b",
        "två ord",
        "nul\0",
        "x" * 300,
        "AF\n",
        "\ud800",
    ],
)
def test_odd_study_names_stay_inside(study):
    name = safe_name(study)
    assert name and Path(name).name == name and not name.startswith(".")
    assert len(name.encode()) < 255 and name.isprintable() and "\0" not in name
    assert name != study or study == "x" * 60


def test_study_names_do_not_collide():
    assert safe_name("afib-iesd2024_v1.2") == "afib-iesd2024_v1.2"
    assert len({safe_name(s) for s in ("a/b", "a\\b", "a_b", "a b")}) == 4


def test_odd_study_exports_inside(make, record, x, tmp_path):
    got = export(make.net(), make.replace(record, study="../two words"), x, root=tmp_path / "exports")
    assert got.folder.parent.parent == tmp_path / "exports"
    assert got.study == "../two words"
    assert [p.name for p in tmp_path.iterdir()] == ["exports"]


def test_long_subject_lists_stay_beside(make, tmp_path):
    dataset = make.dataset(subjects=300, each=2)
    dataset = make.replace(
        dataset, subject=np.repeat([f"patient{i:05d}" for i in range(300)], 2), y=np.tile([0, 1], 300)
    )
    got = export(make.net(), make.record(dataset), dataset.x, root=tmp_path)
    assert len(got.subjects) == 300
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(got.model)
    assert load(alone).subjects is None and not load(alone).knows_subjects
    assert load(got.folder / "model.onnx").subjects == got.subjects


def test_no_subject_is_named_in_a_file_that_travels(make, tmp_path):
    """config.json, metrics.json and the card name people, for their owner; what runs on a device doesn't."""
    names = [f"Meier-{year}" for year in range(1950, 1994)]
    dataset = make.replace(make.dataset(subjects=44, each=4), subject=np.repeat(names, 4))
    got = export(make.net(), make.record(dataset), dataset.x, root=tmp_path, also=[])
    for name in names:
        assert name.encode() not in got.model
    assert b"Meier" not in got.model
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(got.model)
    assert load(alone).trained_on(["Meier-1966", "Meier-1994"]) == ("Meier-1966",)
    assert len(load(alone).hashes) == 44 * 6  # bytes of a file whose size is dear
    assert got.subjects == tuple(names) and "Meier-1966" in (got.folder / "config.json").read_text()


def test_size_is_known_before(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    assert got.size_bytes <= record.cost.size_bytes <= 1.1 * got.size_bytes + 2048


def test_a_file_alone(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    alone = tmp_path / "model.onnx"
    alone.write_bytes(got.model)
    read = load(alone)
    assert read.folder is None and read.sha256 == got.sha256
    # It was told whom: of names that are given it says whether they were, and it lists none.
    assert read.subjects is None
    assert read.trained_on(["S3", "waves/S0", "T3", "S30"]) == ("S0", "S3")
    assert load(got.folder / "model.onnx").folder == got.folder


def broken(text):
    return pytest.raises(ExportError, match=text)


def test_what_is_no_export(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    with broken("does not exist"):
        load(tmp_path / "nowhere")
    with broken(f"holds no model.onnx; name one of the exports in it: waves/{got.folder.name}"):
        load(tmp_path)
    with broken(f"one of the exports in it: {got.folder.name}"):
        load(tmp_path / "waves")
    (tmp_path / "empty").mkdir()
    with broken("holds no model.onnx; name an export folder"):
        load(tmp_path / "empty")
    foreign = tmp_path / "foreign.onnx"
    proto = onnx.load_from_string(got.model)
    proto.producer_name = "pytorch"
    foreign.write_bytes(proto.SerializeToString())
    with broken(r"not exported by atml \(made by 'pytorch'\)"):
        load(foreign)
    for content in (b"hello, this is text", b"\x00" * 100, os.urandom(500), b"PK\x03\x04"):
        foreign.write_bytes(content)
        with broken("foreign.onnx (is not an ONNX file|was not exported)"):
            load(foreign)
    foreign.write_bytes(b"")
    with broken("is empty"):
        load(foreign)
    proto = onnx.load_from_string(got.model)
    proto.metadata_props[0].value = "9"
    foreign.write_bytes(proto.SerializeToString())
    with broken("in format 9; this version reads format 1"):
        load(foreign)


def test_truncated_anywhere(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    file = tmp_path / "cut.onnx"
    for size in np.linspace(0, got.size_bytes - 1, 60).astype(int):
        file.write_bytes(got.model[:size])
        with pytest.raises(ExportError) as caught:
            load(file)
        assert "\n" not in str(caught.value) and "cut.onnx" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("config", '{"no_such_field":1}'),
        ("config", "{"),
        ("window", "wide"),
        ("classes", "7"),
        ("subjects", "["),
        ("trial", None),
    ],
)
def test_damaged_metadata(make, record, x, tmp_path, key, value):
    got = export(make.net(), record, x, root=tmp_path)
    proto = onnx.load_from_string(got.model)
    for prop in list(proto.metadata_props):
        if prop.key == key:
            if value is None:
                proto.metadata_props.remove(prop)
            else:
                prop.value = value
    file = tmp_path / "odd.onnx"
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(ExportError, match=r"odd\.onnx"):
        load(file)


def test_without_a_baseline(make, record, x, tmp_path):
    got = export(make.net(), make.replace(record, baseline=None), x, root=tmp_path)
    assert got.baseline is None
    assert json.loads((got.folder / "metrics.json").read_text())["baseline"] is None
    file = got.folder / "config.json"
    config = json.loads(file.read_text())
    # An older export has no such key; a damaged one is told.
    del config["baseline"]
    file.write_text(json.dumps(config))
    assert load(got.folder).baseline is None
    file.write_text(json.dumps(config | {"baseline": 7}))
    with broken(r"model.onnx: config.json is damaged: its baseline is 7; export the model again"):
        load(got.folder)


def test_config_and_model_belong_together(make, record, x, tmp_path):
    first = export(make.net(), record, x, root=tmp_path)
    other = export(make.net(seed=1), make.replace(record, trial=8), x, root=tmp_path)
    (first.folder / "model.onnx").write_bytes(other.model)
    with broken("is not the file that"):
        load(first.folder)
    assert load(first.folder / "model.onnx").folder is None
    (other.folder / "config.json").write_text("{")
    with broken("config.json is damaged"):
        load(other.folder)
    (other.folder / "config.json").unlink()
    with broken("holds no config.json"):
        load(other.folder)


def test_inference_in_batches_is_the_same(make, x):
    model = onnx_bytes(make.net(), make.task, {})
    whole = infer(model, x, batch=1000)
    np.testing.assert_allclose(infer(model, x, batch=7), whole, atol=1e-6)
    assert infer(model, x[:0]).shape == (0, 2)
    with pytest.raises(ExportError, match="onnxruntime can't run the model"):
        infer(model, x[:, :, :50])
    with pytest.raises(ExportError, match="onnxruntime can't run the model"):
        infer(b"nothing", x)


def test_labels_give_ties_to_the_positive_class(make):
    logits = np.array([[1, 1, 0], [2, 1, 2], [0, 1, 2], [5, 1, 1]], np.float32)
    for positive, expected in ((1, [1, 0, 2, 0]), (2, [0, 2, 2, 0])):
        task = make.replace(make.task, classes=("a", "b", "c"), positive=positive)
        assert targets.of(task).labels(logits).tolist() == expected


def test_metadata_needs_no_more_than_it_should(make, record, x, tmp_path):
    got = export(make.net(), record, x, root=tmp_path)
    props = onnx.load_from_string(got.model).metadata_props
    assert sum(len(p.key) + len(p.value) for p in props) < 1400
    assert {p.key: p.value for p in props}["format"] == "1"  # what version 0.1 reads
    assert mean_subject_f_beta(record.runs[0].measurement.predictions) == record.runs[0].measurement.value
