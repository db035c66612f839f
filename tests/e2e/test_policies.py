"""A rule is tried on the past in a browser: its condition is mended, and shows what it does."""

import re
from uuid import uuid4

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, NARROW, Browse, Visit, driver

expect = driver().expect
pytestmark = IN_A_BROWSER


@pytest.fixture
def policy(stack: Stack) -> str:
    """A draft that asks for nothing, and something that was done."""
    terms = {
        "name": f"try-{uuid4()}",
        "meaning": "To be tried.",
        "capabilities": ["product.*"],
        "condition": "false",
        "ttl_seconds": 3600,
    }
    product = {"name": "A walk", "currency": "EUR", "sell_amount_cents": 100, "status": "draft"}
    with stack.client() as client:
        drafted = client.post("/api/v1/ledger/policies", json=terms)
        assert drafted.status_code == 201, drafted.text
        made = client.post("/api/v1/products", json=product)
        assert made.status_code == 201, made.text
    return str(drafted.json()["name"])


def fits_and_can_be_shared(tab: Visit) -> None:
    tab.fits_in_both_looks()
    field = tab.page.get_by_role("textbox", name="Condition")
    address, condition = tab.page.url, field.input_value()
    tab.page.goto("about:blank")
    tab.page.goto(address)
    expect(field).to_have_value(condition)


def test_a_condition_is_mended_tried_and_drafted(browse: Browse, policy: str) -> None:
    with browse(size=NARROW) as tab:
        tab.log_in()
        tab.open("/ledger/policies")
        row = tab.page.get_by_role("row").filter(has_text=policy)
        row.get_by_role("link", name="What if…").press("Enter")
        expect(tab.page.get_by_text("Nothing would change.")).to_be_visible()

        tab.meant.add("400")  # The browser's own word on the refusal.
        tab.page.get_by_role("textbox", name="Condition").fill("action ==\n  && risk")
        tab.page.get_by_role("button", name="Try", exact=True).press("Enter")
        expect(tab.page.locator("[data-place]")).to_contain_text(re.compile(r"line 2, column \d"))
        expect(tab.page.get_by_role("textbox", name="Condition")).to_be_focused()

        tab.page.get_by_role("textbox", name="Condition").fill("action == 'product.create'")
        tab.page.get_by_role("button", name="Try", exact=True).press("Enter")
        expect(tab.page.locator(".chip", has_text="newly needs approval").first).to_be_visible()
        first = tab.page.get_by_role("link", name="product.create").first
        assert first.get_attribute("href").startswith("/admin/ledger/entry/")
        fits_and_can_be_shared(tab)

        tab.page.get_by_role("button", name="Draft this version").press("Enter")
        expect(tab.page.get_by_role("heading", level=1)).to_have_text(f"What if: {policy}@v2")
        tab.page.get_by_text("Put in force…").click()
        expect(tab.page.get_by_role("button", name=f"Put {policy}@v2 in force")).to_be_visible()
