"""Subjects of erasure in commerce: which of them are one person, and why they may be needed.

Subjects are `traveller/<id>`, `contact/<id of the booking>` for whoever booked, and
`invoice/<id>`, under whose key the documents of an invoice are encrypted.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from commerce import projections, vault
from commerce.domain.identity import identity_of, is_same_person, values_of
from commerce.domain.refunds import RefundStatus
from commerce.models import (
    BookingContact,
    Delivery,
    DeliveryStatus,
    Invoice,
    Refund,
    Rendition,
    Traveller,
    TravellerPersonal,
)
from events import store
from ledger.domain.erasure import Need, Person
from ledger.domain.payload import RETENTIONS
from ledger.erasing import erasure
from ledger.privacy import subjects

RECORDS_ARE_KEPT: Final = RETENTIONS["finance-10y"].keeps
BY_LAW: Final = "Accounting records have to be kept (GDPR, article 17(3)(b))"
OVER: Final = "The time for which records are kept is over."
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
    booking = Invoice.objects.filter(pk__in=ids_of("invoice", [subject])).values_list("booking")
    erasure.check_holds(f"contact/{pk}" for (pk,) in booking)
    return Person(subjects=(subject,), needs=_needs([subject]))


def documents_over(now: datetime) -> list[str]:
    """Return the subjects of documents that need be kept no longer, the oldest first."""
    over = Invoice.objects.filter(issued_at__lte=now - RECORDS_ARE_KEPT)
    there = Rendition.objects.exclude(content_sealed=b"").filter(invoice=OuterRef("pk"))
    ids = over.filter(Exists(there)).order_by("issued_at").values_list("pk", flat=True)
    return [f"invoice/{pk}" for pk in ids]


def ids_of(type_: str, named: Iterable[str]) -> list[UUID]:
    """Return the ids of those of the subjects that are of a type."""
    found = []
    for each in named:
        kind, _, id_ = each.partition("/")
        try:
            found += [UUID(id_)] if kind == type_ else []
        except ValueError:
            continue  # The certificate says that it named no one.
    return found


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
    return rows.filter(pk__in=ids_of(type_, named)).values_list("pk", "sealed")


def _bookings_of(named: Iterable[str]) -> set[UUID]:
    named = list(named)
    travellers = Traveller.objects.filter(pk__in=ids_of("traveller", named))
    return {*ids_of("contact", named), *travellers.values_list("booking_id", flat=True)}


def _documents_of(contacts: list[str]) -> list[str]:
    invoices = Invoice.objects.filter(
        booking__in=ids_of("contact", contacts), renditions__isnull=False
    )
    ids = invoices.order_by("pk").values_list("pk", flat=True).distinct()
    return [f"invoice/{pk}" for pk in ids]


def _needs(named: list[str]) -> dict[str, Need]:
    needs = {}
    for contact in ids_of("contact", named):
        if (because := _why_contact_is_needed(contact)) is not None:
            needs[f"contact/{contact}"] = Need(because=because)
    for invoice in Invoice.objects.filter(pk__in=ids_of("invoice", named)):
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


erasure.declare_subject("traveller", person_of_traveller)
erasure.declare_subject("contact", person_of_contact)
erasure.declare_subject("invoice", person_of_invoice)
