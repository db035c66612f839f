"""A start in a real browser: written with the server's help, declared, switched off."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, NARROW, Browse, driver

expect = driver().expect
pytestmark = IN_A_BROWSER


STEP = {
    "id": "keep-seats",
    "name": "Keep seats",
    "type": "wait",
    "wait": {"for_ms": 1},
    "attributes": {
        "show": {"role": "required", "type": "string"},
        "count": {"role": "required", "type": "number"},
    },
}


@pytest.fixture(autouse=True)
def _step(stack: Stack) -> Iterator[None]:
    with stack.client() as client:
        assert client.post("/api/v1/steps", json=STEP).is_success
        yield
        assert client.delete("/api/v1/steps/keep-seats").is_success


def test_a_start_is_written_declared_and_switched_off(browse: Browse, stack: Stack) -> None:
    with browse() as tab:
        tab.log_in()
        tab.open("/flows/starts")
        tab.page.get_by_role("link", name="Declare a start").click()
        tab.page.wait_for_url(re.compile("/flows/starts/new$"))

        form = tab.page.locator("[data-declare]")
        form.get_by_label("Name", exact=True).fill("in-a-browser")

        form.get_by_label("Cron rule").fill("61 * * * *")
        expect(form).to_contain_text("is no cron expression")
        form.get_by_label("Cron rule").fill("30 6 1 * *")
        expect(form.locator(".slots li")).to_have_text([re.compile("06:30 UTC")] * 5)
        form.get_by_label("Goals").fill("keep-seats")
        form.get_by_label("show", exact=True).fill("hamlet")
        form.get_by_label("Time zone").fill("Asia/Tokyo")
        expect(form.locator(".slots li").first).to_contain_text("06:30 JST")
        # What was filled in stays while the server writes the rest.
        expect(form.get_by_label("show", exact=True)).to_have_value("hamlet")
        assert "cron=30+6+1" in tab.page.url

        tab.meant.add("400 (Bad Request)")
        form.get_by_role("button", name="Declare").click()
        expect(form).to_contain_text("This is needed")
        form.get_by_label("count", exact=True).fill("2")
        form.get_by_role("button", name="Declare").click()
        tab.page.wait_for_url(re.compile("/flows/starts/in-a-browser$"))


def test_what_is_filled_in_before_the_script_is_there_counts_too(browse: Browse) -> None:
    with browse() as tab:
        form = tab.page.locator("[data-declare]")

        def be_quick(script: Any) -> None:
            form.get_by_label("Cron rule").fill("61 * * * *")
            script.continue_()

        tab.log_in()
        tab.page.route("**/declare*.js", be_quick)
        tab.open("/flows/starts/new")
        expect(form).to_contain_text("is no cron expression")
        assert "cron=61" in tab.page.url


def test_it_fits_a_telephone_and_is_removed_there(browse: Browse, stack: Stack) -> None:
    with stack.client() as client:
        body = {"goals": ["keep-seats"], "event": "booking.confirmed",
                "init": {"show": ["hamlet"], "count": [1]}}  # fmt: skip
        assert client.put("/api/v1/flow-starts/by-telephone", json=body).is_success
    with browse(size=NARROW, color_scheme="dark") as tab:
        tab.log_in()
        for address in ("/flows/starts", "/flows/starts/by-telephone/edit", "/flows/starts/new",
                        "/flows/starts/by-telephone"):  # fmt: skip
            tab.open(address)
            width = tab.page.evaluate("document.documentElement.scrollWidth")
            assert width <= NARROW["width"], address
        tab.page.get_by_text("Remove…").click()
        tab.page.locator("#remove-reason").fill("A test")
        tab.page.get_by_role("button", name="Remove").click()
        tab.page.wait_for_url(re.compile("/flows/starts$"))
        expect(tab.page.get_by_text("Removed. Flows that it started continue.")).to_be_visible()
