"""The limits of an evaluation, checked at every item and function call.

Time is CPU time of the thread, so a busy machine does not count against an expression.
"""

import threading
import time
from contextlib import AbstractContextManager

_LOOK_EVERY_S = 0.005
"""Looking at the clock of the thread is a system call; the other clock is none."""


_ITEM_COST = 4
"""What an item counts for beside a character."""


class TooMuch(Exception):
    """An expression takes more than it may. It is not caught where others are passed over."""


class Allowance:
    """So much of the processor, and so many characters (an item for four) that it may make."""

    __slots__ = ("_began_at", "_look_at", "_made", "made_max", "seconds")

    def __init__(self, seconds: float, made_max: int) -> None:
        self.seconds, self.made_max = seconds, made_max
        self._made = 0
        self._began_at = time.thread_time()
        self._look_at = time.monotonic() + _LOOK_EVERY_S

    def tick(self) -> None:
        """Spend time.

        :raises TooMuch: if none is left, or what a kind of allowance says instead.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        if time.thread_time() - self._began_at > self.seconds:
            raise self.took_too_long()

    def made(self, size: int) -> None:
        """Charge for what was made, whether it is kept or not.

        :raises TooMuch: likewise.
        """
        self._made += size
        if self._made > self.made_max:
            raise self.took_too_much()

    def took_too_long(self) -> Exception:
        return TooMuch(f"it takes more than {self.seconds * 1000:.0f} ms of processor time")

    def took_too_much(self) -> Exception:
        return TooMuch(f"it makes more than {self.made_max >> 20} Mi characters and items")


class _Current(threading.local):
    allowance: Allowance | None = None


_current = _Current()


def tick() -> None:
    """Spend time of whatever this thread evaluates."""
    if _current.allowance is not None:
        _current.allowance.tick()


def made(size: int) -> None:
    """Charge whatever this thread evaluates for a text or a list that it has made."""
    if _current.allowance is not None:
        _current.allowance.made(size)


def made_items(items: int) -> None:
    """Charge likewise for the items of a list or a map."""
    made(items * _ITEM_COST)


def charged(allowance: Allowance) -> AbstractContextManager[None]:
    """Let what is evaluated in the block take so much."""
    return _Charged(allowance)


class _Charged(AbstractContextManager[None]):
    """A class: a generator takes three times as long, and a script may take less than that."""

    __slots__ = ("_allowance", "_before")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance

    def __enter__(self) -> None:
        self._before, _current.allowance = _current.allowance, self._allowance

    def __exit__(self, *_why: object) -> None:
        _current.allowance = self._before
