"""Decides whether two records are about the same person, from what a booking knows of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PERSONAL_FIELDS: Final = (
    "first_name",
    "last_name",
    "email",
    "phone",
    "date_of_birth",
    "document_number",
    "special_requests",
)

_SOUGHT_CHARS_MIN = 5
_SURNAME_CHARS_MIN = 3
_SOUGHT = ("email", "phone", "document_number", "special_requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A name, and how to reach it; each in the form in which it is compared."""

    name: str
    email: str
    phone: str


def identity_of(personal: Mapping[str, Any]) -> Identity:
    """Return the identity in the data of a traveller or a contact."""
    phone = re.sub(r"\D", "", str(personal.get("phone", "")))
    return Identity(
        name=_plain(_name_of(personal)),
        email=_plain(str(personal.get("email", ""))),
        phone=phone.lstrip("0"),
    )


def is_same_person(
    one: Identity, other: Identity, *, in_one_booking: bool, both_travel: bool
) -> bool:
    """Return whether two are one: by name, and by an address unless they stand in one booking.

    A family shares an address, so that alone is not enough; and two travellers of one booking
    are two, whatever their names.
    """
    if not one.name or one.name != other.name or (in_one_booking and both_travel):
        return False
    is_same_email = bool(one.email) and one.email == other.email
    is_same_phone = bool(one.phone) and one.phone == other.phone
    return in_one_booking or is_same_email or is_same_phone


def values_of(personal: Mapping[str, Any]) -> set[str]:
    """Return what can be searched for in texts. A birthday is that of too many."""
    first, last = str(personal.get("first_name", "")), str(personal.get("last_name", ""))
    found = {str(personal.get(name, "")) for name in _SOUGHT} | {_name_of(personal)}
    if first and last:
        found.add(f"{last}, {first}")
    return {value.strip() for value in found if value.strip()}


def is_named_in(text: str, personal: Mapping[str, Any]) -> bool:
    """Return whether a text names somebody: by an address, a number, a whole name or a surname."""
    plain = _plain(text)
    whole = (_plain(value) for value in values_of(personal))
    if any(len(value) >= _SOUGHT_CHARS_MIN and value in plain for value in whole):
        return True
    surname = _plain(_name_of(personal)).rpartition(" ")[2]
    is_word = re.search(rf"\b{re.escape(surname)}\b", plain) is not None
    return len(surname) >= _SURNAME_CHARS_MIN and is_word


def _name_of(personal: Mapping[str, Any]) -> str:
    parts = (personal.get("name"), personal.get("first_name"), personal.get("last_name"))
    return " ".join(str(part) for part in parts if part)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
