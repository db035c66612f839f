"""Travellers. Their data is encrypted in a table of its own; events name fields, never values."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from commerce import projections, vault
from commerce.domain.booking.messages import ChangeRoster, RosterChange
from commerce.domain.booking.refusals import TravellerNotOnBooking
from commerce.domain.identity import PERSONAL_FIELDS
from commerce.models import Traveller, TravellerPersonal
from commerce.services import bookings
from commerce.vault import Envelope
from events import context
from events.domain.errors import Conflict
from events.ids import new_id
from events.sourcing import executor
from ledger import preconditions, recording
from ledger.domain.action import Action, Kind, Target
from ledger.erasing import erasure
from ledger.preconditions import Expected
from ledger.privacy import subjects
from ledger.services import erasures
from ledger.services.erasures import Issued


class PrimaryTravellerTaken(Conflict):
    code = "primary_traveller_taken"
    hint = "Make the other one not primary first."

    def __init__(self, booking_id: UUID) -> None:
        super().__init__(
            f"Booking {booking_id} has a primary traveller.",
            pointer="/is_primary",
            booking_id=str(booking_id),
        )


class TravellerForgotten(Conflict):
    code = "traveller_forgotten"
    hint = "Add another traveller; this one stays erased."

    def __init__(self, traveller_id: UUID) -> None:
        super().__init__(
            f"The personal data of traveller {traveller_id} was erased.",
            traveller_id=str(traveller_id),
        )


def add_traveller(
    *, booking_id: UUID, category: str, personal: dict[str, Any], is_primary: bool = False
) -> Traveller:
    """Name a traveller.

    :raises BookingNotFound, RosterFull, RosterClosed: as the aggregate says.
    :raises PrimaryTravellerTaken: if the booking has a primary traveller.
    """
    traveller_id = new_id()
    asked = {"category": category, "is_primary": is_primary}
    asked |= _unreadable("add", booking_id, personal)
    action = _action("add", Kind.CREATE, traveller_id, booking_id, asked)
    with recording.recorded(action):
        _change_roster(booking_id, traveller_id, RosterChange.ADDED, tuple(sorted(personal)))
        _check_primary(booking_id, traveller_id, is_primary=is_primary)
        traveller = Traveller.objects.create(
            pk=traveller_id, booking_id=booking_id, category=category, is_primary=is_primary
        )
        TravellerPersonal.objects.create(traveller=traveller, **_sealed(traveller_id, personal))
    return traveller


def amend_traveller(
    *,
    booking_id: UUID,
    traveller_id: UUID,
    expected_version: Expected | None = None,
    category: str | None = None,
    is_primary: bool | None = None,
    personal: dict[str, Any] | None = None,
) -> Traveller:
    """Change a traveller; what is None, or not in `personal`, stays.

    :raises TravellerNotOnBooking, RosterClosed: as the aggregate says.
    :raises PrimaryTravellerTaken: if the booking has another primary traveller.
    :raises VersionMoved: if it changed since `expected_version`.
    """
    changes = {"category": category, "is_primary": is_primary}
    fields = [name for name, value in changes.items() if value is not None]
    asked = changes | _unreadable("amend", booking_id, personal or {})
    action = _action("amend", Kind.UPDATE, traveller_id, booking_id, asked)
    with recording.recorded(action):
        _change_roster(
            booking_id,
            traveller_id,
            RosterChange.AMENDED,
            tuple(sorted({*fields, *(personal or {})})),
        )
        traveller = Traveller.objects.select_for_update().get(pk=traveller_id)
        preconditions.check_version(expected_version, traveller.revision)
        _check_primary(booking_id, traveller_id, is_primary=bool(is_primary))
        for name in fields:
            setattr(traveller, name, changes[name])
        traveller.revision += 1
        traveller.save()
        if personal:
            _reseal(traveller_id, personal)
    return traveller


def remove_traveller(*, booking_id: UUID, traveller_id: UUID) -> None:
    """Take a traveller off a booking, with all that is known about them there.

    :raises TravellerNotOnBooking, RosterClosed: as the aggregate says.
    :raises SubjectOnHold: if they are kept for a court.
    """
    action = _action("remove", Kind.DELETE, traveller_id, booking_id)
    with recording.recorded(action) as proof:
        _change_roster(booking_id, traveller_id, RosterChange.REMOVED)
        erasure.shred_in_transaction(f"traveller/{traveller_id}", proof, at=timezone.now())
        Traveller.objects.filter(pk=traveller_id).delete()


def erase_traveller(*, booking_id: UUID, traveller_id: UUID) -> tuple[Traveller, Issued]:
    """Forget a traveller in every place for good; that somebody travelled stays.

    Return the certificate too; of who was forgotten before, the first.

    :raises TravellerNotOnBooking: if they are not on this booking.
    :raises SubjectOnHold: if they are kept for a court.
    """
    subject, now = f"traveller/{traveller_id}", timezone.now()
    action = _action("erase", Kind.UPDATE, traveller_id, booking_id, may="erase")
    with recording.recorded(action) as proof:
        if not Traveller.objects.filter(pk=traveller_id, booking=booking_id).exists():
            raise TravellerNotOnBooking(str(booking_id), str(traveller_id))
        issued = erasures.issued_before(subject, at=now)
        if issued is None:
            issued = erasures.issue_in_transaction(subject, proof, at=now)
        else:
            proof.changes_nothing()
    return Traveller.objects.get(pk=traveller_id), issued


def _action(
    verb: str,
    kind: Kind,
    traveller_id: UUID,
    booking_id: UUID,
    asked: Mapping[str, Any] | None = None,
    *,
    may: str = "write",
) -> Action:
    return Action(
        name=f"traveller.{verb}",
        kind=kind,
        target=Target(type="traveller", id=str(traveller_id)),
        capability=f"traveller.{may}",
        input={"booking_id": booking_id, **(asked or {})},
    )


def _unreadable(verb: str, booking_id: UUID, personal: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an approval may say of personal data: which fields, and that they are these."""
    of = f"traveller.{verb}/{booking_id}"
    return {"fields": sorted(personal), "personal": subjects.fingerprint_of(personal, of=of)}


