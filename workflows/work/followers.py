"""The registry of feed followers: apps that read the feed in order, shortly after it moves.

A follower stores its cursor in the transaction of its writes, so a lost loop costs only time.
The loop runs beside the sweeper; several at once take turns.
"""

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, connection

from events import doorbell

logger = logging.getLogger(__name__)

Follow = Callable[[], int]
"""Read on from one's place, commit, and return how much was read: 0 when there is no more."""

POLL_SECONDS = 0.5
"""How often followers poll, if no wake-up comes."""

_followers: dict[str, Follow] = {}


def register(name: str, follow: Follow) -> None:
    """Let `follow` be called whenever the feed has moved."""
    known = _followers.setdefault(name, follow)
    assert known is follow, f"two followers are called {name}"


def follow_once() -> int:
    """Let everybody read on to the end, and return how much was read."""
    count = 0
    for follow in _followers.values():
        while read := follow():
            count += read
    return count


def run_forever(stop: threading.Event) -> None:
    """Follow until `stop` is set, across restarts of what we depend on."""
    waiter = doorbell.Waiter("moved")
    while not stop.is_set():
        try:
            follow_once()
        except DatabaseError:
            logger.exception("PostgreSQL does not answer; following again soon.")
            connection.close()
        except Exception:
            # An edge: one bad row must not end what wakes everybody else.
            logger.exception("Following the feed failed.")
            stop.wait(POLL_SECONDS)
        waiter.wait(POLL_SECONDS)
    waiter.close()
    connection.close()


def started(stop: threading.Event) -> threading.Thread:
    """Follow in a thread of this process until `stop` is set."""
    thread = threading.Thread(target=run_forever, args=[stop], name="followers", daemon=True)
    thread.start()
    return thread
