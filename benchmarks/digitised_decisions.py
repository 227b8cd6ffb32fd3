"""What a model's decisions on pages that were read are worth, beside those on the signals that were drawn.

Run as ``python benchmarks/digitised_decisions.py [--task rhythm,afib] [--records SET ...] [--export FOLDER
...] [--data TASK=SET ...] [--network FILE] [--people 60] [--kind clean,scan,mild,photo] [--size 512x672]``.

Ten seconds of each of so many people of ``--records``, as many of each class of the first task as there are,
go on a page as lead II of the layout 3x4+1 at 25 mm/s, as ``atml data make pages`` draws it; the other leads
are fixed multiples, those of a dipole that keeps to one direction. A page is drawn once, and its picture
taken as every kind. It is read without a network (`atml.digitising`), and with one: ``--network`` is an
export of the task `paper`, or weights of ``--base`` and ``--depth`` as `benchmarks/paper.py` keeps them. What
was read and what was drawn are written as WFDB records, and decided by `atml.predict` on lead II.

``--export`` gives the model of a task. Else DEFAULT of its search space is trained on ``--data``, or, where
none is given, on the records of people whom it does not judge, in ``--folds`` parts. A fifth of the people
trained on are kept back, for the thresholds. Whoever is judged is never trained on, by name, and people whom
an export knows are not judged. Without ``--records`` all of it is synthetic.

A decision is one window of the model. Refused pages have none, nor have windows that miss samples;
agreement, sensitivity and specificity are of the windows that are decided on both sides, with a 95% interval
over people. "surer half" is the agreement where the model's score on the drawn signal is above its median.
"lost" is by how much fewer decisions are right on pages. dB are those of lead II, moved and levelled as in
the rule kaggle2025, the median over the pages that were read. The first two rows are no pages but what any
model has to bear: the signal moved by 20 ms, and the mean of each column of a picture, which is what a
reading without fault would give.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import atml
from atml import data, task_files
from atml.arrays import Bools, Float32, Floats, Strings
from atml.artifacts.export import fold_decision, onnx_bytes
from atml.artifacts.model import describe
from atml.data.dataset import DataSource, Rows
from atml.data.subjects import matching
from atml.digitising.digitiser import RATE, digitise
from atml.digitising.record_files import write_record
from atml.digitising.signal_rules import matched
from atml.errors import DataError
from atml.formatting import table
from atml.metrics.intervals import Interval, resampled
from atml.pages.dipole_heart import SAMPLES
from atml.pages.page_drawing import page
from atml.pages.page_layout import PAPER_WIDTH
from atml.pages.page_style import Style, style
from atml.pages.picture import UInt8, take
from atml.pages.twelve_leads import DOWER, LEADS, twelve
from atml.pages.wear_ranges import KINDS, drawn
from atml.searching.samplers.parameters import from_params
from atml.task_files.definition import TaskDefinition
from atml.training.loop import fit, predict, settled

LEAD = LEADS.index("II")

DIRECTION = np.array([0.6, 0.7, -0.1])
"""Of the dipole, to the left, to the feet and to the back: somewhat that of most hearts."""

SPEED = 25.0
"""In mm/s: ten seconds are as long as a row."""

MOVED = 10
"""Samples that the drawn signal is moved by for the first row of a table: 20 ms."""

NEAR_S = 0.5
"""Seconds that a window on the page may begin from the one of the drawn signal that it stands for."""

Read = Callable[[UInt8], Float32]
"""From a picture to ``(12, samples)`` in mV; raises DataError for what can't be read."""

Signals = list[Float32 | None]
"""Of each strip, None where the page was refused."""


@dataclass(frozen=True)
class Strip:
    """Ten seconds of a person: ``signal (12, samples)`` in mV at `RATE`, its rhythm as the data call it."""

    name: str
    person: str
    rhythm: str
    signal: Float32


