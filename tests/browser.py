"""A real Chromium that opens pages and writes down what they ask for and complain about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # A page that Chromium takes for hidden is not painted, and what is drawn when in sight never is.
    *("--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows"),
)

PHONE, DESKTOP = 360, 1280
"""Widths in px."""

PATIENCE_MS = 120_000
"""How long a page may take to show something; a busy machine draws slowly."""


def executable() -> str | None:
    """Path of the browser, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started() -> Iterator[Browser]:
    """Start the browser; `executable` and the package playwright must be there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """An open page, the addresses it asked for, and its errors and warnings, console and page alike."""

    page: Page
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def overflow(self) -> int:
        """Return by how many px the page is wider than its window."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(wide))

    def walk(self) -> None:
        """Unfold every part and scroll from top to bottom, so that what is drawn late is drawn."""
        self.page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        height = int(self.page.evaluate("document.documentElement.scrollHeight"))
        for y in range(0, height + 1, 850):
            # What is in sight is noticed when it is painted, which a busy machine does late. Once in a while
            # Chromium asks for no frame until something else happens: the next step makes it.
            self.page.evaluate(
                f"scrollTo({{top: {y}, behavior: 'instant'}}); new Promise((done) => {{"
                " setTimeout(done, 10000);"
                " requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))); })"
            )


@contextmanager
def visit(browser: Browser, url: str, *, width: int = DESKTOP, dark: bool = False) -> Iterator[Visit]:
    """Open ``url`` in a window of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    seen = Visit(page)
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.troubles.append(str(error)))
    page.on(
        "console",
        lambda said: seen.troubles.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.goto(url)
    yield seen
    context.close()
