"""Where commerce stores personal data, and how it is erased there."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from commerce import projections
from commerce.domain.booking.messages import ChangeRoster, RosterChange
from commerce.domain.identity import PERSONAL_FIELDS
from commerce.models import (
    Booking,
    BookingContact,
    Chargeback,
    ChargebackResolution,
    ChargebackReview,
    CreditNote,
    Delivery,
    DeliveryStatus,
    DocumentAccess,
    ExternalContent,
    ExternalRef,
    Invoice,
    InvoiceLine,
    Payment,
    Refund,
    Rendition,
    Traveller,
    TravellerPersonal,
    Voucher,
)
from commerce.people import BY_LAW, UNDER_WAY, ids_of
from events import context
from events.sourcing import executor
from ledger.domain.action import Proof
from ledger.domain.erasure import Finding, Means, Person
from ledger.erasing import erasure
from ledger.erasing.erasure import Place
from ledger.erasing.searching import Search, Texts
from ledger.privacy import subjects

ONLY_GROWS: Final = "The table only grows; what names somebody is left out of it"
OF_OTHERS: Final = "The mail service has a copy of its own: have it delete these messages"


def _forget_travellers(person: Person, proof: Proof | None) -> Iterator[Finding]:
    ids = ids_of("traveller", person.going)
    personal = TravellerPersonal.objects.filter(pk__in=ids)
    rows = list(personal.order_by("pk").values_list("pk", "traveller__booking_id"))
    if proof is not None:
        for traveller_id, booking_id in rows:
            _note_on_roster(traveller_id, booking_id)
            traveller = Traveller.objects.select_for_update().get(pk=traveller_id)
            traveller.revision += 1
            traveller.save()
        personal.delete()
    yield Finding(means=Means.CRYPTO_SHREDDED, rows=len(rows))


def _note_on_roster(traveller_id: UUID, booking_id: UUID) -> None:
    executor.execute_in_transaction(
        projections.BOOKING,
        projections.stream_of(booking_id),
        ChangeRoster(
            traveller_id=str(traveller_id),
            change=RosterChange.ERASED,
            fields=PERSONAL_FIELDS,
            actor=str(context.current().principal),
            at=timezone.now(),
        ),
    )


def _forget_contacts(person: Person, proof: Proof | None) -> Iterator[Finding]:
    going = BookingContact.objects.filter(pk__in=ids_of("contact", person.going))
    rows = going.count()
    if proof is not None:
        going.delete()
    yield Finding(means=Means.CRYPTO_SHREDDED, rows=rows)
    yield from _kept(person, "contact", BookingContact.objects.all(), "pk")


def _forget_recipients(person: Person, proof: Proof | None) -> Iterator[Finding]:
    """Forget to whom messages went: theirs, and those on a booking of theirs to whom it is nobody.

    What is sealed with a key that is to be destroyed has to go with it.
    """
    theirs = _deliveries_to(person)
    waiting = theirs.filter(status=DeliveryStatus.PENDING.value)
    sent = theirs.exclude(status=DeliveryStatus.PENDING.value)
    rows = sent.count()
    if proof is not None:
        sent.update(recipient_sealed=b"", recipient_masked="", recipient_index="")
    yield Finding(means=Means.EMPTIED, rows=rows)
    yield Finding(means=Means.KEPT, rows=waiting.count(), because=UNDER_WAY)


def _deliveries_to(person: Person) -> QuerySet[Delivery]:
    indexes = [index for value in person.values for index in subjects.indexes_of(value)]
    going = Q(booking__in=ids_of("contact", person.going))
    kept = Q(booking__in=ids_of("contact", [*person.needs]))
    to_them = going | Q(recipient_index__in=indexes) & ~kept
    return Delivery.objects.exclude(recipient_sealed=b"").filter(to_them)


def _tell_of_the_mail_service(person: Person, _proof: Proof | None) -> Iterator[Finding]:
    indexes = [index for value in person.values for index in subjects.indexes_of(value)]
    theirs = Q(booking__in=ids_of("contact", person.subjects)) | Q(recipient_index__in=indexes)
    sent = Delivery.objects.filter(theirs, status=DeliveryStatus.SENT.value)
    yield Finding(means=Means.KEPT, rows=sent.count(), because=OF_OTHERS)


def _forget_documents(person: Person, proof: Proof | None) -> Iterator[Finding]:
    there = Rendition.objects.exclude(content_sealed=b"")
    going = there.filter(invoice__in=ids_of("invoice", person.going))
    rows = going.count()
    if proof is not None:
        going.update(content_sealed=b"")
    yield Finding(means=Means.CRYPTO_SHREDDED, rows=rows)
    yield from _kept(person, "invoice", there, "invoice")


def _kept(person: Person, type_: str, rows: QuerySet[Any], column: str) -> Iterator[Finding]:
    for subject, need in person.needs.items():
        found = rows.filter(**{f"{column}__in": ids_of(type_, [subject])})
        yield Finding(means=Means.KEPT, rows=found.count(), because=need.because, until=need.until)


def _seals_traveller(subject: str) -> bool:
    return TravellerPersonal.objects.filter(pk__in=ids_of("traveller", [subject])).exists()


def _seals_contact(subject: str) -> bool:
    return BookingContact.objects.filter(pk__in=ids_of("contact", [subject])).exists()


def _seals_recipients(subject: str) -> bool:
    theirs = Delivery.objects.filter(booking__in=ids_of("contact", [subject]))
    return theirs.exclude(recipient_sealed=b"").exists()


def _seals_documents(subject: str) -> bool:
    theirs = Rendition.objects.filter(invoice__in=ids_of("invoice", [subject]))
    return theirs.exclude(content_sealed=b"").exists()


_PEOPLE = frozenset({"traveller", "contact"})
for _place in (
    Place(
        name="commerce.travellers",
        holds="Names, addresses and papers of travellers",
        handle=_forget_travellers,
        seals=_seals_traveller,
        about=_PEOPLE,
    ),
    Place(
        name="commerce.contacts",
        holds="Names, addresses and numbers of who booked",
        handle=_forget_contacts,
        seals=_seals_contact,
        about=_PEOPLE,
    ),
    Place(
        name="commerce.recipients",
        holds="Addresses to which messages went",
        handle=_forget_recipients,
        seals=_seals_recipients,
        about=_PEOPLE,
    ),
    Place(
        name="commerce.mail_service",
        holds="Messages that the mail service took",
        handle=_tell_of_the_mail_service,
        about=_PEOPLE,
    ),
    Place(
        name="commerce.documents",
        holds="Documents of invoices, which name who booked",
        handle=_forget_documents,
        seals=_seals_documents,
        about=frozenset({"contact", "invoice"}),
    ),
    Place(
        name="commerce.notes",
        holds="Reasons, references and errors beside bookings, invoices and payments",
        handle=Search(
            Texts(rows=Invoice.objects.all, columns=("void_reason",)),
            Texts(rows=Payment.objects.all, columns=("reference", "failure_reason")),
            Texts(rows=CreditNote.objects.all, columns=("reason",)),
            Texts(rows=Refund.objects.all, columns=("reason", "failure_reason")),
            Texts(rows=DocumentAccess.objects.all, columns=("purpose", "revoke_reason")),
            *(
                Texts(rows=model.objects.all, columns=("reason",), because=ONLY_GROWS)
                for model in (Chargeback, ChargebackResolution, ChargebackReview)
            ),
            Texts(rows=Voucher.objects.all, columns=("voided_because",)),
            Texts(rows=Delivery.objects.all, columns=("subject", "error")),
            Texts(rows=ExternalRef.objects.all, columns=("sync_error",)),
            Texts(rows=ExternalContent.objects.all, columns=("last_error",)),
            Texts(rows=InvoiceLine.objects.all, columns=("description",), because=BY_LAW),
            Texts(
                rows=Booking.objects.all,
                columns=("external_ref",),
                because="It follows from the log, which only grows",
            ),
        ),
        about=_PEOPLE,
    ),
):
    erasure.declare_place(_place)