@dataclass(frozen=True)
class Decision:
    """What a window that begins at ``start`` s is called, None where it is undecided, and how surely."""

    start: float
    call: str | None
    score: float


Decisions = dict[str, list[Decision]]
"""By name of strip."""

Judge = tuple[Path, list[Strip]]
"""A model, and the strips that it decides on."""


def strips(definition: TaskDefinition, options: argparse.Namespace, known: Sequence[str]) -> list[Strip]:
    """Draw people of each class who aren't ``known``, and ``--each`` strips of every one."""
    task = replace(definition.task, sampling_rate=RATE, window=SAMPLES, leads=1)
    found = replace(definition, task=task).open(DataSource(paths=tuple(options.records)))
    random, judged = np.random.default_rng([options.seed, 1]), ~matching(found.subject, known)
    out: list[Strip] = []
    for label in range(len(task.classes)):
        mine = np.flatnonzero((found.y == label) & judged)
        people = random.permutation(np.unique(found.subject[mine]))
        # Classes that are left make up for what earlier ones lacked.
        wanted = (options.people - len({one.person for one in out})) // (len(task.classes) - label)
        for person in people[: max(0, wanted)]:
            for row in random.permutation(mine[found.subject[mine] == person])[: options.each]:
                signal = in_twelve_leads(np.asarray(found.x[row, 0], np.float64))
                out.append(Strip(f"s{len(out):04d}", str(person), str(found.rhythm[row]), signal))
    return out


def in_twelve_leads(x: Floats) -> Float32:
    """Return ``x (samples,)`` as lead II, its median at 0 mV, and the others as its multiples."""
    eight = DOWER @ DIRECTION
    return twelve(np.outer(eight / eight[1], x - np.median(x))).astype(np.float32)


def look_of(random: np.random.Generator, signal: Float32, height: float) -> Style:
    """Draw the look of a page of 3x4+1 at `SPEED`."""
    while True:
        found = style(random, signal, layouts=("3x4+1",), height=height, rate=0.0)
        if found.speed == SPEED:
            return found


def pictures(found: Sequence[Strip], kind: str, size: tuple[int, int], seed: int) -> Iterator[UInt8]:
    """Take a picture of every strip's page, which is the same for every kind."""
    height = size[0] / size[1] * PAPER_WIDTH
    for number, one in enumerate(found):
        look = look_of(np.random.default_rng([seed, 2, number]), one.signal, height)
        key = (seed, 3, number, list(KINDS).index(kind))
        wear = drawn(np.random.default_rng(key), kind)
        yield take(page(one.signal, RATE, look, size), wear, key).rgb


def columns(signal: Float32, width: int) -> Float32:
    """Return what a picture so many pixels wide holds of a signal at best: the mean of each column."""
    at = np.arange(signal.shape[1]) / RATE * SPEED * width / PAPER_WIDTH
    column = at.astype(np.int64)
    means = [np.bincount(column, lead) / np.bincount(column) for lead in signal.astype(np.float64)]
    middle = np.arange(column[-1] + 1) + 0.5
    return np.stack([np.interp(at, middle, mean) for mean in means]).astype(np.float32)


def read_all(
    found: Sequence[Strip], kind: str, readers: dict[str, Read], size: tuple[int, int], seed: int
) -> dict[str, tuple[Signals, float]]:
    """Read every page in one kind of picture: by reader the signals, and the seconds that a page takes."""
    signals: dict[str, Signals] = {name: [] for name in readers}
    seconds = dict.fromkeys(readers, 0.0)
    for rgb in pictures(found, kind, size, seed):
        for name, read in readers.items():
            before = time.perf_counter()
            try:
                signals[name].append(read(rgb))
            except DataError:
                signals[name].append(None)
            seconds[name] += time.perf_counter() - before
    return {name: (signals[name], seconds[name] / max(1, len(found))) for name in readers}


