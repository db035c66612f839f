"""Renews the leases of this process while its handlers run, and stops those that take too long.

One thread per process for all its claims, started with the first of them. It renews at a
third of the lease, so that one lost beat loses nothing.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TypeVar

from django.db import connection

from events import interrupted
from workflows.work import conf, leases
from workflows.work.domain.claim import AttemptTimedOut, Claim, ClaimLost, Snooze

logger = logging.getLogger(__name__)

T = TypeVar("T")

GRACE_S = 1.0
"""How long a handler that was interrupted has to get out before it is given up."""


def keep_leases(claims: Sequence[Claim]) -> AbstractContextManager[None]:
    """Keep the leases of `claims` alive within the block."""
    return _KeptLeases(claims)


class _KeptLeases(AbstractContextManager[None]):
    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = claims

    def __enter__(self) -> None:
        _heartbeat.hold(self._claims)

    def __exit__(self, *_why: object) -> None:
        _heartbeat.release(self._claims)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let `time_limit` interrupt what runs within the block: only the main thread can be.

    Once for many attempts: to have a signal handled costs more than to set the clock.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, was = signal.signal(signal.SIGALRM, _ring), _thread.is_interruptible
    _thread.is_interruptible = True
    try:
        yield
    finally:
        _thread.is_interruptible = was
        signal.signal(signal.SIGALRM, before)


class _Thread(threading.local):
    is_interruptible = False
    claim: Claim | None = None
    """Whose handler has the time that is running."""


_thread = _Thread()


def time_limit(
    claim: Claim, seconds: float, give_up: Callable[[Claim], None]
) -> AbstractContextManager[None]:
    """Raise AttemptTimedOut within the block after `seconds`.

    A block that catches it ends with it all the same, whatever it returns or makes of it.
    What is not `interruptible`, and a handler that does not let itself be interrupted, is
    given up: `give_up(claim)` is called from another thread, once.
    """
    return _TimeLimit(claim, seconds, give_up)


class _TimeLimit(AbstractContextManager[None]):
    """A class: each step of a flow enters one, and two generators take three times as long."""

    def __init__(self, claim: Claim, seconds: float, give_up: Callable[[Claim], None]) -> None:
        self._claim = claim
        self._seconds = seconds
        self._give_up = give_up
        self._interrupts = _thread.is_interruptible

    def __enter__(self) -> None:
        grace_s = GRACE_S if self._interrupts else 0
        _heartbeat.limit(self._claim, self._seconds + grace_s, self._give_up)
        if self._interrupts:
            _thread.claim = self._claim
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _where: object
    ) -> None:
        try:
            if self._interrupts:
                signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            _thread.claim = None
            _heartbeat.lift(self._claim)
        watch = self._claim.watch
        if watch.overdue and not watch.settled and _hides_a_timeout(error):
            raise AttemptTimedOut from error


def _hides_a_timeout(error: BaseException | None) -> bool:
    """Return whether a block that was interrupted ended as if it had not been."""
    if error is None:
        return True
    ends_by_itself = (AttemptTimedOut, ClaimLost, Snooze)
    return isinstance(error, Exception) and not isinstance(error, ends_by_itself)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    if _thread.claim is not None:
        _thread.claim.watch.overdue = True
    interrupted.cancel_statement()
    raise AttemptTimedOut


class _Heartbeat:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        # By id() of the claim: a UUID takes ten times as long to look for.
        self._claims: dict[int, Claim] = {}
        self._limits: dict[int, tuple[float, Callable[[Claim], None]]] = {}
        self._thread: threading.Thread | None = None
        self._is_connected = False

    def hold(self, claims: Sequence[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._claims[id(claim)] = claim
            if self._thread is None:
                self._is_connected = False
                self._thread = threading.Thread(
                    target=self._live, name="work-heartbeat", daemon=True
                )
                self._thread.start()

    def release(self, claims: Sequence[Claim]) -> None:
        with self._lock:
            for claim in claims:
                self._claims.pop(id(claim), None)
            if not self._claims and self._is_connected:
                self._changed.notify()

    def limit(self, claim: Claim, seconds: float, give_up: Callable[[Claim], None]) -> None:
        with self._lock:
            self._limits[id(claim)] = (time.monotonic() + seconds, give_up)
            if seconds < _interval_s():
                self._changed.notify()

    def lift(self, claim: Claim) -> None:
        with self._lock:
            self._limits.pop(id(claim), None)

    def _live(self) -> None:
        beat_at = time.monotonic() + _interval_s()
        try:
            while self._wait(beat_at):
                for claim, give_up in self._overdue():
                    _log_failure_of(give_up, claim)
                if time.monotonic() >= beat_at:
                    _log_failure_of(leases.heartbeat, self._held())
                    beat_at = time.monotonic() + _interval_s()
        finally:
            connection.close()

    def _wait(self, beat_at: float) -> bool:
        """Sleep until something is to be done; return whether there is anything to live for."""
        with self._lock:
            until = min([beat_at, *(limit for limit, _ in self._limits.values())])
            self._changed.wait(max(0.0, until - time.monotonic()))
            is_due = time.monotonic() >= until
            if not self._claims and (self._is_connected or is_due):
                self._thread = None
                return False
            self._is_connected |= is_due
            return True

    def _held(self) -> list[Claim]:
        with self._lock:
            return list(self._claims.values())

    def _overdue(self) -> list[tuple[Claim, Callable[[Claim], None]]]:
        now = time.monotonic()
        with self._lock:
            over = [id_ for id_, (limit, _) in self._limits.items() if limit <= now]
            limits = {id_: self._limits.pop(id_) for id_ in over}
            return [(self._claims.pop(id_), limits[id_][1]) for id_ in over if id_ in self._claims]


def _log_failure_of(act: Callable[[T], None], value: T) -> None:
    try:
        act(value)
    except Exception:
        # An edge. Nothing is lost: what is not renewed expires, and is then found.
        logger.exception("The heartbeat missed a beat.")
        connection.close()


def _interval_s() -> float:
    return conf.current().lease_s / 3


_heartbeat = _Heartbeat()


def reset() -> None:
    """Forget every claim. A forked child has those of its parent, but not its thread."""
    global _heartbeat  # noqa: PLW0603 (one per process)
    _heartbeat = _Heartbeat()


os.register_at_fork(after_in_child=reset)
