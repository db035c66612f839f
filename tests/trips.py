"""A room of the tests' own: streams, events and an aggregate that the product does not have.

Declared in the test process and in the servers that tests start (`tests.trips_asgi`).
"""

from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import User

from events import catalogue, context
from events.domain.aggregate import Aggregate
from events.domain.envelope import Stream
from events.sourcing import executor
from ledger import capabilities

READ = "trip.read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    legs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LegTravelled:
    to: str


def _owner_of(stream: Stream) -> User | None:
    return User.objects.filter(username=stream[1]).first() if len(stream) > 1 else None


def schema() -> dict[str, Any]:
    """Return the schema of every event of this app."""
    return {
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "text": {"type": "string"},
            "number": {"type": "integer"},
        },
        "additionalProperties": False,
    }


TRIP: Aggregate[Trip, str, LegTravelled] = Aggregate(
    kind="trip",
    initial=lambda _stream: Trip(),
    decide=lambda _trip, to: [LegTravelled(to=to)],
    evolve=lambda trip, _event: replace(trip, legs=trip.legs + 1),
    encode=lambda event, _stream: ("trip.leg-travelled", {"to": event.to}),
    decode=lambda _name, _version, data: LegTravelled(to=data["to"]),
    dump=lambda trip: {"legs": trip.legs},
    load=lambda dumped: Trip(legs=dumped["legs"]),
)

MIRROR: Aggregate[Trip, str, LegTravelled] = replace(
    TRIP,
    kind="mirror",
    encode=lambda event, _stream: ("mirror.turned", {"to": event.to}),
    dump=lambda _: {"seen_by": str(context.current().principal)},
)
"""Shows whoever asks for its state."""


def declare() -> None:
    """Register the test app with this process, as apps do when they are ready."""
    capabilities.declare(
        READ,
        meaning="Read trips.",
        resource="trip",
        action="read",
        object_permission="auth.view_user",
    )
    for kind in ("trip", "note", "mirror"):
        catalogue.declare_stream(kind, meaning="A test's.", read=READ, object_resolver=_owner_of)
    for name in ("trip.leg-travelled", "note.written", "note.torn", "mirror.turned"):
        catalogue.declare(
            name,
            category="domain",
            stream=name.partition(".")[0],
            meaning="A test did something.",
            schema=schema(),
        )
    executor.register(TRIP)
    executor.register(MIRROR)
