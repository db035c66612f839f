"""An entry that says something wrong is corrected in a browser: it stays, and leads on."""

import re
from uuid import uuid4

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, driver

expect = driver().expect
pytestmark = IN_A_BROWSER


@pytest.fixture
def made(stack: Stack) -> str:
    """The entry of a product that was made."""
    about = {"name": f"Harbour {uuid4().hex[:6]}", "currency": "EUR", "sell_amount_cents": 100}
    with stack.client() as client:
        product = client.post("/api/v1/products", json=about).json()
        found = {"action_name": "product.create", "target_id": product["id"]}
        [entry] = client.get("/api/v1/ledger/entries", params=found).json()["results"]
    return str(entry["id"])


def test_is_corrected_by_keyboard_and_without_scripts(
    browse: Browse, stack: Stack, made: str
) -> None:
    with browse(java_script_enabled=False) as visit:
        page = visit.page
        visit.open(f"/admin/ledger/entry/{made}/change/")
        expect(page.get_by_label("Username")).to_be_focused()
        page.keyboard.type("admin")
        visit.tab_to("[name=password]")
        page.keyboard.type(stack.state.secrets()["DEMO_PASSWORD"])
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{made}/change/")
        expect(page.locator("#toggle-nav-sidebar")).to_be_hidden()
        visit.tab_to(".object-tools a")
        page.keyboard.press("Enter")
        page.wait_for_url("**/amend/")

        visit.tab_to("[name=reason]")
        page.keyboard.type("It was made for the spring.")
        visit.tab_to("#content [type=submit]")
        page.keyboard.press("Enter")

        expect(page.get_by_text(re.compile("The correction is on record"))).to_be_visible()


def test_is_corrected_where_it_is_shown_and_both_lead_to_one_another(
    browse: Browse, made: str
) -> None:
    at = f"/admin/ledger/entry/{made}"
    with browse() as visit:
        visit.log_in()
        visit.open(f"{at}/change/")
        visit.page.get_by_role("link", name="Correct it").click()
        expect(
            visit.page.get_by_text(re.compile("The entry itself is not changed"))
        ).to_be_visible()

        visit.page.get_by_label("Reason").fill("It was made for the spring.")
        visit.page.get_by_role("button", name="Put the correction on record").click()

        expect(visit.page.get_by_text(re.compile("The correction is on record"))).to_be_visible()
        corrections = visit.page.locator(".field-corrections")
        expect(corrections).to_contain_text("It was made for the spring.")
        corrections.get_by_role("link").click()
        expect(
            visit.page.get_by_text("Corrects what is on record of product.create.")
        ).to_be_visible()
        amended = visit.page.locator(".field-chain").get_by_role(
            "link", name=re.compile("product.create")
        )
        expect(amended).to_have_attribute("href", f"{at}/change/")
        visit.fits(f"{at}/amend/")
