"""Who was let in to a document, in a browser: found by filters, revoked, and that undone."""

import re
from dataclasses import dataclass

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, NARROW, WIDE, Browse, Visit, driver
from tests.e2e.trading import booked, invoiced, post

expect = driver().expect
pytestmark = IN_A_BROWSER


@dataclass(frozen=True, kw_only=True)
class Granted:
    id: str
    purpose: str
    grantee: str
    invoice: str


@pytest.fixture
def access(stack: Stack, request: pytest.FixtureRequest) -> Granted:
    """An access to the document of an invoice, for the key of the installation itself."""
    purpose = f"Audit {request.node.name}"
    grantee = f"api_key:{stack.api_key.split('_')[1]}"
    with stack.client() as client:
        booking = booked(client, {"name": "Ada Lovelace", "email": "ada@example.com"})
        invoice = invoiced(client, booking)
        document = post(client, f"/invoices/{invoice['id']}/documents", {"format": "json"})
        wanted = {"grantee": grantee, "purpose": purpose}
        granted = post(client, f"/documents/{document['id']}/access", wanted)
    return Granted(
        id=granted["id"], purpose=purpose, grantee=grantee, invoice=str(invoice["number"])
    )


def filter_by(tab: Visit, access: Granted) -> None:
    """Narrow the list to one access, by the words of the form."""
    # Where there is little room it may be folded.
    who = tab.page.get_by_label("Who")
    if not who.is_visible():
        tab.page.get_by_text("Filters", exact=True).click()
    who.fill(access.grantee)
    tab.page.get_by_label("Number").fill(access.invoice)
    tab.page.get_by_role("button", name="Show").click()
    tab.page.wait_for_url(re.compile(r"/document-accesses\?.*grantee=api_key"))


def confirm(tab: Visit, summary: str, reason: str, button: str, message: str) -> None:
    """Do what the page offers, for a reason, and come back to it."""
    tab.page.get_by_text(summary).click()
    tab.page.get_by_role("textbox", name="Reason").fill(reason)
    tab.page.get_by_role("button", name=button, exact=True).click()
    expect(tab.page.get_by_text(message)).to_be_visible()


def test_an_access_is_found_revoked_and_that_is_undone(
    browse: Browse, stack: Stack, access: Granted
) -> None:
    chip = ".page-head .chip"
    with browse() as tab:
        tab.log_in()
        for size in (WIDE, NARROW):
            tab.page.set_viewport_size(size)
            tab.open("/document-accesses?status=live")
            filter_by(tab, access)
            [row] = tab.page.locator("tbody tr").all()
            expect(row).to_contain_text(access.purpose)
            expect(row.locator(".chip")).to_have_text("live")
        tab.fits_in_both_looks()
        row.get_by_role("link").click()
        tab.page.wait_for_url(stack.url + f"/document-accesses/{access.id}")
        expect(tab.page.locator(chip)).to_have_text("live")
        tab.fits_in_both_looks()

        confirm(tab, "Revoke…", "The audit is over", "Revoke", "The access is revoked.")
        expect(tab.page.locator(chip)).to_have_text("revoked")
        expect(tab.page.get_by_text("The audit is over")).to_be_visible()
        tab.fits_in_both_looks()

        undo = "Undo exactly like this"
        confirm(tab, "Undo the revocation…", "It was not", undo, "The revocation is undone")
        # What was revoked stays so: this is another access, for the rest of its time.
        assert not tab.page.url.endswith(access.id)
        expect(tab.page.locator(chip)).to_have_text("live")
        expect(tab.page.get_by_text(access.purpose)).to_be_visible()
        expect(tab.page.get_by_text("The audit is over")).to_have_count(0)
        tab.fits_in_both_looks()
