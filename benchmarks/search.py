"""The main job, measured: a whole search, how its time was spent, what the winner is worth.

Run as ``python benchmarks/search.py --data SET [--task afib] [--trials 100] [--timeout 30m]``, on an idle
machine. SET holds a training and a test split, or ``--hold-out`` makes one. ``--folder FOLDER`` works in that
folder, with the task's files that are there, and keeps the study and the exports; where FOLDER has a
``studies.db`` already, the table of that search is printed and nothing is searched. The winner alone is
scored, once, by the task's rule or ``--rule``; its baseline stands beside it in every table.

Goals: 100 trials of the IESD 2024 excerpt within 30 minutes on two cores, at least 90% of the workers' time
spent training, a winner of at most 60 KiB with a mean per-subject F-beta of at least 0.90 out of fold
and on the test split. For ``--task defib`` with ``--max-size 30``: balanced accuracy 0.97 on 4-s windows of
VFDB by record, F-beta 0.97 on the windows of the ICCAD 2022 excerpt (``--window 5 --objective f_beta --rule
iccad2022``).
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from atml import task_files
from atml.artifacts import model
from atml.cli import best
from atml.data.formats.contest_reader import cores
from atml.formatting import clock
from atml.library.search_function import duration
from atml.scoring.evaluation import score_export
from atml.searching.entry_points import search
from atml.searching.progress import Lines
from atml.searching.ranking import ranked
from atml.searching.search_options import Options
from atml.storage import Store
from atml.training.records import TrialRecord


@contextlib.contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Work in ``folder``, or in a temporary one."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.chdir(folder or stack.enter_context(tempfile.TemporaryDirectory())))
        yield


def spent(trials: list[TrialRecord], workers: int) -> tuple[float, float]:
    """Return the seconds from the first trial's start to the last one's end, and the share spent training."""
    ended = [t for t in trials if t.started and t.ended]
    first = min(t.started for t in ended if t.started)
    last = max(t.ended for t in ended if t.ended)
    wall = (last - first).total_seconds()
    return wall, sum(t.result.get("training_s", 0.0) for t in ended) / (wall * workers)


def section(card: str, title: str) -> str:
    """Return one section of a model card; "" where it has none of that title."""
    found = re.search(rf"^## {title}\n.*?(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, action="append")
    parser.add_argument("--task", default="afib")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--timeout", default="30m")
    parser.add_argument("--max-size", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=float)
    parser.add_argument("--objective")
    parser.add_argument("--hold-out")
    parser.add_argument("--rule")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    data = [path.resolve() for path in given.data]
    with working_in(given.folder):
        if not Path("studies.db").exists():
            options = Options(
                task=given.task, data=tuple(data), trials=given.trials,
                timeout=duration("--timeout", given.timeout), max_size_kib=given.max_size,
                workers=given.workers, seed=given.seed, window=given.window,
                objective=given.objective, hold_out=given.hold_out,
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
        if not ranked(every):
            store.close()
            raise SystemExit("no trial ran over every fold: give it more --trials, or more time")
        print(f"{'best value in the search':42} {ranked(every)[0].value:.4f}")
        row = best.rows(store, name, 1)[0]
        print(f"{'winner, out of fold on fresh seeds':42} {row['judged'] or row['value']:.4f}")
        if row["folder"]:
            found = model.load(Path(row["folder"]))
            print(f"{'... its file':42} {found.size_bytes / 1024:.1f} KiB\n")
            card = (found.path.parent / model.CARD).read_text(encoding="utf-8")
            for title in ("Results out of fold", "What the network buys", "By rhythm"):
                print(section(card, title))
            definition = task_files.find(found.task.name)
            rule = given.rule or definition.rule
            place, label = found.path.parent, definition.label
            print(score_export(place, data, label=label, evaluations=store, rule=rule).render())
        store.close()


if __name__ == "__main__":
    main()
