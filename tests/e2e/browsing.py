"""A tab of a real browser on a real Daybook, and what it complained of."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from config.processes.stack import TRUSTING_NOBODY, Stack

# The same engine; without windows, whose every tab costs a quarter more.
CHROMIUM = (
    shutil.which("chromium-headless-shell")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
)
IN_A_BROWSER = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]

WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 380, "height": 800}
# Each width and each theme once: what fits in one theme fits in the other.
LOOKS = ((WIDE, "light"), (NARROW, "dark"))
PATIENCE_MS = 120_000
_STOPS_MAX = 60
LEGIBILITY = (Path(__file__).parent / "legibility.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """A tab of a browser, and what its console complained of.

    `meant` is what a complaint may have in it, whenever the browser gets round to it.
    """

    page: Any
    stack: Stack
    complaints: list[str] = field(default_factory=list)
    meant: set[str] = field(default_factory=set)

    def open(self, address: str) -> None:
        self.page.goto(self.stack.url + address)

    def log_in(self, username: str = "admin", password: str | None = None) -> None:
        """Have the cookies of somebody who has just logged in; no page is opened by it."""
        password = password or self.stack.state.secrets()["DEMO_PASSWORD"]
        patience = PATIENCE_MS / 1000
        with httpx2.Client(
            base_url=self.stack.url, timeout=patience, verify=TRUSTING_NOBODY
        ) as client:
            client.get("/login/")
            form = {"username": username, "password": password}
            form["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
            assert client.post("/login/", data=form).is_redirect, username
            cookies = [(each.name, each.value) for each in client.cookies.jar]
        self.page.context.add_cookies(
            [{"name": name, "value": value, "url": self.stack.url} for name, value in cookies]
        )

    def log_in_by_hand(self) -> None:
        """Log in on the page, which leads to the first one."""
        self.open("/login/")
        self.page.get_by_label("Username").fill("admin")
        self.page.get_by_label("Password").fill(self.stack.state.secrets()["DEMO_PASSWORD"])
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(self.stack.url + "/")

    def fits(self, address: str) -> None:
        """Open a page, and see that it fits the screen in both looks."""
        self.open(address)
        self.fits_in_both_looks()

    def fits_in_both_looks(self) -> None:
        """See that the open page can be read, and does not scroll sideways; it stays narrow."""
        for size, scheme in LOOKS:
            self.page.set_viewport_size(size)
            # Else colours would be on their way from one look to the next.
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            widths = "[document.documentElement.scrollWidth, innerWidth]"
            content, window = self.page.evaluate(widths)
            assert content <= window, (self.page.url, scheme)
            assert self.page.evaluate(LEGIBILITY) == [], (self.page.url, scheme, size)

    def tab_to(self, selector: str) -> None:
        """Go by keyboard to what matches; wherever it stops, a ring of our own is seen."""
        for _ in range(_STOPS_MAX):
            self.page.keyboard.press("Tab")
            stop = self.page.locator(":focus")
            ring = "each => [getComputedStyle(each).outline, getComputedStyle(each).outlineStyle]"
            outline, style = stop.evaluate(ring)
            assert style == "solid", (outline, stop.evaluate("each => each.outerHTML"))
            if stop.evaluate("(each, selector) => each.matches(selector)", selector):
                return
        raise AssertionError(f"no key leads to {selector}")

    def others(self) -> list[str]:
        """Return the complaints that were not meant."""
        return [each for each in self.complaints if not any(kind in each for kind in self.meant)]

    def is_live(self) -> None:
        live = self.page.locator("[data-of=feed-live]")
        driver().expect(live).to_have_text("Live", timeout=PATIENCE_MS)

    def rows(self) -> list[str]:
        """The positions shown, from the top."""
        found: list[str] = self.page.locator("[data-feed-list] .folio").all_inner_texts()
        return found


Browse = Callable[..., Any]


def driver() -> Any:
    """Return what drives the browser, or skip what asks for it."""
    return pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


def note(tab: Visit, message: Any) -> None:
    # Violations of the content security policy arrive here as well.
    if message.type in {"error", "warning"}:
        tab.complaints.append(message.text)
