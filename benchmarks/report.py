"""Size of a large study's report, and seconds to write and to open it: python benchmarks/report.py.

The study is made without training (tests/report/made.py): real parameters, invented values. Most of the time
goes into making it; --database keeps it for the next time. Opening is measured in a headless Chromium that
has nothing cached, from the call to the moment at which the page has loaded, and to the one at which Plotly
is unpacked and what is in sight is drawn. Ten megabytes and three seconds are what a report may take.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from atml import report
from atml.storage import Store
from tests import browser
from tests.report import made


def opened(page: Path) -> tuple[float, float]:
    """Return seconds to load, and seconds until what is in sight is drawn."""
    with browser.started() as chromium:
        began = time.perf_counter()
        with browser.visit(chromium, page.as_uri()) as seen:
            loaded = time.perf_counter() - began
            seen.until("window.Plotly")
            seen.page.evaluate(browser.FRAMES)
            return loaded, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--database", type=Path, help="Where the study is, or is to be kept.")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = (options.database or Path(folder) / "studies.db").resolve()
        store = Store(f"sqlite:///{database}")
        if "made" not in store.studies():
            began = time.perf_counter()
            made.study(store, "made", options.trials)
            print(f"made {options.trials} trials in {time.perf_counter() - began:.0f} s")
        store.close()
        store = Store(f"sqlite:///{database}")
        began, cpu = time.perf_counter(), time.process_time()
        written = report.write(store, "made", Path(folder), charts=False)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        trials = len(store.trials("made"))
        print(f"{trials} trials: written in {wall:.1f} s ({cpu:.1f} s of processor)")
        print(f"size: {written.index.stat().st_size / 2**20:.2f} MB (10 allowed)")
        times = [opened(written.index) for _ in range(options.repeats)]
        loaded, drawn = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"opens: loaded after {loaded:.2f} s, drawn after {drawn:.2f} s (3 allowed)")
        store.close()


if __name__ == "__main__":
    main()
