"""The errors of the booking aggregate."""

from commerce.domain.booking.state import Status
from events.domain.errors import Conflict, NotFound, Rejected


class BookingNotFound(NotFound):
    code = "booking_not_found"

    def __init__(self, booking_id: str) -> None:
        super().__init__(f"There is no booking {booking_id}.", booking_id=booking_id)


class BookingExists(Conflict):
    code = "booking_exists"
    hint = "Read it, or create another with a new id."

    def __init__(self, booking_id: str) -> None:
        super().__init__(f"Booking {booking_id} was made already.", booking_id=booking_id)


class BookingEmpty(Rejected):
    code = "booking_empty"
    hint = "Give at least one item, and a `pax` of at least 1."

    def __init__(self) -> None:
        super().__init__("A booking needs at least one item and one traveller.")


class InvalidTransition(Rejected):
    code = "invalid_booking_transition"
    hint = "`allowed` lists the possible states; any other correction is an override."

    def __init__(self, booking_id: str, *, status: Status, to: Status, allowed: list[str]) -> None:
        super().__init__(
            f"Booking {booking_id} is {status.value} and cannot become {to.value}.",
            booking_id=booking_id,
            status=status.value,
            to=to.value,
            allowed=allowed,
        )


class HoldNeedsAnEnd(Rejected):
    code = "hold_needs_an_end"
    hint = "Give `hold_expires_at`, later than now."

    def __init__(self, booking_id: str) -> None:
        super().__init__(
            f"Booking {booking_id} cannot keep seats without an end.", booking_id=booking_id
        )


class HoldNotOver(Rejected):
    code = "hold_not_over"
    hint = "Wait until then, or cancel the booking."

    def __init__(self, booking_id: str, *, until: str) -> None:
        super().__init__(
            f"Booking {booking_id} keeps its seats until {until}.",
            booking_id=booking_id,
            hold_expires_at=until,
        )


class PaymentOutstanding(Rejected):
    code = "payment_outstanding"
    hint = "Record the payment, or override the status with a reason."

    def __init__(self, booking_id: str, *, outstanding_cents: int) -> None:
        super().__init__(
            f"Booking {booking_id} awaits payment of {outstanding_cents} minor units.",
            booking_id=booking_id,
            outstanding_cents=outstanding_cents,
        )


class OverrideNotNeeded(Rejected):
    code = "override_not_needed"
    hint = "Use the ordinary action: it checks and records what an override leaves out."

    def __init__(self, booking_id: str, *, status: Status, to: Status) -> None:
        super().__init__(
            f"Booking {booking_id} can go from {status.value} to {to.value} in the ordinary way.",
            booking_id=booking_id,
            status=status.value,
            to=to.value,
        )


class OverrideReasonMissing(Rejected):
    code = "override_reason_missing"
    hint = "Give it in `reason`; it is kept in the ledger."

    def __init__(self, booking_id: str) -> None:
        super().__init__(
            f"The override of the status of booking {booking_id} needs a reason.",
            pointer="/reason",
            booking_id=booking_id,
        )


class RosterFull(Rejected):
    code = "roster_full"
    hint = "Change or remove a traveller, or book for more."

    def __init__(self, booking_id: str, *, pax: int) -> None:
        super().__init__(
            f"Booking {booking_id} has all its {pax} travellers.",
            booking_id=booking_id,
            pax=pax,
        )


class RosterClosed(Rejected):
    code = "roster_closed"
    hint = "Make the changes while the booking is under way."

    def __init__(self, booking_id: str, *, status: Status) -> None:
        super().__init__(
            f"Booking {booking_id} is {status.value}; its travellers cannot change.",
            booking_id=booking_id,
            status=status.value,
        )


class TravellerNotOnBooking(NotFound):
    code = "traveller_not_found"

    def __init__(self, booking_id: str, traveller_id: str) -> None:
        super().__init__(
            f"Traveller {traveller_id} is not on booking {booking_id}.",
            booking_id=booking_id,
            traveller_id=traveller_id,
        )
