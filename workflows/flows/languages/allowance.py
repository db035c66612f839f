"""Limits of CPU time and memory of one script, whatever its language.

The time is that of the thread, so a busy machine takes nothing from a script. What is run
by our own evaluator asks by itself (`tick`); what a library runs is asked for at every
call that it makes (`watched`).
"""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from inspect import CO_GENERATOR
from types import FrameType
from typing import Any

from ledger.expressions import spending
from workflows.flows.domain.gates import ScriptFailed

COMPILE_SECONDS_MAX = 0.5
CONDITION_SECONDS_MAX = 0.5
"""Other work on the machine makes the same script take up to three times as much of a processor."""
SCRIPT_SECONDS_MAX = 1.0
MADE_MAX = 32 << 20
"""Characters, an item for four, that one script may make, whether it keeps them or not."""
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


class Allowance(spending.Allowance):
    """What is left to one script."""

    __slots__ = ("_language",)

    def __init__(self, language: str, seconds: float) -> None:
        super().__init__(seconds, MADE_MAX)
        self._language = language

    def took_too_long(self) -> Exception:
        return TookTooLong(self._language, self.seconds)

    def took_too_much(self) -> Exception:
        return TookTooMuch(self._language)


tick, made = spending.tick, spending.made
"""Spend of whatever script this thread runs. Raises TookTooLong, TookTooMuch."""


def made_of(document: Any) -> None:
    """Charge for a document (JSON) as it will be written: once more for each place it is in."""
    ahead = [document]
    while ahead:
        tick()
        match one := ahead.pop():
            case str():
                made(len(one))
            case dict():
                spending.made_items(len(one))
                ahead.extend(one.values())
            case list():
                spending.made_items(len(one))
                ahead.extend(one)


def spent(language: str, seconds: float) -> AbstractContextManager[None]:
    """Let what runs in the block, and ticks, take so much of the processor."""
    return spending.charged(Allowance(language, seconds))


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

    with spent(language, seconds):
        sys.setprofile(on_call)
        try:
            yield
        finally:
            sys.setprofile(before)
