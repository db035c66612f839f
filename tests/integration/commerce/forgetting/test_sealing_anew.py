"""What was sealed before persons had keys of their own is sealed with them by a migration."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection, transaction

from commerce import selectors, vault
from commerce.models import BookingContact, Delivery, Invoice, Rendition, TravellerPersonal
from commerce.services import deliveries, renditions, travellers
from ledger import subjects
from ledger.services import erasures
from ledger.subjects import SubjectForgotten
from tests.integration.commerce.conftest import CONTACT

pytestmark = pytest.mark.django_db(transaction=True)

PERSONAL = {"first_name": "Ada", "last_name": "Lovelace", "email": CONTACT["email"]}
DOCUMENT = b"<p>To Ada Lovelace</p>"


@pytest.fixture
def before(invoice: Invoice) -> Invoice:
    """An invoice with all around it, as it stood before."""
    booking = invoice.booking_id
    traveller = travellers.add_traveller(booking_id=booking, category="adult", personal=PERSONAL)
    document = renditions.generate_invoice_document(invoice_id=invoice.pk)
    delivery = deliveries.send_booking_documents(booking_id=booking)
    for rows, value in (
        (TravellerPersonal.objects.filter(pk=traveller.pk), PERSONAL),
        (BookingContact.objects.filter(pk=booking), CONTACT),
    ):
        sealed = vault.seal_as_before(value, of=str(rows.get().pk))
        rows.update(sealed=sealed, email_index="")
    to = vault.seal_as_before({"to": CONTACT["email"]}, of=str(delivery.pk))
    Delivery.objects.update(recipient_sealed=to, recipient_index="")
    Rendition.objects.filter(pk=document.pk).update(content_sealed=DOCUMENT)
    return invoice


def migrate() -> None:
    migration = import_module("commerce.migrations.0008_seal_with_the_keys_of_persons")
    with transaction.atomic(), connection.schema_editor(atomic=False) as editor:
        migration.seal_anew(apps, editor)


def test_what_was_there_opens_as_before_and_is_found_by_its_address(before: Invoice) -> None:
    migrate()

    [traveller] = TravellerPersonal.objects.all()
    known = travellers.personal_of(traveller.pk), selectors.contact_of(before.booking_id)
    assert [each and each.open() for each in known] == [PERSONAL, CONTACT]
    delivery = Delivery.objects.get()
    opened = vault.unseal(delivery.recipient_sealed, of=str(delivery.pk))
    assert opened == {"to": CONTACT["email"]}
    assert renditions.content_of(Rendition.objects.get()) == DOCUMENT
    index = subjects.index_of(CONTACT["email"])
    contact = BookingContact.objects.get()
    assert {traveller.email_index, contact.email_index, delivery.recipient_index} == {index}


def test_what_was_there_opens_no_more_once_the_person_is_forgotten(before: Invoice) -> None:
    migrate()
    [traveller] = TravellerPersonal.objects.all()

    erasures.erase_subject(subject=f"traveller/{traveller.pk}", reason="Request 12")

    with pytest.raises(SubjectForgotten):
        vault.unseal(traveller.sealed, of=str(traveller.pk))
