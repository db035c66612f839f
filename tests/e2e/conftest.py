"""The browser of the tests that look at pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import CHROMIUM, PATIENCE_MS, WIDE, Browse, Visit, driver, note

# What a new context brings along besides its page takes more than half of its time: a renderer
# for a page that never comes, and two pages of the browser's own below a bar that nobody sees.
# The last ones Playwright switches off too, and its list is not looked at beside this one.
FEATURES_OFF = (
    "SpareRendererForSitePerProcess",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "AimEnabled",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "MediaRouter",
    "OptimizationHints",
    "PaintHolding",
)
FLAGS = ["--no-sandbox", f"--disable-features={','.join(FEATURES_OFF)}"]


# One for all of them, and gone before whoever comes next: its driver has an event loop in the
# thread of the tests, and Django's ORM would not work beside that.
@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    driver().expect.set_options(timeout=PATIENCE_MS)
    with driver().sync_playwright() as engine:
        running = engine.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def browse(browser: Any, stack: Stack) -> Browse:
    """Return a context manager that opens a tab, and at its end wants no complaints."""

    @contextmanager
    def visit(*, size: dict[str, int] = WIDE, **options: Any) -> Iterator[Visit]:
        context = browser.new_context(viewport=size, **options)
        context.set_default_timeout(PATIENCE_MS)
        tab = Visit(context.new_page(), stack)
        tab.page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.page.on("console", lambda message: note(tab, message))
        yield tab
        complaints = tab.others()
        context.close()
        assert complaints == []

    return visit
