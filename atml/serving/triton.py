"""A model repository for NVIDIA's Triton Inference Server: ``NAME/config.pbtxt`` and ``NAME/1/model.onnx``.

Sources: Triton's ``docs/user_guide/model_repository.md`` for the layout, ``model_config.proto`` of
https://github.com/triton-inference-server/common for the fields. Triton runs the ONNX file as it is: it looks
for neither flat nor saturated windows, and gives logits that are all NaN for a window with a missing sample.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from atml import __version__
from atml.artifacts.model import MODEL, ExportedModel
from atml.errors import InputError
from atml.formatting import utf8
from atml.serving.protocol import LOGITS, PLATFORM, VERSION, input_of
from atml.tasks.task import MULTILABEL, Task

CONFIG, LABELS = "config.pbtxt", "labels.txt"

MARK = "# Written by atml"
"""How a configuration of ours begins; only such folders are replaced without being asked to."""

MAX_BATCH = 64
"""Windows that Triton may put into one batch: beyond it a window takes hardly less time."""

DELAY_US = 500
"""How long a request may wait for others to join its batch, in microseconds."""


def config(name: str, exported: ExportedModel, *, instances: int = 1, max_batch: int = MAX_BATCH) -> str:
    """Return the text of ``config.pbtxt``.

    Args:
        name: What the model is called, which is also its folder's name.
        exported: The model.
        instances: Copies that run at once, each on one thread.
        max_batch: Most windows in one batch.
    """
    task = exported.task
    facts = {
        "intra_op_thread_count": "1",
        "inter_op_thread_count": "1",
        "atml_task": task.name,
        "atml_classes": ",".join(task.classes),
        "atml_sampling_rate_hz": str(task.sampling_rate) if task.picture is None else "",
        "atml_after_beat_s": f"{task.after_beat:g}" if task.after_beat is not None else "",
        "atml_decision": _decision(exported),
        "atml_threshold": "" if exported.threshold is None else f"{exported.threshold:g}",
        "atml_offsets": ",".join(f"{offset:g}" for offset in exported.offsets),
        "atml_study": exported.study,
        "atml_trial": str(exported.trial),
        "atml_sha256": exported.sha256,
        "atml_synthetic_data": "yes" if exported.synthetic else "",
        "atml_unqualified": "; ".join(exported.unqualified),
    }
    lines = [
        f"{MARK} {__version__}. {_input(task)}",
        f"name: {quoted(name)}",
        f"platform: {quoted(PLATFORM)}",
        f"max_batch_size: {max_batch}",
        "input [",
        "  {",
        f"    name: {quoted(input_of(task))}",
        "    data_type: TYPE_FP32",
        f"    dims: [ {', '.join(map(str, task.shape))} ]",
        "  }",
        "]",
        "output [",
        "  {",
        f"    name: {quoted(LOGITS)}",
        "    data_type: TYPE_FP32",
        f"    dims: [ {len(task.classes)} ]",
        f"    label_filename: {quoted(LABELS)}",
        "  }",
        "]",
        "dynamic_batching {",
        f"  max_queue_delay_microseconds: {DELAY_US}",
        "}",
        "instance_group [",
        "  {",
        f"    count: {instances}",
        "    kind: KIND_CPU",
        "  }",
        "]",
    ]
    for key, value in facts.items():
        said = f"  key: {quoted(key)}", f"  value {{ string_value: {quoted(value)} }}"
        lines += ["parameters {", *said, "}"] if value else []
    return "\n".join([*lines, ""])


def _input(task: Task) -> str:
    """Say what a row of the input is."""
    if task.picture is None:
        return f"Windows are raw, {task.leads} x {task.window} samples at {task.sampling_rate} Hz."
    rows, columns = task.picture
    return f"Pages are {rows} x {columns} pixels in red, green and blue, 0 black to 255 white."


def _decision(exported: ExportedModel) -> str:
    """Say how logits become a class; thresholds are part of the last biases."""
    task = exported.task
    if task.kind == MULTILABEL:
        return "each label whose logit is 0 or more"
    if task.positive is None:
        return "the largest logit; of equal ones the first"
    return f"the largest logit; a tie is {task.classes[task.positive]}"


def quoted(text: str) -> str:
    r"""Write a string as the text format of Protocol Buffers reads it, in ASCII.

    Example:
        >>> print(quoted('a "b" \N{GREEK SMALL LETTER MU}V'))
        "a \"b\" \316\274V"
    """
    escapes = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n"}
    letters = (escapes.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in utf8(text))
    return f'"{"".join(letters)}"'


def files(
    name: str, exported: ExportedModel, *, instances: int = 1, max_batch: int = MAX_BATCH
) -> dict[str, bytes]:
    """Return the files of a model's folder by their path in it; arguments are those of `config`."""
    labels = "".join(f"{' '.join(one.splitlines())}\n" for one in exported.task.classes)
    return {
        CONFIG: utf8(config(name, exported, instances=instances, max_batch=max_batch)),
        LABELS: utf8(labels),
        f"{VERSION}/{MODEL}": exported.model,
    }


def write(
    models: Mapping[str, ExportedModel],
    out: Path,
    *,
    instances: int = 1,
    max_batch: int = MAX_BATCH,
    force: bool = False,
) -> list[Path]:
    """Write models into a repository, which may hold others, and return their folders.

    All of them appear whole, or the repository stays as it was. A folder of the same name is replaced if it
    was written here, any other only with ``force``.

    Raises:
        InputError: ``out`` can't be written, or holds a folder of that name that is not ours.
    """
    places = [out / name for name in models]
    for place in places:
        if place.exists() and not force and not ours(place):
            raise InputError(
                f"{place} was not written by atml; name another --out, or the model, as NAME=EXPORT, or give"
                " --force to replace it"
            )
    made = [path for path in (out, *out.parents) if not path.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".atml-", dir=out))
        try:
            for place, exported in zip(places, models.values(), strict=True):
                content = files(place.name, exported, instances=instances, max_batch=max_batch)
                for path, data in content.items():
                    (aside / "new" / place.name / path).parent.mkdir(parents=True, exist_ok=True)
                    (aside / "new" / place.name / path).write_bytes(data)
            _swap(places, aside)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        for folder in made:
            with contextlib.suppress(OSError):  # it holds something by now
                folder.rmdir()
        raise InputError(f"--out {out} can't be written: {error.strerror or error}") from error
    return places


def ours(folder: Path) -> bool:
    """Whether a folder's configuration was written here."""
    try:
        return (folder / CONFIG).read_bytes().startswith(MARK.encode())
    except OSError:
        return False


def _swap(places: Sequence[Path], aside: Path) -> None:
    """Put new folders in their places, and what was there aside; on an error all goes back."""
    (aside / "old").mkdir()
    done: list[Path] = []
    try:
        for place in places:
            if place.exists() or place.is_symlink():
                place.rename(aside / "old" / place.name)
            done.append(place)
            (aside / "new" / place.name).rename(place)
    except OSError:
        for place in done:
            if place.exists():
                place.rename(aside / "new" / place.name)
            if (old := aside / "old" / place.name).exists():
                old.rename(place)
        raise
