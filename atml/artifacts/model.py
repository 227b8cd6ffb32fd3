"""Exported models as they lie on disk: what is written into the ONNX file, reading it back, running it.

No torch here: scoring starts without it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from atml.arrays import Float32, Floats
from atml.artifacts import seen
from atml.artifacts.seen import Amplitude
from atml.data.subjects import endings, person
from atml.errors import AtmlError, ExportError
from atml.models.config import ModelConfig
from atml.tasks.task import BINARY, MULTILABEL, WAVEFORM, Task

FORMATS = {BINARY: "1"}
"""Version of the metadata by kind of target: binary files stay readable by earlier versions of atml."""
LATER = "2"
"""Version of the metadata of every other kind."""

MODEL, CONFIG, METRICS, CARD, SCORES = "model.onnx", "config.json", "metrics.json", "MODEL_CARD.md", "scores"

EVALUATIONS = "evaluations.json"
"""File of an export that carries the evaluations of test sets (`atml.scoring.carried`)."""

PICTURES = 4
"""Pictures that are run at once."""

SUBJECTS_BYTES = 1024
"""More hashes of training subjects stay out of the ONNX file, whose size is dear; config.json has names."""


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """A model of ours on disk. ``folder`` is None for an ONNX file that travels alone.

    ``offsets``, one a class, are already in the last biases. ``subjects`` were trained on; None for a file
    without its config.json, which can still tell of given names whether they were (`trained_on`).
    ``size_bytes`` is the file's.
    ``objective_hash`` is of the objectives file that the search used, ``labels_hash`` of the part of it that
    labels depend on; "" in files that don't say. ``lead_choice`` is what `--lead` asked for in the search.
    ``baseline`` is what was fitted beside the model (`atml.evaluation.baselines.from_dict`); None
    where the task has none, and for a file that travels alone.
    """

    path: Path
    folder: Path | None
    model: bytes = field(repr=False)
    sha256: str
    task: Task
    config: ModelConfig
    study: str
    trial: int
    offsets: tuple[float, ...]
    data_name: str
    data_fingerprint: str
    synthetic: bool
    subjects: tuple[str, ...] | None
    objective_hash: str = ""
    labels_hash: str = ""
    lead_choice: tuple[str, ...] = ()
    subjects_by: str = ""
    """What ``--subjects`` said in the search; of a table, a file that travels alone has its name only."""
    unqualified: tuple[str, ...] = ()
    """What the model lacks of its objective's gate, in words; () for one that qualified."""
    baseline: dict[str, Any] | None = None
    hashes: str = field(default="", repr=False)
    """Of the training subjects (`atml.artifacts.seen.hashed`); "" where they are too many for the file."""
    amplitude: Amplitude | None = None
    """How large the training's signals were; None in files of earlier versions."""

    @property
    def knows_subjects(self) -> bool:
        """Whether it can tell of a name if it was trained on."""
        return self.subjects is not None or bool(self.hashes)

    def trained_on(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the training subjects that ``names`` may mean, by the names that they had in training.

        A name among those of several sets, "vfdb/418", may be "418" of another opening, and the other way
        round: `atml.data.same_subject`.
        """
        sets = self.data_name.split("+")
        whole = {ending for name in names for ending in endings(name)}
        candidates = {*whole, *(f"{place}/{name}" for place in sets for name in whole)}
        if self.subjects is not None:
            given = {person(name) for name in candidates}
            return tuple(sorted(name for name in self.subjects if person(name) in given))
        return seen.recognised(candidates, self.hashes, self.data_fingerprint)

    def other_unit(self, found: Floats) -> str:
        """Say that signals with these `atml.artifacts.seen.ranges` may be in another unit; "" if not."""
        scaled = self.config.normalise in ("zscore", "maxabs", "rr")
        return seen.other_unit(self.amplitude, found, scaled=scaled)

    @property
    def threshold(self) -> float | None:
        """Threshold on the margin of the positive class; None for a task without one."""
        return None if self.task.positive is None else self.offsets[self.task.positive]

    @property
    def size_bytes(self) -> int:
        """Size of the ONNX file."""
        return len(self.model)


def describe(
    *,
    task: Task,
    config: ModelConfig,
    study: str,
    trial: int,
    offsets: Sequence[float],
    data_name: str,
    data_fingerprint: str,
    synthetic: bool,
    subjects: tuple[str, ...],
    objective_hash: str = "",
    labels_hash: str = "",
    lead_choice: tuple[str, ...] = (),
    subjects_by: str = "",
    unqualified: tuple[str, ...] = (),
    amplitude: Amplitude | None = None,
) -> dict[str, str]:
    """Metadata properties of an ONNX file, enough to use and to score it without its folder.

    The file travels: of ``subjects`` it holds hashes, and no name.
    """
    hashes = seen.hashed(subjects, data_fingerprint)
    positive = None if task.positive is None else task.classes[task.positive]
    tie = f"a tie with {positive} is {positive}" if positive else "of equal ones the first"
    decides = f"largest logit; {tie}"
    if task.kind == WAVEFORM:
        decides = "none: maps of each pixel, from which atml.paper reads the leads"
    if task.kind == MULTILABEL:
        decides = "each label whose logit is 0 or more"
    kind = {} if task.kind == BINARY else {"kind": task.kind, "offsets": _json(list(offsets))}
    kind |= {} if task.picture is None else {"picture": _json(list(task.picture))}
    kind |= {} if task.after_beat is None else {"after_beat": repr(float(task.after_beat))}
    chosen = {"lead_choice": _json(list(lead_choice))} if lead_choice else {}
    chosen |= {"subjects_by": subjects_by} if subjects_by else {}
    lacks = {"unqualified": _json(list(unqualified))} if unqualified else {}
    return {
        "format": FORMATS.get(task.kind, LATER),
        "task": task.name,
        "classes": _json(list(task.classes)),
        "positive": "" if task.positive is None else str(task.positive),
        "sampling_rate": str(task.sampling_rate),
        "window": str(task.window),
        "leads": str(task.leads),
        "normalisation": f"{config.normalise}, in the graph",
        "decision": decides,
        "threshold": "" if task.positive is None else repr(float(offsets[task.positive])),
        **kind,
        "study": study,
        "trial": str(trial),
        "data": data_name,
        "data_fingerprint": data_fingerprint,
        "synthetic": _json(synthetic),
        "subjects": "",  # earlier versions, which wrote names, ask for it
        "hashes": hashes if len(hashes) <= SUBJECTS_BYTES else "",
        "amplitude": _json(list(amplitude or ())),
        "config": _json(config.to_dict()),
        "objective_hash": objective_hash,
        "labels_hash": labels_hash,
        **chosen,
        **lacks,
    }


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def load(path: Path) -> ExportedModel:
    """Read an export folder, or an ONNX file alone.

    Raises ExportError: nothing there, no or a damaged model.onnx, a file that atml did not write, a file
    that is another one than its config.json was written for.
    """
    path = Path(path)
    if path.is_dir():
        onnx_path = path / MODEL
        if not onnx_path.is_file():
            raise ExportError(f"{path} holds no {MODEL}; {_advice(path)}")
    elif path.is_file():
        onnx_path = path
    else:
        raise ExportError(f"{path} does not exist; name an export folder or an ONNX file of atml")
    try:
        model = onnx_path.read_bytes()
    except OSError as error:
        raise ExportError(f"{onnx_path} can't be read: {error.strerror}") from error
    props = _properties(onnx_path, model)
    sha256 = hashlib.sha256(model).hexdigest()
    record = _record(onnx_path, sha256, must=path.is_dir())
    try:
        return _exported(onnx_path, model, sha256, props, record)
    except AtmlError as error:
        raise ExportError(f"{onnx_path}: {error}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise ExportError(f"{onnx_path} has damaged metadata ({error}); export the model again") from error


def _exported(
    path: Path, model: bytes, sha256: str, props: Mapping[str, str], record: dict[str, Any] | None
) -> ExportedModel:
    names = json.loads(props["subjects"]) if props["subjects"] else None
    if names is None and record is not None:
        names = record["data"]["subjects"]
    return ExportedModel(
        path=path,
        folder=path.parent if record is not None else None,
        model=model,
        sha256=sha256,
        task=Task(
            name=props["task"],
            classes=tuple(json.loads(props["classes"])),
            positive=int(props["positive"]) if props["positive"] else None,
            kind=props.get("kind", BINARY),
            sampling_rate=int(props["sampling_rate"]),
            window=int(props["window"]),
            leads=int(props["leads"]),
            after_beat=float(props["after_beat"]) if "after_beat" in props else None,
            picture=_picture(json.loads(props["picture"])) if "picture" in props else None,
        ),
        config=ModelConfig.from_dict(json.loads(props["config"])),
        study=props["study"],
        trial=int(props["trial"]),
        offsets=_offsets(props),
        data_name=props["data"],
        data_fingerprint=props["data_fingerprint"],
        synthetic=bool(json.loads(props["synthetic"])),
        subjects=None if names is None else tuple(str(name) for name in names),
        objective_hash=props.get("objective_hash", ""),
        labels_hash=props.get("labels_hash", ""),
        subjects_by=str((record or {}).get("data", {}).get("subjects_by") or props.get("subjects_by", "")),
        lead_choice=tuple(str(entry) for entry in json.loads(props.get("lead_choice", "[]"))),
        unqualified=tuple(str(entry) for entry in json.loads(props.get("unqualified", "[]"))),
        baseline=_baseline(record),
        hashes=props.get("hashes", ""),
        amplitude=seen.parsed(json.loads(props.get("amplitude", "[]"))),
    )


def _picture(size: list[int]) -> tuple[int, int]:
    """Return rows and columns of the pictures that a model takes."""
    rows, columns = size
    return int(rows), int(columns)


def _offsets(props: Mapping[str, str]) -> tuple[float, ...]:
    """Return the decision: one offset a class; files of binary tasks keep the threshold alone."""
    if "offsets" in props:
        return tuple(float(offset) for offset in json.loads(props["offsets"]))
    offsets = [0.0] * len(json.loads(props["classes"]))
    offsets[int(props["positive"])] = float(props["threshold"])
    return tuple(offsets)


def _baseline(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the baseline's fields from a config.json, which older ones have not."""
    fields = (record or {}).get("baseline")
    if fields is not None and not isinstance(fields, dict):
        raise ExportError(f"{CONFIG} is damaged: its baseline is {fields!r}; export the model again")
    return fields


def _advice(folder: Path) -> str:
    """Say which folders below are exports, if some are."""
    found = sorted(str(model.parent.relative_to(folder)) for model in folder.glob(f"*/{MODEL}"))
    found = found or sorted(str(model.parent.relative_to(folder)) for model in folder.glob(f"*/*/{MODEL}"))
    if not found:
        return "name an export folder or an ONNX file of atml"
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return f"name one of the exports in it: {', '.join(found[:5])}{more}"


def _properties(path: Path, model: bytes) -> dict[str, str]:
    """Return the metadata properties of a whole and valid file of ours."""
    if not model:
        raise ExportError(f"{path} is empty; export the model again")
    try:
        proto = onnx.load_model_from_string(model)
    except DecodeError as error:
        raise ExportError(f"{path} is not an ONNX file, or is damaged; export the model again") from error
    props = {prop.key: prop.value for prop in proto.metadata_props}
    if proto.producer_name != "atml" or "format" not in props:
        maker = f" (made by {proto.producer_name!r})" if proto.producer_name else ""
        raise ExportError(f"{path} was not exported by atml{maker}; only exports of atml can be used")
    known = (*FORMATS.values(), LATER)
    if props["format"] not in known:
        raise ExportError(
            f"{path} was written by atml {proto.producer_version} in format {props['format']};"
            f" this version reads format {' and '.join(known)}"
        )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{path} holds a damaged graph; export the model again") from error
    return props


def _record(path: Path, sha256: str, *, must: bool) -> dict[str, Any] | None:
    """Read the config.json beside a model; None if the file stands alone or beside another's."""
    file = path.parent / CONFIG
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        fits = bool(record["model"]["sha256"] == sha256)
    except FileNotFoundError as error:
        if not must:
            return None
        raise ExportError(f"{path.parent} holds no {CONFIG}; score {path} alone, or export again") from error
    except OSError as error:
        raise ExportError(f"{file} can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        if not must:
            return None
        raise ExportError(f"{file} is damaged; score {path} alone, or export again") from error
    if not fits and must:
        raise ExportError(f"{path} is not the file that {file} was written for; export the model again")
    return dict(record) if fits else None


def task_fields(task: Task) -> dict[str, Any]:
    """Return a task as JSON types; without what version 0.1 had not, where it is as it was then."""
    fields = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(task).items()}
    if task.kind == BINARY:
        del fields["kind"]
    for later in ("after_beat", "picture"):
        if fields[later] is None:
            del fields[later]
    return fields


def infer(model: bytes, x: Float32, *, batch: int = 256) -> Float32:
    """Run an ONNX model on ``x (n, leads, samples)`` with onnxruntime on one CPU thread.

    Returns logits ``(n, classes)``. Raises ExportError if onnxruntime can't load the model or the input
    does not fit it.
    """
    run = Session(model)
    if x.ndim == 4:  # a page takes as much as hundreds of windows
        batch = min(batch, PICTURES)
    parts = [] if len(x) else [np.empty((0, run.classes), np.float32)]
    for at in range(0, len(x), batch):
        parts.append(run(np.ascontiguousarray(x[at : at + batch], np.float32)))
    return np.concatenate(parts).astype(np.float32, copy=False)


class Session:
    """A model ready to run on one CPU thread of onnxruntime; ``classes`` is how many logits it gives.

    Raises ExportError if onnxruntime can't load it, or if an input does not fit it.
    """

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        with _told():
            self._run = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input, output = self._run.get_inputs()[0].name, self._run.get_outputs()[0]
        self._output, self.classes = output.name, int(output.shape[1])

    def __call__(self, x: Float32) -> Float32:
        """Return logits ``(n, classes)`` for ``x (n, leads, samples)``, float32 and contiguous."""
        if not len(x):
            # An empty batch aborts the whole process inside onnxruntime's recurrent operators.
            return np.empty((0, self.classes), np.float32)
        with _told():
            logits: Float32 = self._run.run([self._output], {self._input: x})[0]
        return logits


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn what onnxruntime raises into an ExportError: its exceptions share no base class but Exception."""
    try:
        yield
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(f"onnxruntime can't run the model: {first}") from error