def without_network(rgb: UInt8) -> Float32:
    """Read a picture without a network."""
    return digitise(rgb).signal


def network(options: argparse.Namespace) -> Read:
    """Return what reads pictures with the network of ``--network``."""
    from atml.library.page_reader import page_reader
    from atml.models.paper_config import PaperConfig
    from atml.models.unet import UNet
    from atml.paper.learner import maps_of
    from atml.paper.reading import Reader
    from atml.paper.weights_file import load

    if options.network.suffix == ".npz":
        high, wide = (int(n) for n in options.pixels.split("x"))
        config = PaperConfig(base=options.base, depth=options.depth, pixels=(high, wide))
        net = UNet(config)
        load(net, options.network)
        reader = Reader(config, maps_of(net.eval()))
    else:
        reader = page_reader(options.network)

    def read(rgb: UInt8) -> Float32:
        found = reader.read(rgb)
        if found.refused:
            raise DataError(found.refused)
        return found.signal

    return read


def judges(
    definition: TaskDefinition, found: Sequence[Strip], options: argparse.Namespace, folder: Path
) -> list[Judge]:
    """Return models and the strips that each decides on, whose people it was not trained on."""
    name = definition.name
    if name in options.exports:
        return [(options.exports[name], list(found))]
    people = np.random.default_rng([options.seed, 4]).permutation(sorted({one.person for one in found}))
    sets = options.sets.get(name)
    out = []
    for number in range(parts := 1 if sets else options.folds):
        judged = set(people[number::parts].tolist())
        file = folder / f"{name}{number}.onnx"
        source = DataSource(paths=tuple(sets or options.records))
        trained(definition, source, judged, file, options.seed + number)
        out.append((file, [one for one in found if one.person in judged]))
    return out


def trained(definition: TaskDefinition, source: DataSource, judged: set[str], file: Path, seed: int) -> None:
    """Train DEFAULT on people that aren't ``judged`` and write it to a file."""
    begun, config = time.perf_counter(), from_params(definition.suggest, definition.default)
    task, dataset = definition.task, definition.open(source)
    known = np.flatnonzero(~matching(dataset.subject, judged))
    fold = data.folds(dataset.y[known], dataset.subject[known], 5, seed, task.classes)[0]
    inside, kept = known[fold.train], known[fold.held_out]
    people = dataset.subject[inside]
    net = fit(config, task, Rows(dataset.x, inside), dataset.y[inside], people, seed=seed).model
    logits = predict(net, Rows(dataset.x, kept))
    seen = definition.target.predictions(logits, dataset.y[kept], dataset.subject[kept])
    offsets = definition.target.choose(seen, definition.value, floor=0.0, count=100)
    about = describe(
        task=task,
        config=config,
        study="digitised decisions",
        trial=0,
        offsets=offsets,
        data_name=dataset.name,
        data_fingerprint=dataset.fingerprint,
        synthetic=dataset.synthetic,
        subjects=tuple(np.unique(dataset.subject[known]).tolist()),
    )
    file.write_bytes(onnx_bytes(fold_decision(net, offsets), task, about))
    print(
        f"{task.name}: {config.describe()}, {len(inside)} windows of {len(np.unique(people))} people of"
        f" {dataset.name}, {time.perf_counter() - begun:.0f} s",
        flush=True,
    )


def decided(
    given: Sequence[Judge], signals: dict[str, Float32], folder: Path, notes: Counter[str]
) -> Decisions:
    """Write signals by name of strip as records, and decide on them as ``atml predict --lead II`` does."""
    folder.mkdir(parents=True)
    for name, signal in signals.items():
        write_record(folder, name, signal, RATE)
    out: Decisions = {}
    for path, mine in given:
        model = atml.load(path)
        # `predict` leaves out what is shorter than a window, and refuses where there is nothing else.
        least = model.task.seconds * RATE
        those = [one.name for one in mine if one.name in signals and signals[one.name].shape[1] >= least]
        if not those:
            continue
        found = atml.predict(model, [folder / f"{name}.hea" for name in those], lead="II")
        notes.update(found.notes)
        scores = found.windows[[f"score_{name}" for name in model.classes]].max(axis=1)
        for name, rows in found.windows.assign(score=scores).groupby("recording"):
            out[str(name)] = [
                Decision(start, call if isinstance(call, str) else None, score)
                for start, call, score in zip(rows["start_s"], rows["decision"], rows["score"], strict=True)
            ]
    return out


