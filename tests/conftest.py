"""What tests share: where real ECG lies, and small synthetic sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from atml.data import cache
from tests import browser as chromium
from tests.postgres import PACKAGE, Server, binaries

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPO = Path(__file__).resolve().parent.parent

# How long an example takes says how busy the machine is.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

LONG = (
    *("searching/test_region_learning", "test_readme", "test_promises", "test_benchmarks"),
    *("searching/test_processes", "test_earlier_versions", "digitising/test_real_pages"),
    *("digitising/test_digitiser", "searching/test_search", "data/test_mutations", "test_one_truth"),
    *("report/test_search_side", "test_docs", "device/test_c", "benchmarks/test_versus"),
    *("library/test_task_source", "storage/test_recovery", "cli/test_regions_command", "cli/test_cli"),
    *("storage/test_postgresql", "storage/test_migrating", "cli/test_names_and_terminals"),
    *("searching/test_following", "storage/test_study_transfer", "library/test_notebook"),
    *("searching/test_starting_point", "searching/test_picking", "searching/test_supervisor_cpu"),
    *("test_extending", "task_files/test_definition", "dashboard/test_server", "library/test_examples"),
    *("library/test_search_function", "report/test_three_classes", "serving/test_bench"),
    *("annotating/test_command", "storage/test_store", "training/test_seen_more", "data/test_synthetic"),
    *("artifacts/test_export", "dashboard/test_browser", "searching/test_joining", "device/test_toolchains"),
    *("promotion/test_retraining_page", "report/test_sections", "evaluation/test_baseline"),
    *("models/test_network", "cli/test_defib", "library/test_packing", "device/test_integers"),
)
"""Modules that take more than ten seconds on an idle machine, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: a module is one core's work, and short ones fill the end."""
    root = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        module = item.path.relative_to(root).with_suffix("").as_posix()
        return LONG.index(module) if module in LONG else len(LONG)

    items.sort(key=place)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ECG beside the checkout; skipped, and said so, where it is absent."""
    folder = Path(os.environ.get("ATML_TEST_DATA", REPO.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real ECG at {folder}; set ATML_TEST_DATA to a folder that holds it")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this test process's own; skipped, and said so, where none is installed."""
    found = binaries()
    if found is None:
        pytest.skip(f"no PostgreSQL server here; Debian's package is {PACKAGE}")
    pytest.importorskip("psycopg", reason="no psycopg; pip install 'atml[postgresql]'")
    server = Server(found)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium of this test process's own; skipped, and said so, where none is installed."""
    pytest.importorskip("playwright", reason="no playwright; pip install 'atml[test]'")
    if chromium.executable() is None:
        pytest.skip("no Chromium here; Debian's package is chromium")
    with chromium.started() as found:
        yield found


@pytest.fixture(autouse=True, scope="session")
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep parsed copies and measurements of this run to itself, and what zig builds once where it was."""
    os.environ.setdefault("ZIG_GLOBAL_CACHE_DIR", str(cache.root(None) / "zig"))
    os.environ["ATML_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    os.environ["ATML_CONFIG"] = str(tmp_path_factory.mktemp("config"))
