"""The Dashboard in a real browser: it shows what we add, asks nobody outside and complains of nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import optuna
import pytest

from atml.dashboard import server
from atml.storage import Store
from tests import browser as chromium
from tests.report import made

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAME = "seen"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dashboard on a study with an export and a report."""
    folder = tmp_path_factory.mktemp("served")
    store = Store(f"sqlite:///{folder / 'studies.db'}")
    made.study(store, NAME, 24)
    first = store.study(NAME).get_trials(deepcopy=False)[0]
    collapsed = optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE,
        params=first.params,
        distributions=first.distributions,
        value=0.4,
        intermediate_values={0: 0.4},
        constraints={"collapsed": 1.0},
        user_attrs={"config": first.user_attrs["config"]},
    )
    store.study(NAME).add_trial(collapsed)
    export = folder / "exports" / "96-91-t0000"
    export.mkdir(parents=True)
    (export / "MODEL_CARD.md").write_text("# card")
    store.save_export(NAME, 0, export, "0" * 64)
    figures = folder / "reports" / NAME / "figures"
    figures.mkdir(parents=True)
    (figures / "roc.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    bound = server.bind(server.application(store, folder / "reports"), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, args=(bound,))
    thread.start()
    yield server.address(bound)
    bound.shutdown()
    thread.join()
    store.close()


PAGES = {
    "/dashboard/studies/1": (
        "Hyperparameter Importance",
        "value out of fold",
        "(infeasible)",
        "learning rate",
    ),
    "/dashboard/studies/1/note": ("Where it stands", "Finalists", "How to read this page"),
    "/dashboard/studies/1/trials?numbers=0": ("the default config", "MODEL_CARD.md", "augmentation"),
}


@pytest.mark.parametrize(("width", "dark"), [(chromium.DESKTOP, False), (chromium.PHONE, True)])
def test_pages(browser: Browser, served: str, width: int, dark: bool) -> None:
    with chromium.visit(browser, f"{served}/dashboard", width=width, dark=dark) as seen:
        for path, words in PAGES.items():
            seen.page.goto(served + path)
            for word in words:
                seen.page.get_by_text(word).first.wait_for(state="attached")
        assert seen.troubles == []
        outside = [url for url in seen.requests if not url.startswith((served, "data:", "blob:"))]
        assert outside == []
        background = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") is not dark, background


def test_deleting_is_refused_in_the_browser_too(browser: Browser, served: str) -> None:
    with chromium.visit(browser, f"{served}/dashboard") as seen:
        script = (
            "fetch('/api/studies/1', {method: 'DELETE'}).then(r => r.json().then(j => [r.status, j.reason]))"
        )
        status, reason = seen.page.evaluate(script)
        assert status == 403 and "atml study delete" in reason
        assert [text for text in seen.troubles if "403" not in text] == []
