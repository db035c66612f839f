"""The booking aggregate as the executor runs it, and the list row that follows from it.

The row follows from the state alone, so a rebuild writes the same row. What a booking holds
elsewhere (items, seats, travellers) is written by the services in the same transaction.
"""

from collections.abc import Iterator
from typing import Any

from django.db import connection

from commerce.domain.booking import codec, snapshot
from commerce.domain.booking.decisions import decide
from commerce.domain.booking.evolution import evolve
from commerce.domain.booking.messages import Command, Event
from commerce.domain.booking.state import Booking as State
from commerce.models import Booking
from events.domain.aggregate import Aggregate, Projection
from events.domain.canonical import JSON
from events.domain.envelope import Stream
from events.sourcing import executor

KIND = "booking"


def stream_of(booking_id: object) -> Stream:
    """Return the stream of a booking."""
    return (KIND, str(booking_id))


def row_of(state: State) -> dict[str, Any]:
    """Return the columns of the list row that stands for `state`."""
    return {
        "number": state.number,
        "status": state.status.value,
        "revision": state.revision,
        "currency": state.currency,
        "sell_amount_cents": state.amount_cents,
        "pax": state.pax,
        "service_date": state.service_date,
        "external_ref": state.external_ref,
        "notifications_suppressed": state.notifications_suppressed,
        "hold_expires_at": state.hold_expires_at,
        "entitlement": state.entitlement.as_json() if state.entitlement else None,
        "refunded_cents": state.refunded_cents,
        "created_by": state.created_by,
        "created_at": state.created_at,
        "awaiting_payment_at": state.awaiting_payment_at,
        "paid_at": state.paid_at,
        "confirmed_at": state.confirmed_at,
        "started_at": state.started_at,
        "completed_at": state.completed_at,
        "expired_at": state.expired_at,
        "cancelled_at": state.cancelled_at,
        "documents_sent_at": state.documents_sent_at,
    }


def _project(projection: Projection[State]) -> None:
    Booking.objects.update_or_create(pk=projection.after.id, defaults=row_of(projection.after))


def _rows(stream: Stream) -> JSON:
    names = row_of(State(id=stream[1])).keys()
    return list(Booking.objects.filter(pk=stream[1]).values("id", *names))


def _listed() -> Iterator[Stream]:
    for key in Booking.objects.values_list("pk", flat=True).iterator():
        yield (KIND, str(key))


def _clear(stream: Stream) -> None:
    # Past Django's collector, which would refuse: items and invoices point at the row. Their
    # foreign keys are checked at commit, when the rebuild has put it back.
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM commerce_booking WHERE id = %s", [stream[1]])


def _initial(stream: Stream) -> State:
    return State(id=stream[1])


BOOKING: Aggregate[State, Command, Event] = Aggregate(
    kind=KIND,
    initial=_initial,
    decide=decide,
    evolve=evolve,
    encode=lambda event, _stream: codec.encode(event),
    decode=codec.decode,
    dump=snapshot.dump,
    load=snapshot.load,
    project=_project,
    rows=_rows,
    clear=_clear,
    listed=_listed,
    identify=codec.event_id,
)
executor.register(BOOKING)
