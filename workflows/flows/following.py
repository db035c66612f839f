"""The follower: reads the feed for waiting steps, and for starts on events.

Each pass is one transaction: the rows of work that it enqueues and its cursor are committed
together, so every event is offered exactly once.
"""

from django.db import transaction

from events import selectors as log
from workflows.flows.models import AwaitedEvent
from workflows.flows.steps import feed_cursor, waiting
from workflows.flows.triggers import starts

BATCH_EVENTS = 500
IDLE_LAG_MAX = 10_000
"""How far the cursor may stay behind while there is no waiter."""


def follow() -> int:
    """Read one batch, and return by how much the cursor has moved."""
    lag, is_anybody_waiting = feed_cursor.lag()
    if not lag or (not is_anybody_waiting and lag < IDLE_LAG_MAX):
        return 0
    with transaction.atomic(durable=True):
        return _read_on()


def _read_on() -> int:
    position = feed_cursor.lock_exclusive()
    head = log.head_position()
    wanted = AwaitedEvent.objects.values_list("event_name", flat=True).distinct()
    names = sorted({*wanted, *starts.event_names()})
    events, reached = log.page(after=position, head=head, limit=BATCH_EVENTS, names=names)
    if events:
        filters = waiting.BatchFilters()
        awaited = waiting.waiting_for(event.name for event in events)
        waiting.offer(events, to=awaited, filters=filters)
        starts.offer(events, filters=filters)
    if reached > position:
        feed_cursor.move_to(reached)
    return reached - position
