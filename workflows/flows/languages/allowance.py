"""How much of the processor and of memory one script may take here, whatever its language.

The time is that of the thread, so a busy machine takes nothing from a script. What is run
by our own evaluator asks by itself (`tick`); what a library runs is asked for at every
call that it makes (`watched`).
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_GENERATOR
from types import FrameType
from typing import Any

from workflows.flows.domain.gates import ScriptFailed

COMPILE_SECONDS_MAX = 0.5
CONDITION_SECONDS_MAX = 0.5
"""Other work on the machine makes the same script take up to three times as much of a processor."""
SCRIPT_SECONDS_MAX = 1.0
MADE_MAX = 32 << 20
"""Characters, an item for four, that one script may make, whether it keeps them or not."""
_LOOK_EVERY_S = 0.005
"""Looking at the clock of the thread is a system call; the other clock is none."""
_LOOK_EVERY_CALLS = 100
"""Of a library: some 20 µs of its time."""


class TookTooLong(ScriptFailed):
    """A script is not done in its time."""

    def __init__(self, language: str, seconds: float) -> None:
        super().__init__(
            f"{language} execution error\nthe script took more than "
            f"{seconds * 1000:.0f} ms of processor time"
        )


class TookTooMuch(ScriptFailed):
    """A script makes more than it may hold."""

    def __init__(self, language: str) -> None:
        super().__init__(
            f"{language} execution error\nthe script made more than {MADE_MAX >> 20} Mi "
            "characters and items"
        )


class Allowance:
    """What is left to one script."""

    __slots__ = ("_began_at", "_language", "_look_at", "_made", "_seconds")

    def __init__(self, language: str, seconds: float) -> None:
        self._language, self._seconds = language, seconds
        self._made = 0
        self._began_at = time.thread_time()
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def tick(self) -> None:
        """Raises TookTooLong if nothing is left."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        if time.thread_time() - self._began_at > self._seconds:
            raise TookTooLong(self._language, self._seconds)

    def made(self, size: int) -> None:
        """Raises TookTooMuch if that was too much."""
        self._made += size
        if self._made > MADE_MAX:
            raise TookTooMuch(self._language)


class _Current(threading.local):
    allowance: Allowance | None = None


_current = _Current()


def tick() -> None:
    """Spend time of whatever script this thread runs.

    :raises TookTooLong: if it has none left.
    """
    allowance = _current.allowance
    if allowance is not None:
        allowance.tick()


def made(size: int) -> None:
    """Charge whatever script this thread runs for a text or a list that it has made.

    :raises TookTooMuch: if it has made too much.
    """
    allowance = _current.allowance
    if allowance is not None:
        allowance.made(size)


@contextmanager
def spending(language: str, seconds: float) -> Iterator[None]:
    """Let what runs in the block, and ticks, take so much of the processor."""
    before, _current.allowance = _current.allowance, Allowance(language, seconds)
    try:
        yield
    finally:
        _current.allowance = before


@contextmanager
def watched(language: str, seconds: float, *, package: str) -> Iterator[None]:
    """Let what `package` does in the block take so much of the processor; it never ticks."""
    before = sys.getprofile()

    left = _LOOK_EVERY_CALLS

    def on_call(frame: FrameType, _event: str, _what: Any) -> None:
        # Counting costs half of looking at a clock, and is done at every call of the library.
        nonlocal left
        left -= 1
        if left > 0:
            return
        # What a finalizer raises is lost: that of a generator, or one of somebody else's.
        is_safe = not frame.f_code.co_flags & CO_GENERATOR
        if is_safe and str(frame.f_globals.get("__name__")).partition(".")[0] == package:
            left = _LOOK_EVERY_CALLS
            tick()

    with spending(language, seconds):
        sys.setprofile(on_call)
        try:
            yield
        finally:
            sys.setprofile(before)
