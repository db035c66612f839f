"""Refuses reasons and references that name people, because the log keeps them forever.

Events cannot be erased, and payloads of entries are erased only if a search finds them, so a
text that goes into either must not name a person of its booking.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db.models import Q

from commerce import vault
from commerce.domain.identity import is_named_in
from commerce.models import Booking, BookingContact, TravellerPersonal
from events.domain.errors import Rejected
from ledger.privacy.name_screening import declare_screen

NAMES_SOMEBODY: Final = "[names somebody]"

_BOOKING_OF: Final = {
    "booking": "pk",
    "traveller": "travellers",
    "invoice": "invoices",
    "document": "invoices__renditions",
    "document_access": "invoices__renditions__accesses",
    "payment": "invoices__payments",
    "chargeback": "invoices__payments__chargebacks",
    "credit_note": "invoices__credit_notes",
    "refund": "invoices__payments__refunds",
}
"""How a booking is found from what people write about, by the type of the target."""


class PersonNamed(Rejected):
    code = "person_named"
    hint = "Leave out names, addresses and numbers of people: the text is kept permanently."

    def __init__(self, field: str) -> None:
        super().__init__(f"The {field} names a person of the booking.", pointer=f"/{field}")


def check_names_nobody(of: Q, **texts: str) -> None:
    """Refuse texts that name the contact or a traveller of the bookings that `of` finds.

    :raises PersonNamed: with the field, never with the text.
    """
    written = {field: text for field, text in texts.items() if text}
    if not written:
        return
    for personal in _people(of):
        check_not_named(personal, **written)


def check_not_named(personal: Mapping[str, Any], **texts: str) -> None:
    """Refuse texts that name one person.

    :raises PersonNamed: with the field, never with the text.
    """
    for field, text in texts.items():
        if is_named_in(text, personal):
            raise PersonNamed(field)


def without_people(of: Q, text: str) -> str:
    """Return the text of a peer; if it names the contact or a traveller, only that it does.

    It has happened, so it cannot be refused; where it is kept for good it names nobody. All of
    it stands beside the entry, where it can be taken away.
    """
    return NAMES_SOMEBODY if any(is_named_in(text, one) for one in _people(of)) else text


def _screen(path: str, target_id: str, field: str, text: str) -> None:
    try:
        of = Q(**{path: UUID(target_id)})
    except ValueError:
        return  # It is about no single one.
    check_names_nobody(of, **{field: text})


def _people(of: Q) -> list[dict[str, Any]]:
    ids = list(Booking.objects.filter(of).values_list("pk", flat=True))
    contacts = BookingContact.objects.filter(pk__in=ids).values_list("pk", "sealed")
    travellers = TravellerPersonal.objects.filter(traveller__booking__in=ids)
    rows = [*contacts, *travellers.values_list("pk", "sealed")]
    return [vault.unseal(sealed, of=str(pk)) for pk, sealed in rows]


for _type, _path in _BOOKING_OF.items():
    declare_screen(_type, partial(_screen, _path))