def personal_of(traveller_id: UUID) -> Envelope | None:
    """Return personal data unopened; None once they are erased. Whoever opens it masks it, or
    has it on record."""
    row = TravellerPersonal.objects.filter(pk=traveller_id).first()
    if row is None:
        return None
    return vault.envelope(row.sealed, of=str(traveller_id), fields=PERSONAL_FIELDS)


def _change_roster(
    booking_id: UUID, traveller_id: UUID, change: RosterChange, fields: tuple[str, ...] = ()
) -> None:
    bookings.lock_booking(booking_id)
    executor.execute_in_transaction(
        projections.BOOKING,
        projections.stream_of(booking_id),
        ChangeRoster(
            traveller_id=str(traveller_id),
            change=change,
            fields=fields,
            actor=str(context.current().principal),
            at=timezone.now(),
        ),
    )


def _check_primary(booking_id: UUID, traveller_id: UUID, *, is_primary: bool) -> None:
    others = Traveller.objects.filter(booking=booking_id, is_primary=True).exclude(pk=traveller_id)
    if is_primary and others.exists():
        raise PrimaryTravellerTaken(booking_id)


def _reseal(traveller_id: UUID, personal: dict[str, Any]) -> None:
    known = TravellerPersonal.objects.select_for_update().filter(pk=traveller_id).first()
    # An erased person is not brought back by a correction of one field.
    if known is None:
        raise TravellerForgotten(traveller_id)
    merged = {**vault.unseal(known.sealed, of=str(traveller_id)), **personal}
    for column, value in _sealed(traveller_id, merged).items():
        setattr(known, column, value)
    known.save()


def _sealed(traveller_id: UUID, personal: dict[str, Any]) -> dict[str, Any]:
    subject = f"traveller/{traveller_id}"
    return {
        "sealed": vault.seal(personal, subject=subject, of=str(traveller_id)),
        "email_index": subjects.index_of(str(personal.get("email", ""))),
    }
