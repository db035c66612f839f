"""Marks the current action as a reversal: set here, read where the action is recorded.

A reversal is executed by ordinary services, which know nothing of it. The first action that
they record is the reversal; its consequences in the same correlation are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from ledger.domain.reversals import Undoing


@dataclass
class Ongoing:
    """A reversal that is being carried out. `entry_id` is its entry, once there is one."""

    undoing: Undoing
    reason: str = ""
    is_claimed: bool = False
    entry_id: UUID | None = None


_ongoing: ContextVar[Ongoing | None] = ContextVar("daybook_reversal", default=None)


@contextmanager
def during(undoing: Undoing, *, reason: str = "") -> Iterator[Ongoing]:
    """Let the first action that is recorded within the block be the one that does `undoing`.

    `reason` is the reason of the reversal, for services that take none.
    """
    ongoing = Ongoing(undoing, reason)
    token = _ongoing.set(ongoing)
    try:
        yield ongoing
    finally:
        _ongoing.reset(token)


def claim() -> Ongoing | None:
    """Return the reversal that this action is, if it is one."""
    ongoing = _ongoing.get()
    if ongoing is None or ongoing.is_claimed:
        return None
    ongoing.is_claimed = True
    return ongoing
