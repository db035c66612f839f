"""The key of a person is there as long as anything opens with it, and no longer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from commerce import selectors
from commerce.models import Booking, Delivery, Invoice, Rendition
from commerce.services import deliveries, renditions, travellers
from ledger.domain.action import Action, Kind, Target
from ledger.domain.payload import PayloadKind
from ledger.models import SubjectKey
from ledger.privacy import subjects
from ledger.recording import recorded
from ledger.services import payloads
from tests.integration.commerce.conftest import CONTACT

pytestmark = pytest.mark.django_db(transaction=True)

PERSONAL = {"first_name": "Ada", "last_name": "Lovelace"}


def expire_what_an_entry_keeps_about(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    action = Action(
        name="thing.note",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    with recorded(action) as proof:
        proof.keeps(
            PayloadKind.BEFORE, PERSONAL, schema_tag="x/1", retention="pii-90d", subject=subject
        )
    later = timezone.now() + timedelta(days=91)
    with monkeypatch.context() as time:
        time.setattr("ledger.services.payloads.timezone.now", lambda: later)
        assert payloads.expire_payloads() == 1


def test_a_traveller_outlives_what_an_entry_said_of_them(
    booking: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = travellers.add_traveller(booking_id=booking.pk, category="adult", personal=PERSONAL)

    expire_what_an_entry_keeps_about(f"traveller/{made.pk}", monkeypatch)

    known = travellers.personal_of(made.pk)
    assert known is not None
    assert known.open() == PERSONAL


def test_who_booked_outlives_it_with_all_that_went_to_them(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    renditions.generate_invoice_document(invoice_id=invoice.pk)
    deliveries.send_booking_documents(booking_id=invoice.booking_id)

    for subject in (f"contact/{invoice.booking_id}", f"invoice/{invoice.pk}"):
        expire_what_an_entry_keeps_about(subject, monkeypatch)

    contact = selectors.contact_of(invoice.booking_id)
    assert contact is not None
    assert contact.open() == CONTACT
    assert renditions.content_of(Rendition.objects.get())
    delivery = Delivery.objects.get()
    assert subjects.unseal(delivery.recipient_sealed, of=str(delivery.pk))


def test_a_key_under_which_nothing_is_left_goes_with_the_last_payload(
    booking: Booking, monkeypatch: pytest.MonkeyPatch
) -> None:
    expire_what_an_entry_keeps_about("traveller/of-nobody", monkeypatch)

    assert SubjectKey.objects.get(subject="traveller/of-nobody").wrapped is None
