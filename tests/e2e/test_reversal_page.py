"""Undoing in two browsers: one person looks and asks, another agrees, then it is done."""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, driver
from tests.support.managing import create_decider

expect = driver().expect
pytestmark = IN_A_BROWSER

PASSWORD = "a-long-password-of-hers"


@pytest.fixture(scope="module")
def reviewer(stack: Stack) -> str:
    """Somebody else than the demo user, who may decide."""
    return create_decider(stack, "reviewer", password=PASSWORD)


@pytest.fixture
def renamed(stack: Stack) -> Iterator[str]:
    """The entry of a change that nobody takes back alone."""
    about = {"name": f"Harbour {uuid4().hex[:6]}", "currency": "EUR", "sell_amount_cents": 100}
    with stack.client() as client:
        product = client.post("/api/v1/products", json=about).json()
        at = f"/api/v1/products/{product['id']}"
        etag = client.get(at).headers["ETag"]
        changed = client.patch(at, json={"name": "Harbor"}, headers={"If-Match": etag})
        assert changed.is_success, changed.text
        found = {"action_name": "product.update", "target_id": product["id"]}
        [entry] = client.get("/api/v1/ledger/entries", params=found).json()["results"]
        policy = {
            "name": "catalogue-approval",
            "meaning": "What is in the catalogue is not changed back by one alone.",
            "capabilities": ["product.update"],
            "condition": "target_state.status == 'draft'",
            "ttl_seconds": 3600,
        }
        draft = client.post("/api/v1/ledger/policies", json=policy).json()
        at = f"/api/v1/ledger/policies/{draft['id']}"
        assert client.post(f"{at}/activate").is_success
        yield entry["id"]
        assert client.post(f"{at}/retire").is_success


def test_is_asked_for_where_it_is_shown_and_done_there_once_somebody_agreed(
    browse: Browse, reviewer: str, renamed: str
) -> None:
    with browse() as own, browse() as theirs:
        own.log_in()
        own.open(f"/admin/ledger/reversalstanding/entry/{renamed}/")
        expect(own.page.get_by_text("name gets its former value back.")).to_be_visible()
        expect(own.page.get_by_text(re.compile("1 person has to agree first"))).to_be_visible()

        own.page.get_by_label("Reason").fill("It is spelt with a u.")
        own.page.get_by_role("button", name=re.compile("Ask for approval")).click()
        expect(own.page.get_by_text(re.compile("It awaits approval"))).to_be_visible()
        expect(own.page.locator("strong", has_text="requested")).to_be_visible()
        own.page.get_by_role("link", name="see the request").click()
        expect(own.page.get_by_text("Somebody else has to decide.")).to_be_visible()

        theirs.log_in(reviewer, PASSWORD)
        theirs.page.goto(own.page.url)
        expect(
            theirs.page.get_by_text(re.compile("This request is to undo product.update"))
        ).to_be_visible()
        theirs.page.get_by_label("Reason").fill("So it is.")
        theirs.page.get_by_role("button", name="Approve", exact=True).click()
        expect(theirs.page.get_by_text(re.compile("Your decision is recorded"))).to_be_visible()

        own.page.get_by_role("link", name="preview the reversal").click()
        own.page.get_by_role("button", name="Undo it exactly like this").click()
        expect(own.page.get_by_text(re.compile("It is completed"))).to_be_visible()


def test_is_asked_for_and_agreed_to_by_keyboard_and_without_scripts(
    browse: Browse, reviewer: str, renamed: str
) -> None:
    with browse(java_script_enabled=False) as own, browse(java_script_enabled=False) as theirs:
        own.log_in()
        own.open(f"/admin/ledger/reversalstanding/entry/{renamed}/")
        own.tab_to("[name=reason]")
        own.page.keyboard.type("It is spelt with a u.")
        own.tab_to("#content [type=submit]")
        own.page.keyboard.press("Enter")
        expect(own.page.get_by_text(re.compile("It awaits approval"))).to_be_visible()
        own.tab_to("#content a[href^='/approvals/']")
        own.page.keyboard.press("Enter")
        own.page.wait_for_url("**/approvals/*")

        theirs.log_in(reviewer, PASSWORD)
        theirs.page.goto(own.page.url)
        theirs.tab_to("[name=comment]")
        theirs.page.keyboard.type("So it is.")
        theirs.tab_to("[value=approve]")
        theirs.page.keyboard.press("Enter")
        expect(theirs.page.get_by_text(re.compile("Your decision is recorded"))).to_be_visible()

        own.tab_to("#content a[href^='/admin/'], main a[href^='/admin/ledger/']")
        own.page.keyboard.press("Enter")
        own.page.wait_for_url("**/reversalstanding/entry/*/")
        own.tab_to("#content [type=submit]")
        own.page.keyboard.press("Enter")
        expect(own.page.get_by_text(re.compile("It is completed"))).to_be_visible()
