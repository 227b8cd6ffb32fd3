"""Is the search worth it: atml against plain Optuna, against chance, and against its own DEFAULT.

There are three ways. ``python benchmarks/versus.py --replay TABLE [--seeds 20] [--seconds 2500]`` replays the
sides on a table of `benchmarks/record.py`. ``python benchmarks/versus.py --data SET [SET ...] [--outside SET
...] [--seconds S] [--seeds N] [--nested K | --leave-out]`` trains: the same space, trainer, folds and data,
and the same CPU seconds of one thread, held-out predictions included; ``--processes N`` has several searches
run at once. ``--sides plain,atml`` leaves sides out. ``--out FILE`` keeps a JSON line for each search, and
``--read FILE [FILE ...]`` prints the tables of such files.

Sides: Optuna's TPE as it comes (plain), the same with a median pruner (median), random draws (random), atml
with a comparison at each report point (former), atml as it is (atml). atml's begin with DEFAULT and the
portfolio of the space, as a search does. Four sides more say what a gain is made of: plain TPE that is given
DEFAULT first (seeded); atml without pruning (uncut); atml that tries what searches on other data picked
(memory, ``--memory FILE``, a file of ``--out``); and atml that spends the last quarter of the time on fresh
seeds of its best three and DEFAULT, as a search does (finalists).

The value at which a search found its best config is partly luck. So each side's pick, after 25, 50 and 100%
of the time, is trained again on fresh seeds (``--repeats``) over the same folds, and DEFAULT beside it. And
those folds were looked at all the time: what counts is *outside*. With ``--nested K`` the subjects of
``--data`` are dealt into K parts, each held out of one whole search; with ``--leave-out`` each of several
sets is; with ``--outside`` further sets are judged. The last pick and DEFAULT are trained on everything that
the search saw, and judged there by subject, at threshold 0: the F-beta (beta 2) of a subject with positives,
the specificity of one without; for several classes the accuracy. Gains are paired by subject, means over
parts, seeds and repeats, with a 90% interval from resampling subjects.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import versus_real
import versus_replay
from versus_sides import SIDES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--replay", type=Path, metavar="TABLE")
    what.add_argument("--data", type=Path, nargs="+", metavar="SET")
    what.add_argument("--read", type=Path, nargs="+", metavar="FILE", help="that --out wrote")
    parser.add_argument("--outside", type=Path, nargs="+", default=[], metavar="SET")
    parser.add_argument("--task", default="afib")
    parser.add_argument("--space", type=Path, help="search space (default: the task's, the table's)")
    parser.add_argument("--objective", help="objective file, name, or FILE.py:NAME")
    parser.add_argument("--window", type=float, help="seconds")
    parser.add_argument("--sides", default="plain,median,random,former,atml", help=f"of {', '.join(SIDES)}")
    parser.add_argument("--seeds", type=int, help="default: 20 replayed, 5 for real")
    parser.add_argument("--seconds", type=float, default=2500.0, help="of training, for each search")
    parser.add_argument("--folds", type=int, default=5)
    outer = parser.add_mutually_exclusive_group()
    outer.add_argument("--nested", type=int, default=0, metavar="K")
    outer.add_argument("--leave-out", action="store_true", help="hold each set of --data out of one search")
    parser.add_argument("--repeats", type=int, default=2, help="fresh seeds for each pick")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--memory", type=Path, help="file of --out: its picks are tried first by `memory`")
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    sides = given.sides.split(",")
    if unknown := [side for side in sides if side not in SIDES]:
        raise SystemExit(f"no side {unknown[0]!r}: {', '.join(SIDES)}")
    if given.replay is not None:
        versus_replay.replay(
            given.replay, given.space, sides, given.seeds or 20, given.seconds, given.processes
        )
        return
    if given.read is not None:
        results = versus_real.read(given.read)
        print(versus_real.rendered(results, results[0].course.seconds))
        return
    if "memory" in sides and given.memory is None:
        raise SystemExit("side 'memory' needs --memory FILE, which a run with --out wrote")
    bench = versus_real.Bench(
        task=given.task,
        data=tuple(path.resolve() for path in given.data),
        outside=tuple(path.resolve() for path in given.outside),
        space=given.space,
        objective=given.objective,
        window=given.window,
        folds=given.folds,
        nested=given.nested,
        leave_out=given.leave_out,
        repeats=given.repeats,
        seconds=given.seconds,
        memory=given.memory,
    )
    results = bench.run(sides, given.seeds or 5, processes=given.processes, out=given.out)
    print(versus_real.rendered(results, given.seconds))


if __name__ == "__main__":
    main()
