"""Wake-ups over Valkey pub/sub: the log has new events, the feed has moved, a timer is set.

A wake-up is a hint. Losing all of them changes latency only: every waiter also polls.
Nothing here raises because Valkey is unreachable.
"""

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncGenerator
from functools import lru_cache
from typing import Literal

import redis
import redis.asyncio
from django.db import transaction
from redis.exceptions import RedisError

from events import conf, wire

logger = logging.getLogger(__name__)

RING_SECONDS_MAX = 0.05
CONFIRM_SECONDS_MAX = 1.0
RING_INTERVAL_SECONDS = 0.004
"""A ring so soon after another is left out: the receiver of the first looks again after
`LINGER_SECONDS` without being asked."""
LINGER_SECONDS = 0.005
TIMER_MARGIN_SECONDS = 0.02
"""A wake-up that is nearer than this may be over by now: clocks and commits differ by so much."""
SILENCE_SECONDS = 1.0
"""Pause of all rings after a failure: a dead Valkey must not slow down writers."""


def ring() -> None:
    """After the commit, tell the sequencer that there are events without a position."""
    db = wire.connection()
    if not db.in_atomic_block:
        wire.after_commit(ring_now)
        return
    for entry in db.run_on_commit:
        # Registered already, under no savepoint that may still be rolled back.
        if entry[1] is ring_now and entry[0] <= set(db.savepoint_ids):
            return
    transaction.on_commit(ring_now, robust=True)


def ring_now() -> None:
    """Tell the sequencer so at once: what there is has committed."""
    _committed.send("committed", "")


def announce(position: int) -> None:
    """Tell the readers of the feed that it has moved to `position`."""
    _moved.send("moved", str(position))


def set_timer(seconds: float) -> None:
    """Have the sweeper look for due timers in `seconds`, if it would look later.

    One that this process has set for an earlier moment does for this one too: whoever is woken
    by it sees on its own what comes next.
    """
    _timers.set(max(0.0, seconds))


class Waiter:
    """Waits for `ring()`, for `announce()` when made for "moved", and when made for "timer" for
    the first moment that a `set_timer()` names. Without Valkey it waits."""

    def __init__(self, what: Literal["committed", "moved", "timer"] = "committed") -> None:
        self._what = what
        self._pubsub: redis.client.PubSub | None = None

    def wait(self, timeout_seconds: float) -> bool:
        """Return at the next ring, or after `timeout_seconds`: whether somebody rang."""
        ends = time.monotonic() + timeout_seconds
        try:
            return self._wait_for_message(ends)
        except (RedisError, OSError):
            self.close()
            time.sleep(max(0.0, min(timeout_seconds, ends - time.monotonic())))
            return False

    def close(self) -> None:
        """Let go of the connection."""
        if self._pubsub is not None:
            self._pubsub.close()
            self._pubsub = None

    def _wait_for_message(self, ends: float) -> bool:
        pubsub = self._subscribed()
        while (left := ends - time.monotonic()) > 0:
            message = pubsub.get_message(timeout=left)
            if not message or message["type"] != "message":
                continue
            if self._what == "timer":
                ends = min(ends, time.monotonic() + float(message["data"]))
                continue
            self._drain(pubsub)
            return True
        return False

    def _drain(self, pubsub: redis.client.PubSub) -> None:
        # A hundred rings while we worked are one reason to look.
        while pubsub.get_message(timeout=0):
            pass

    def _subscribed(self) -> redis.client.PubSub:
        if self._pubsub is None:
            # Not by a client, which closes the connections of its pool when it is collected.
            pool = redis.ConnectionPool.from_url(conf.valkey_url(), socket_connect_timeout=1)
            self._pubsub = redis.client.PubSub(pool)
            self._pubsub.subscribe(_channel(self._what))
            self._pubsub.get_message(timeout=CONFIRM_SECONDS_MAX)
        return self._pubsub


async def listen(*, poll_seconds: float = 1.0) -> AsyncGenerator[int | None]:
    """Yield the position of every move of the feed, and None whenever it is time to look.

    The first item comes at once. Never ends and never raises because Valkey is away: it
    then yields None every `poll_seconds`.
    """
    yield None
    while True:
        try:
            async for position in _moves(poll_seconds):
                yield position
        except (RedisError, OSError):
            logger.warning("The doorbell is away; the feed is polled.")
            await asyncio.sleep(poll_seconds)
            yield None


async def _moves(poll_seconds: float) -> AsyncGenerator[int | None]:
    client = redis.asyncio.Redis.from_url(conf.valkey_url(), socket_connect_timeout=1)
    async with client, client.pubsub() as pubsub:
        await pubsub.subscribe(_channel("moved"))
        await pubsub.get_message(timeout=poll_seconds)
        # What moved before the subscription was confirmed was not received.
        yield None
        while True:
            message = await pubsub.get_message(timeout=poll_seconds)
            yield int(message["data"]) if message else None


def _channel(what: str) -> str:
    # Pub/sub knows no database numbers: installations on one Valkey differ by this.
    return f"daybook:{wire.connection().settings_dict['NAME']}:{what}"


@lru_cache(maxsize=16)
def _publish(channel: str, text: str) -> bytes:
    # As redis would write it, which takes longer than to send it; a ring always says the same.
    parts = [b"PUBLISH", channel.encode(), text.encode()]
    return b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class _Publisher:
    """One connection per process, whose replies are not waited for.

    A PUBLISH that waits for its answer costs a commit a third of its time.
    """

    def __init__(self, *, interval_seconds: float = 0) -> None:
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._connection: redis.connection.ConnectionInterface | None = None
        self._pid = 0
        self._silent_until = 0.0

    def send(self, what: str, text: str) -> bool:
        """Return whether it was sent, and not left out."""
        with self._lock:
            now = time.monotonic()
            if now < self._silent_until:
                return False
            self._silent_until = now + self._interval_seconds
            try:
                command = _publish(_channel(what), text)
                self._connected().send_packed_command([command])
            except (RedisError, OSError):
                self._fall_silent()
                return False
            return True

    def _connected(self) -> redis.connection.ConnectionInterface:
        # A forked child must not write into its parent's socket.
        if self._connection is None or self._pid != os.getpid():
            pool = redis.ConnectionPool.from_url(
                conf.valkey_url(),
                socket_timeout=RING_SECONDS_MAX,
                socket_connect_timeout=RING_SECONDS_MAX,
            )
            connection = pool.make_connection()
            connection.connect()
            connection.send_command("CLIENT", "REPLY", "OFF")
            self._connection, self._pid = connection, os.getpid()
        return self._connection

    def _fall_silent(self) -> None:
        self._silent_until = time.monotonic() + SILENCE_SECONDS
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
        logger.warning("The doorbell is away; the sequencer looks by itself.")


class _Timers:
    """The first moment that this process has asked to be looked at."""

    def __init__(self) -> None:
        self._publisher = _Publisher()
        self._next_at = 0.0

    def set(self, seconds: float) -> None:
        now = time.monotonic()
        if now + TIMER_MARGIN_SECONDS <= self._next_at <= now + seconds:
            return
        # Two threads may both send: then one wake-up is superfluous.
        if self._publisher.send("timer", f"{seconds:.3f}"):
            self._next_at = now + seconds


_committed = _Publisher(interval_seconds=RING_INTERVAL_SECONDS)
_moved = _Publisher()
_timers = _Timers()