class Pairs:
    """Windows decided on both sides: whose, their class, what they are called and how surely at first."""

    def __init__(
        self, definition: TaskDefinition, found: Sequence[Strip], first: Decisions, second: Decisions
    ) -> None:
        self.undecided = 0
        rows: list[tuple[str, str, str, str, float]] = []
        for one in found:
            label = definition.label(one.rhythm)
            for window in first[one.name] if label is not None and one.name in second else ():
                near = min(second[one.name], key=lambda other: abs(other.start - window.start))
                again = near.call if abs(near.start - window.start) < NEAR_S else None
                if window.call is not None and again is not None:
                    assert label is not None
                    true = definition.task.classes[label]
                    rows.append((one.person, true, window.call, again, window.score))
                self.undecided += window.call is not None and again is None
        cells = np.array([row[:4] for row in rows], np.str_).reshape(-1, 4)
        self.person, self.label, self.first, self.second = cells.T
        self.score = np.array([row[4] for row in rows])

    def __len__(self) -> int:
        """Count them."""
        return len(self.person)

    def share(self, one: Floats | Bools) -> Interval:
        """Return the mean of a figure of each window, with its interval over people."""
        if not len(self):
            return Interval(np.nan, np.nan, np.nan)
        _, code = np.unique(self.person, return_inverse=True)
        cells = np.stack([np.bincount(code, one), np.bincount(code)], axis=1)
        return resampled(cells, lambda sums: {"share": sums[:, 0] / sums[:, 1]})["share"]

    def rates(self, called: Strings, klass: str) -> str:
        """Return sensitivity and specificity of a class."""
        true = self.label == klass
        right = [(called == klass)[true], (called != klass)[~true]]
        return " / ".join(f"{one.mean():.2f}" if len(one) else "-" for one in right)

    def row(self, klass: str) -> list[str]:
        """Return what a table says of them."""
        same = self.first == self.second
        surer = same[self.score > np.median(self.score)] if len(self) else same
        agree = self.share(same)
        lost = self.share((self.first == self.label) * 1.0 - (self.second == self.label))
        turned = Counter(zip(self.first[~same].tolist(), self.second[~same].tolist(), strict=True))
        return [
            str(len(self)),
            str(self.undecided),
            f"{100 * agree.value:.1f} ({100 * agree.low:.1f} to {100 * agree.high:.1f})",
            f"{100 * surer.mean():.1f}" if len(surer) else "-",
            f"{100 * lost.value:+.1f} ({100 * lost.low:+.1f} to {100 * lost.high:+.1f})",
            self.rates(self.first, klass),
            self.rates(self.second, klass),
            ", ".join(f"{one} to {other} {n}" for (one, other), n in sorted(turned.items())) or "none",
        ]


HEADER = (
    *("pictures", "read by", "pages", "refused", "dB", "windows", "undecided", "agreement in %"),
    *("surer half", "lost, points", "Se / Sp drawn", "Se / Sp read", "decisions that changed"),
)


def level(found: Sequence[Strip], signals: Signals) -> str:
    """Return the median of the decibels of lead II over the pages that were read."""
    levels = []
    for one, got in zip(found, signals, strict=True):
        if got is not None and (lead := matched(one.signal[[LEAD]], got[[LEAD]], RATE)[0]) is not None:
            levels.append(lead.db)
    return f"{np.median(levels):.1f}" if levels else "-"


