"""Give committed events their positions: dense, in an order in which no reader misses one.

Ordering by id within one snapshot is safe: whoever appended after another event was
committed drew a larger id, and a snapshot that sees the later one sees the earlier too. So
an event that commits late, with a small id, just gets a later position. An advisory lock
admits one sequencer at a time. While none runs nothing is lost; the feed only stands still.
"""

import logging
import threading

from django.db import Error, connection, transaction

from events import doorbell, failpoints, wire
from events.failpoints import failpoint

logger = logging.getLogger(__name__)

BATCH_EVENTS = 1_000
POLL_SECONDS = 0.15
BACKOFF_SECONDS_MAX = 2.0

BEFORE_COMMIT = failpoints.declare("sequencer.before_commit")
AFTER_COMMIT = failpoints.declare("sequencer.after_commit")


def sequence_once(limit: int = BATCH_EVENTS) -> int:
    """Sequence the oldest events and return how many; 0 also if another sequencer is running.

    With the last of the `limit` goes whatever was appended in the same statement.
    """
    with transaction.atomic(durable=True):
        row = wire.run("SELECT * FROM events_sequence(%s::int)", [limit]).fetchone()
        assert row is not None
        count, head = row
        failpoint(BEFORE_COMMIT)
    if count:
        failpoint(AFTER_COMMIT)
        doorbell.announce(head)
    return int(count)


def run_forever(stop: threading.Event) -> None:
    """Sequence new events until `stop` is set, across restarts of PostgreSQL and Valkey."""
    waiter = doorbell.Waiter()
    was_rung = False
    backoff = 0.0
    while not stop.is_set():
        try:
            has_moved = _drain(stop)
            backoff = 0.0
        except Error:  # Not only while it is away: after a failover it may take no writes at first.
            backoff = min(backoff * 2 or POLL_SECONDS, BACKOFF_SECONDS_MAX)
            why = "The database did not let the sequencer work."
            logger.exception(why, extra={"again_in_s": backoff})
            connection.close()
            stop.wait(backoff)
            continue
        if has_moved or was_rung:
            # Writers leave out a ring that follows another closely; this is the promise why. It
            # holds for a ring that came after its event was seen, too.
            was_rung = False
            stop.wait(doorbell.LINGER_SECONDS)
        else:
            was_rung = waiter.wait(POLL_SECONDS)
    waiter.close()


def _drain(stop: threading.Event) -> bool:
    """Sequence all there is, and return whether there was anything."""
    count = sequence_once()
    has_moved = count > 0
    while count >= BATCH_EVENTS and not stop.is_set():
        count = sequence_once()
    return has_moved
