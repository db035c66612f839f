from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.test import Client

from events import context
from ledger import recording
from ledger.models import ReversalStanding
from ledger.reversing import previews
from tests.integration.ledger.conftest import grant
from tests.integration.ledger.lamp import Lamp, switch_off, switching
from tests.integration.ledger.reversing.test_standings import CLERK

# Fixed, so that every worker of a parallel run collects the same tests.
NOBODYS = UUID("01900000-0000-7000-8000-000000000000")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_new_lamp() -> Iterator[None]:
    with context.acting(CLERK, correlation_id="cor_test"):
        yield
    Lamp.version = 1


@pytest.fixture
def staff(alice: User, client: Client) -> Client:
    alice.is_staff = True
    alice.save()
    grant(alice, "ledger.read", "ledger.reverse", "event.read")
    client.force_login(alice)
    return client


def page_of(entry_id: object) -> str:
    return f"/admin/ledger/reversalstanding/entry/{entry_id}/"


class TestThePageOfAnEntry:
    def test_shows_the_effects_and_does_exactly_that(self, staff: Client) -> None:
        entry_id = switch_off()
        shown = staff.get(page_of(entry_id))
        assert b"The lamp goes on again." in shown.content
        assert shown.text.count(f'<a href="/admin/ledger/entry/{entry_id}/change/">') == 2
        assert '<a href="/admin/ledger/entry/">Entries</a>' in shown.text

        body = {"reason": "Too dark", "token": previews.preview(entry_id).token}
        answer = staff.post(page_of(entry_id), body, follow=True)

        page = answer.content.decode()
        assert 'It is completed: see <a href="/admin/ledger/entry/' in page
        assert "<p>This was undone already." in page  # It is no error to have undone it.
        assert ReversalStanding.objects.get(entry=entry_id).outcome == "full"

    def test_refuses_what_is_stale_and_shows_it_anew(self, staff: Client) -> None:
        entry_id = switch_off()

        answer = staff.post(page_of(entry_id), {"reason": "Too dark", "token": "0" * 64})

        assert b"changed since the preview" in answer.content
        assert ReversalStanding.objects.get(entry=entry_id).state == "available"

    def test_says_why_not_and_what_instead(self, staff: Client) -> None:
        with recording.recorded(switching("lamp.break")) as proof:
            proof.cannot_be_undone("Glass does not mend.", follow_ups=("lamp.candle",))

        shown = staff.get(page_of(proof.entry_id)).content

        assert b"Glass does not mend." in shown
        assert b"Light a candle." in shown
        assert f'href="/admin/ledger/entry/{proof.entry_id}/change/"'.encode() in shown
        assert b"<strong>not reversible</strong>" in shown
        assert b"Undo it exactly like this" not in shown

    @pytest.mark.parametrize("of", [f"entry/{NOBODYS}/", "x/change/", "_5F/change/"])
    def test_is_not_there_for_what_is_no_entry(self, staff: Client, of: str) -> None:
        answer = staff.get(f"/admin/ledger/reversalstanding/{of}")

        assert answer.status_code == 404

    def test_is_for_readers_of_the_ledger(self, bob: User, client: Client) -> None:
        entry_id = switch_off()
        bob.is_staff = True
        bob.save()
        client.force_login(bob)

        answer = client.get(page_of(entry_id))

        assert answer.status_code == 403
        assert "Permission denied" in answer.content.decode()

    def test_is_where_the_list_leads(self, staff: Client) -> None:
        entry_id = switch_off()

        assert b"available" in staff.get("/admin/ledger/reversalstanding/").content
        answer = staff.get(f"/admin/ledger/reversalstanding/{entry_id}/change/")
        assert answer["Location"] == page_of(entry_id)

    def test_is_where_its_entry_leads(self, staff: Client) -> None:
        entry_id = switch_off()

        shown = staff.get(f"/admin/ledger/entry/{entry_id}/change/").content.decode()

        assert "<p>Available." in shown
        assert f'<a href="{page_of(entry_id)}">Preview the reversal</a>' in shown

    def test_is_led_to_with_why_not_and_what_instead(self, staff: Client) -> None:
        with recording.recorded(switching("lamp.break")) as proof:
            proof.cannot_be_undone("Glass does not mend.", follow_ups=("lamp.candle",))

        shown = staff.get(f"/admin/ledger/entry/{proof.entry_id}/change/").content.decode()

        assert "Not reversible." in shown
        assert "Glass does not mend." in shown
        assert "What can be done instead</a>" in shown


def test_an_effect_says_its_amount_as_people_do() -> None:
    effect = {"kind": "compensated", "summary": "The money goes back.", "currency": "EUR"}

    shown = render_to_string("ledger/_effect.html", {"effect": {**effect, "amount_cents": 11_662}})

    assert "The money goes back. (116.62 EUR)" in shown
