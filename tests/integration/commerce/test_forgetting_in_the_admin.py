"""A person is forgotten by hand: seen before, meant, with a reason, and certified."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from commerce.models import BookingContact, Invoice, Traveller, TravellerPersonal
from commerce.services import invoices, travellers
from ledger.models import Entry
from ledger.services import erasures
from tests.integration.ledger.approvals import put_into_force, say
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/commerce/traveller/"
MEANT = {"reason": "Request 12", "is_meant": "on"}


@pytest.fixture
def traveller(invoice: Invoice) -> Traveller:
    return travellers.add_traveller(
        booking_id=invoice.booking_id,
        category="adult",
        personal={"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com"},
    )


@pytest.fixture
def officer(transactional_db: None) -> Client:
    user = User.objects.create_user("officer", is_staff=True)
    client = Client()
    client.force_login(
        grant(user, "subject.erase", "subject.read", "traveller.read", "ledger.read")
    )
    return client


def page_of(traveller: Traveller) -> str:
    return f"/admin/ledger/erasure/subject/traveller/{traveller.pk}/"


def is_known(traveller: Traveller) -> bool:
    return TravellerPersonal.objects.filter(pk=traveller.pk).exists()


def test_the_list_leads_to_what_it_would_do_and_nothing_is_done(
    officer: Client, traveller: Traveller
) -> None:
    form = {"action": "forget", "_selected_action": [str(traveller.pk)]}

    shown = officer.post(LIST, form, follow=True)

    assert shown.redirect_chain == [(page_of(traveller), 302)]
    page = shown.content.decode()
    assert "Names, addresses and papers of travellers" in page
    assert f"traveller/{traveller.pk}" in page
    assert "<strong>crypto shredded</strong>: 1 of “Names, addresses and papers" in page
    assert "<strong>nothing found</strong> in “Addresses to which messages went”" in page
    assert "Lovelace" not in page
    assert is_known(traveller)


def test_who_is_meant_is_forgotten_and_the_certificate_is_shown(
    officer: Client, traveller: Traveller
) -> None:
    answer = officer.post(page_of(traveller), MEANT, follow=True)

    assert not is_known(traveller)
    entry = Entry.objects.get(action_name="subject.erase")
    assert answer.redirect_chain == [(f"/admin/ledger/erasure/{entry.pk}/change/", 302)]
    assert entry.reason == "Request 12"
    assert erasures.certificate_of(entry.pk)["subject"] == f"traveller/{traveller.pk}"
    assert b"Download" in answer.content

    again = officer.post(page_of(traveller), MEANT, follow=True)
    assert b"Nothing was left to forget" in again.content
    assert Entry.objects.filter(action_name="subject.erase").count() == 1


@pytest.mark.parametrize(
    "form",
    [{"reason": "Request 12"}, {"is_meant": "on"}, {**MEANT, "reason": "Ada Lovelace asked"}],
    ids=["not meant", "no reason", "named"],
)
def test_nobody_is_forgotten_by_half_a_form(
    officer: Client, traveller: Traveller, form: dict[str, str]
) -> None:
    answer = officer.post(page_of(traveller), form)

    assert answer.status_code == 200
    assert is_known(traveller)
    assert not Entry.objects.filter(action_name="subject.erase", status="succeeded").exists()


def test_who_is_held_for_a_court_is_shown_with_the_hold(
    officer: Client, traveller: Traveller
) -> None:
    erasures.place_hold(subject=f"traveller/{traveller.pk}", reason="Case 4711")

    page = officer.get(page_of(traveller)).content.decode()
    officer.post(page_of(traveller), MEANT)

    assert "Case 4711" in page
    assert "Forget them" not in page
    assert is_known(traveller)


def test_somebody_else_agrees_first_where_a_policy_says_so(
    officer: Client, traveller: Traveller
) -> None:
    put_into_force(capabilities=("subject.erase",), condition="")
    asked = officer.post(page_of(traveller), MEANT, follow=True)
    assert b"It awaits approval" in asked.content
    assert is_known(traveller)

    request = Entry.objects.get(action_name="subject.erase").approval_requested
    say(request, grant(User.objects.create_user("manager"), "approval.decide"))
    # What it was given for is there to be sent again; for another reason it is asked for anew.
    assert "Request 12" in officer.get(page_of(traveller)).text
    officer.post(page_of(traveller), {**MEANT, "reason": "Request 13"})
    assert is_known(traveller)
    officer.post(page_of(traveller), MEANT)

    assert not is_known(traveller)


def test_it_is_for_who_may_forget(traveller: Traveller) -> None:
    client = Client()
    reader = User.objects.create_user("reader", is_staff=True)
    client.force_login(grant(reader, "traveller.read", "subject.read"))
    form = {"action": "forget", "_selected_action": [str(traveller.pk)]}

    assert "Forget this person" not in client.get(LIST).content.decode()
    assert client.get(page_of(traveller)).status_code == 403
    client.post(LIST, form)

    # The page that they opened, and the action that they tried all the same.
    denied = Entry.objects.filter(status="denied").values_list("action_name", flat=True)
    assert list(denied) == ["subject.erase", "subject.erase"]


def test_who_booked_is_forgotten_the_same_way(officer: Client, invoice: Invoice) -> None:
    booking = invoice.booking_id
    invoices.void_invoice(invoice_id=invoice.pk, reason="Wrong")

    officer.post(f"/admin/ledger/erasure/subject/contact/{booking}/", MEANT)

    assert not BookingContact.objects.filter(pk=booking).exists()