def main() -> None:
    """Draw, read, decide, and print a table a task."""
    options = parsed()
    definitions = [task_files.find(name) for name in options.task.split(",")]
    loaded = [atml.load(path).exported for path in options.export]
    options.exports = {one.task.name: path for one, path in zip(loaded, options.export, strict=True)}
    options.sets = {}
    for one in options.data:
        name, _, path = one.partition("=")
        options.sets.setdefault(name, []).append(Path(path))
    if strange := {*options.exports, *options.sets} - {one.name for one in definitions}:
        raise SystemExit(f"--export or --data of {', '.join(sorted(strange))}, not of --task {options.task}")
    everybody = np.unique(definitions[0].open(DataSource(paths=tuple(options.records))).subject).tolist()
    known = sorted({name for one in loaded for name in one.trained_on(everybody)})
    if known:
        print(f"not judged, for an export was trained on them: {len(known)} people")
    found = strips(definitions[0], options, known)
    height, width = (int(n) for n in options.size.split("x"))
    readers: dict[str, Read] = {"tracing": without_network}
    if options.network is not None:
        readers["network"] = network(options)
    with tempfile.TemporaryDirectory() as root, settled("cpu", 1):
        folder, notes = Path(root), Counter[str]()
        given = [judges(one, found, options, folder) for one in definitions]
        sides: list[tuple[str, str, Signals]] = [
            ("none", "20 ms later", [np.roll(one.signal, MOVED, axis=1) for one in found]),
            ("none", "means of columns", [columns(one.signal, width) for one in found]),
        ]
        for kind in options.kind.split(","):
            for name, (signals, seconds) in read_all(
                found, kind, readers, (height, width), options.seed
            ).items():
                sides.append((kind, name, signals))
                print(f"{kind}, {name}: {seconds:.2f} s a page", flush=True)
        for definition, those in zip(definitions, given, strict=True):
            classes, positive = definition.task.classes, definition.task.positive
            klass = classes[1 if positive is None else positive]
            at = folder / definition.name
            first = decided(those, {one.name: one.signal for one in found}, at / "drawn", notes)
            rows = []
            for number, (kind, name, signals) in enumerate(sides):
                read = {one.name: got for one, got in zip(found, signals, strict=True) if got is not None}
                second = decided(those, read, at / str(number), notes)
                refused = str(len(found) - len(read))
                head = [kind, name, str(len(found)), refused, level(found, signals)]
                rows.append(head + Pairs(definition, found, first, second).row(klass))
            people, of = len({one.person for one in found}), dict(Counter(one.rhythm for one in found))
            print(
                f"\n{definition.name}, {options.size}, {people} people, pages of {of}; Se and Sp of {klass}"
            )
            print(table(HEADER, rows, left=2))
        for note in [note for note, _ in notes.most_common(8)]:
            print(f"note: {note}")


def parsed() -> argparse.Namespace:
    """Read the command line."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--task", default="rhythm,afib", help="tasks with commas between")
    asked.add_argument("--records", type=Path, action="append", default=[])
    asked.add_argument("--export", type=Path, action="append", default=[])
    asked.add_argument("--data", action="append", default=[], metavar="TASK=SET")
    asked.add_argument("--network", type=Path)
    asked.add_argument("--base", type=int, default=8)
    asked.add_argument("--depth", type=int, default=4)
    asked.add_argument("--pixels", default="512x672", help="that weights without an export see")
    asked.add_argument("--people", type=int, default=60)
    asked.add_argument("--each", type=int, default=1, help="pages of a person and class")
    asked.add_argument("--kind", default=",".join(KINDS))
    asked.add_argument("--size", default="512x672")
    asked.add_argument("--folds", type=int, default=3)
    asked.add_argument("--seed", type=int, default=0)
    return asked.parse_args()


if __name__ == "__main__":
    main()
