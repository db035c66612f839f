"""Turns: threads of a process that write the same contended stream do so one after the other.

A thread whose turn it is knows what the one before has written, so it decides on the current
state and appends in one round trip, where fifty would wait for each other in the database.
Between processes the lock of the stream protects it, and behind that its UNIQUE sequence.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from events.domain.envelope import Stream

PATIENCE_S = 5.0
"""How long to wait for a turn. After it, the lock in the database decides."""
RIVALS_SECONDS = 0.5
"""How long a rival of another process is expected to come again."""
RIVALS_MAX = 1_024


class _ThreadState(threading.local):
    has_turn = False


_thread = _ThreadState()
_lock = threading.Lock()
_calm = threading.Condition(_lock)
"""Notified when no thread writes a stream without a turn any more."""
_waiting: dict[Stream, deque[threading.Event]] = {}
"""By stream, those who came, in order. The first has its turn."""
_rushing: dict[Stream, int] = {}
"""By stream, how many write it at this moment without a turn."""
_rivals_until: dict[Stream, float] = {}


@contextmanager
def turn(stream: Stream) -> Iterator[None]:
    """Wait for this thread's turn at `stream`, and keep other threads from it within the block.

    A thread that has a turn waits for no other, so that two never wait for each other.
    """
    if _thread.has_turn:
        yield
        return
    mine = threading.Event()
    try:
        # Here too: whoever is interrupted while waiting must not keep the place.
        _come(stream, mine)
        mine.wait(PATIENCE_S)
        with _calm:
            # They are through in a round trip, and have left here what they wrote, or lost.
            _calm.wait_for(lambda: stream not in _rushing, PATIENCE_S)
        _thread.has_turn = True
        yield
    finally:
        _thread.has_turn = False
        _leave(stream, mine)


class Rush(AbstractContextManager[None]):
    """A block that writes `stream` without a turn, because no other thread seems to write it.

    A class: every command enters one, and a generator takes three times as long.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._had_turn = _thread.has_turn

    def __enter__(self) -> None:
        _thread.has_turn = True
        with _lock:
            _rushing[self._stream] = _rushing.get(self._stream, 0) + 1

    def __exit__(self, *_how: object) -> None:
        _thread.has_turn = self._had_turn
        with _lock:
            left = _rushing.pop(self._stream, 0) - 1
            if left > 0:
                _rushing[self._stream] = left
            else:
                _calm.notify_all()


def is_taken(stream: Stream) -> bool:
    """Whether somebody has a turn at `stream`: then it is no time to write it without one."""
    return stream in _waiting


def note_rival(stream: Stream) -> None:
    """Record that somebody of another process was seen to write `stream`."""
    with _lock:
        if len(_rivals_until) >= RIVALS_MAX:
            _rivals_until.clear()
        _rivals_until[stream] = time.monotonic() + RIVALS_SECONDS


def has_rivals_elsewhere(stream: Stream) -> bool:
    """Whether others than those who take turns were seen to write `stream` lately."""
    until = _rivals_until.get(stream)
    return until is not None and until > time.monotonic()


def _come(stream: Stream, mine: threading.Event) -> None:
    with _lock:
        queue = _waiting.setdefault(stream, deque())
        if not queue:
            mine.set()
        queue.append(mine)


def _leave(stream: Stream, mine: threading.Event) -> None:
    with _lock:
        queue = _waiting.get(stream)
        if queue is None or mine not in queue:
            return
        queue.remove(mine)
        if queue:
            queue[0].set()
        else:
            del _waiting[stream]


def _forget() -> None:
    """A forked child has the places of its parent's threads, but none of these threads."""
    global _lock, _calm  # noqa: PLW0603 (one per process; somebody may have held the lock)
    _lock = threading.Lock()
    _calm = threading.Condition(_lock)
    _waiting.clear()
    _rushing.clear()


os.register_at_fork(after_in_child=_forget)
