"""A real Chromium that opens pages and writes down what they ask for and complain about."""

from __future__ import annotations

import shutil
import time
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

FRAMES = """new Promise((done) => {
    setTimeout(() => done(false), 1000);
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true))));
})"""
"""Whether two frames came within a second: what is in sight is noticed when it is painted."""


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
            self.page.evaluate(f"scrollTo({{top: {y}, behavior: 'instant'}})")
            for _ in range(30):
                if self.page.evaluate(FRAMES):
                    break
                self._paint()
            else:
                raise AssertionError(f"nothing is painted at {y} px of {height}: {self._state()}")

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression holds.

        It is asked for by the clock: `Page.wait_for_function` asks at each frame, and once in a while
        Chromium makes none until something else happens.
        """
        begun = asked = time.monotonic()
        while not self.page.evaluate(f"!!({condition})"):
            now = time.monotonic()
            if now - begun > PATIENCE_MS / 1000:
                raise AssertionError(f"after {now - begun:.0f} s not {condition}: {self._state()}")
            if now - asked > 1:
                self._paint()
                asked = time.monotonic()
            self.page.wait_for_timeout(20)

    def _paint(self) -> None:
        """Have the page painted: a picture of it can't be taken otherwise."""
        session = self.page.context.new_cdp_session(self.page)
        clip = {"x": 0, "y": 0, "width": 1, "height": 1, "scale": 1}
        session.send("Page.captureScreenshot", {"clip": clip})
        session.detach()

    def _state(self) -> str:
        """What there is to see of why a page shows something not."""
        undrawn = "[...document.querySelectorAll('.chart')].filter((c) => !c.querySelector('.main-svg'))"
        seen = self.page.evaluate(
            f"`the page is ${{document.visibilityState}} and ${{document.readyState}}, at ${{scrollY}} of"
            f" ${{document.documentElement.scrollHeight}} px, Plotly is ${{typeof window.Plotly}}, not drawn:"
            f" ${{{undrawn}.map((c) => c.id)}}`"
        )
        return f"{seen}; complaints: {self.troubles}"


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
