"""The main job, measured: a whole search, how its time was spent, what the winner is worth.

Run as ``python benchmarks/search.py --data SET [--trials 100] [--timeout 30m] [--max-size 60]``, on an idle
machine. SET holds a training and a test split. ``--reuse FOLDER`` prints the table of a run that was made in
FOLDER (its ``studies.db`` and ``exports``) without searching again. The winner alone is scored, once.

Goals: 100 trials of the IESD 2024 excerpt within 30 minutes on two cores, at least 90% of the workers' time
spent training, a winner of at most 60 KiB with a mean per-subject F-beta of at least 0.90 out of fold
and on the test split.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atml import exported, rooms
from atml.cli.options import seconds
from atml.data.reader import cores
from atml.ranking import ranked
from atml.score import score_export
from atml.search import Options, search
from atml.store import Store
from atml.tables import best
from atml.types import TrialRecord
from atml.view import Lines, clock


@contextlib.contextmanager
def folder(reuse: Path | None) -> Iterator[Path]:
    """Work in ``reuse``, or in a temporary folder."""
    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        place = reuse or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)


def spent(trials: list[TrialRecord], workers: int) -> tuple[float, float]:
    """Return the seconds from the first trial's start to the last one's end, and the share spent training."""
    ended = [t for t in trials if t.started and t.ended]
    first = min(t.started for t in ended if t.started)
    last = max(t.ended for t in ended if t.ended)
    wall = (last - first).total_seconds()
    return wall, sum(t.result.get("training_s", 0.0) for t in ended) / (wall * workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="afib")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--timeout", default="30m")
    parser.add_argument("--max-size", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reuse", type=Path)
    given = parser.parse_args()
    data = given.data.resolve()
    with folder(given.reuse):
        if given.reuse is None:
            options = Options(
                task=given.task, data=(data,), trials=given.trials, timeout=seconds(given.timeout),
                max_size_kib=given.max_size, workers=given.workers, seed=given.seed,
            )  # fmt: skip
            search(options, Lines())
        store = Store(create=False)
        name = store.studies()[0]
        every = store.trials(name)
        counted = [t for t in every if t.role == "search"]
        repeats = [t for t in every if t.role == "finalist"]
        wall, share = spent(counted, given.workers)
        whole, _ = spent(every, given.workers)
        print(f"\n{'trials finished':42} {sum(t.finished for t in counted)}")
        print(f"{'... ran over every fold':42} {sum(t.state == 'complete' for t in counted)}")
        print(f"{'time for the trials':42} {clock(wall)}")
        print(f"{'time for trials and finalists':42} {clock(whole)}")
        print(f"{'share of the workers time spent training':42} {100 * share:.1f}%")
        if repeats:
            print(f"{'... of the finalists':42} {100 * spent(repeats, given.workers)[1]:.1f}%")
        print(f"{'best value in the search':42} {ranked(every)[0].value:.4f}")
        row = best(store, name, 1)[0]
        print(f"{'winner, out of fold on fresh seeds':42} {row['judged'] or row['value']:.4f}")
        if row["folder"]:
            model = exported.load(Path(row["folder"]))
            label = rooms.find(model.task.name).label
            report = score_export(model.path.parent, data, label=label, looks=store)
            print(f"{'... its file':42} {model.size_bytes / 1024:.1f} KiB")
            print(f"{'... on the test split, F':42} {report.score.f_beta:.4f}")
            print(f"{'... G':42} {report.score.g:.4f}")
            print(f"{'looks at this test set so far':42} {report.look}")
        store.close()


if __name__ == "__main__":
    main()
