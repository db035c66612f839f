"""Who is one person in the trade, why they may still be needed, and where they are kept.

Subjects are `traveller/<id>`, `contact/<id of the booking>` of whoever booked, and
`invoice/<id>`, under which the documents of an invoice are sealed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from commerce import projections, vault
from commerce.domain.booking.messages import ChangeRoster, RosterChange
from commerce.domain.identity import identity_of, is_same_person, values_of
from commerce.domain.refunds import RefundStatus
from commerce.models import (
    Booking,
    BookingContact,
    Chargeback,
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
from events import context, executor, store
from ledger import erasure, searching, subjects
from ledger.domain.action import Proof
from ledger.domain.erasure import Finding, Means, Need, Person
from ledger.domain.payload import RETENTIONS
from ledger.erasure import Place
from ledger.searching import Texts

PERSONAL_FIELDS: Final = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "date_of_birth",
    "document_number",
    "special_requests",
)
RECORDS_ARE_KEPT: Final = RETENTIONS["finance-10y"].keeps
BY_LAW: Final = "Accounting records have to be kept (GDPR, article 17(3)(b))"
OVER: Final = "The time for which records are kept is over."
OF_OTHERS: Final = "The mail service has a copy of its own: have it delete these messages"
UNDER_WAY: Final = "A message is on its way to them"

Known = Mapping[str, dict[str, Any]]
"""What is known in clear, by subject."""


def person_of_traveller(traveller_id: str) -> Person:
    """Return who a traveller is, with the bookings of theirs locked."""
    return _person(f"traveller/{traveller_id}")


def person_of_contact(booking_id: str) -> Person:
    """Return who made a booking, with the bookings of theirs locked."""
    return _person(f"contact/{booking_id}")


def person_of_invoice(invoice_id: str) -> Person:
    """Return the subject under which the documents of an invoice are kept."""
    subject = f"invoice/{invoice_id}"
    # A hold on who booked is a hold on what was sold to them.
    booking = Invoice.objects.filter(pk__in=_uuids("invoice", [subject])).values_list("booking")
    erasure.check_holds(f"contact/{pk}" for (pk,) in booking)
    return Person(subjects=(subject,), needs=_needs([subject]))


def documents_over(now: datetime) -> list[str]:
    """Return the subjects of documents that need be kept no longer, the oldest first."""
    over = Invoice.objects.filter(issued_at__lte=now - RECORDS_ARE_KEPT)
    there = Rendition.objects.exclude(content_sealed=b"").filter(invoice=OuterRef("pk"))
    ids = over.filter(Exists(there)).order_by("issued_at").values_list("pk", flat=True)
    return [f"invoice/{pk}" for pk in ids]


def _person(subject: str) -> Person:
    found, others = _same(subject)
    # Bookings before rows, as everywhere; then looked at again, for they may have moved.
    store.lock(projections.stream_of(id_) for id_ in sorted(_bookings_of([*found, subject])))
    found, others = _same(subject)
    known = [subject, *sorted(found.keys() - {subject})]
    documents = _documents_of([each for each in known if each.startswith("contact/")])
    values = frozenset(value for personal in found.values() for value in values_of(personal))
    return Person(
        subjects=(*known, *documents),
        values=values,
        needs=_needs([*known, *documents]),
        others=tuple(sorted(others)),
    )


def _same(subject: str) -> tuple[Known, set[str]]:
    """Return what is known of the person, and subjects under the same address who may be others."""
    asked = _known_of([subject])
    if subject not in asked:
        return {}, set()
    who, home = identity_of(asked[subject]), _bookings_of([subject])
    near = _known_near(asked[subject], home)
    same, others = dict(asked), set()
    for other, personal in near.items():
        them = identity_of(personal)
        at_home = bool(home & _bookings_of([other]))
        both_travel = subject.startswith("traveller/") and other.startswith("traveller/")
        if other == subject or is_same_person(
            who, them, in_one_booking=at_home, both_travel=both_travel
        ):
            same[other] = personal
        elif them.email == who.email != "":
            others.add(other)
    return same, others


def _known_near(personal: dict[str, Any], bookings: Iterable[UUID]) -> Known:
    indexes = subjects.indexes_of(str(personal.get("email", "")))
    contacts = BookingContact.objects.filter(
        Q(email_index__in=indexes) | Q(booking__in=bookings)
    ).values_list("pk", flat=True)
    travellers = TravellerPersonal.objects.filter(
        Q(email_index__in=indexes) | Q(traveller__booking__in=bookings)
    ).values_list("pk", flat=True)
    return _known_of(
        [f"contact/{pk}" for pk in contacts] + [f"traveller/{pk}" for pk in travellers]
    )


def _known_of(named: Iterable[str]) -> Known:
    known: dict[str, dict[str, Any]] = {}
    for pk, sealed in _rows(BookingContact.objects.all(), "contact", named):
        known[f"contact/{pk}"] = vault.unseal(sealed, of=str(pk))
    for pk, sealed in _rows(TravellerPersonal.objects.all(), "traveller", named):
        known[f"traveller/{pk}"] = vault.unseal(sealed, of=str(pk))
    return known


def _rows(rows: QuerySet[Any], type_: str, named: Iterable[str]) -> QuerySet[Any, Any]:
    return rows.filter(pk__in=_uuids(type_, named)).values_list("pk", "sealed")


def _uuids(type_: str, named: Iterable[str]) -> list[UUID]:
    found = []
    for each in named:
        kind, _, id_ = each.partition("/")
        try:
            found += [UUID(id_)] if kind == type_ else []
        except ValueError:
            continue  # Whoever names nobody is told so by the certificate.
    return found


def _bookings_of(named: Iterable[str]) -> set[UUID]:
    named = list(named)
    travellers = Traveller.objects.filter(pk__in=_uuids("traveller", named))
    return {*_uuids("contact", named), *travellers.values_list("booking_id", flat=True)}


def _documents_of(contacts: list[str]) -> list[str]:
    invoices = Invoice.objects.filter(
        booking__in=_uuids("contact", contacts), renditions__isnull=False
    )
    ids = invoices.order_by("pk").values_list("pk", flat=True).distinct()
    return [f"invoice/{pk}" for pk in ids]


def _needs(named: list[str]) -> dict[str, Need]:
    needs = {}
    for contact in _uuids("contact", named):
        if (because := _why_contact_is_needed(contact)) is not None:
            needs[f"contact/{contact}"] = Need(because=because)
    for invoice in Invoice.objects.filter(pk__in=_uuids("invoice", named)):
        if invoice.issued_at is not None:
            until = invoice.issued_at + RECORDS_ARE_KEPT
            needs[f"invoice/{invoice.pk}"] = Need(because=BY_LAW, until=until)
    return needs


def _why_contact_is_needed(booking_id: UUID) -> str | None:
    owed = Invoice.objects.filter(booking=booking_id, balance_due_cents__gt=0)
    if (invoice := owed.exclude(number=None).order_by("number").first()) is not None:
        return f"Invoice {invoice.number} is not settled"
    pending = RefundStatus.PENDING.value
    if Refund.objects.filter(payment__invoice__booking=booking_id, status=pending).exists():
        return "Money is on its way back to them"
    is_waiting = Delivery.objects.filter(booking=booking_id, status=DeliveryStatus.PENDING.value)
    return UNDER_WAY if is_waiting.exists() else None


def _forget_travellers(person: Person, proof: Proof | None) -> Iterator[Finding]:
    ids = _uuids("traveller", person.going)
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
    going = BookingContact.objects.filter(pk__in=_uuids("contact", person.going))
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
    going = Q(booking__in=_uuids("contact", person.going))
    kept = Q(booking__in=_uuids("contact", [*person.needs]))
    to_them = going | Q(recipient_index__in=indexes) & ~kept
    return Delivery.objects.exclude(recipient_sealed=b"").filter(to_them)


def _tell_of_the_mail_service(person: Person, _proof: Proof | None) -> Iterator[Finding]:
    indexes = [index for value in person.values for index in subjects.indexes_of(value)]
    theirs = Q(booking__in=_uuids("contact", person.subjects)) | Q(recipient_index__in=indexes)
    sent = Delivery.objects.filter(theirs, status=DeliveryStatus.SENT.value)
    yield Finding(means=Means.KEPT, rows=sent.count(), because=OF_OTHERS)


def _forget_documents(person: Person, proof: Proof | None) -> Iterator[Finding]:
    there = Rendition.objects.exclude(content_sealed=b"")
    going = there.filter(invoice__in=_uuids("invoice", person.going))
    rows = going.count()
    if proof is not None:
        going.update(content_sealed=b"")
    yield Finding(means=Means.CRYPTO_SHREDDED, rows=rows)
    yield from _kept(person, "invoice", there, "invoice")


def _kept(person: Person, type_: str, rows: QuerySet[Any], column: str) -> Iterator[Finding]:
    for subject, need in person.needs.items():
        found = rows.filter(**{f"{column}__in": _uuids(type_, [subject])})
        yield Finding(means=Means.KEPT, rows=found.count(), because=need.because, until=need.until)


def _seals_traveller(subject: str) -> bool:
    return TravellerPersonal.objects.filter(pk__in=_uuids("traveller", [subject])).exists()


def _seals_contact(subject: str) -> bool:
    return BookingContact.objects.filter(pk__in=_uuids("contact", [subject])).exists()


def _seals_recipients(subject: str) -> bool:
    theirs = Delivery.objects.filter(booking__in=_uuids("contact", [subject]))
    return theirs.exclude(recipient_sealed=b"").exists()


def _seals_documents(subject: str) -> bool:
    theirs = Rendition.objects.filter(invoice__in=_uuids("invoice", [subject]))
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
        handle=searching.handled_by(
            Texts(rows=Invoice.objects.all, columns=("void_reason",)),
            Texts(rows=Payment.objects.all, columns=("reference", "failure_reason")),
            Texts(rows=CreditNote.objects.all, columns=("reason",)),
            Texts(rows=Refund.objects.all, columns=("reason", "failure_reason")),
            Texts(rows=DocumentAccess.objects.all, columns=("purpose", "revoke_reason")),
            Texts(rows=Chargeback.objects.all, columns=("reason",)),
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

erasure.declare_subject("traveller", person_of_traveller)
erasure.declare_subject("contact", person_of_contact)
erasure.declare_subject("invoice", person_of_invoice)
