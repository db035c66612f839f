"""The approval that a request refers to: read at the edge, used once, never from a body.

The HTTP edge reads the header `Action-Approval-Id`; a job that executes on approval names its
own. It covers the first action that the request records; any further action of the same
request needs its own approval.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from events.domain.errors import Conflict

HEADER: Final = "Action-Approval-Id"


@dataclass
class Presented:
    """An approval that somebody refers to, as they wrote it."""

    approval_id: str
    is_used: bool = False


class ApprovalNotNeeded(Conflict):
    code = "approval_not_needed"
    hint = "Execute the action: it needs no approval."

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} needs no approval here and now.", action=action)


_only_asking: ContextVar[bool] = ContextVar("daybook_only_asking", default=False)
_presented: ContextVar[Presented | None] = ContextVar("daybook_approval", default=None)


@contextmanager
def presenting(approval_id: str) -> Iterator[Presented]:
    """Refer to an approval within the block."""
    presented = Presented(approval_id)
    token = _presented.set(presented)
    try:
        yield presented
    finally:
        _presented.reset(token)


@contextmanager
def only_asking() -> Iterator[None]:
    """Within the block, request approvals and execute nothing; refuse what needs none."""
    token = _only_asking.set(True)
    try:
        yield
    finally:
        _only_asking.reset(token)


def is_only_asking() -> bool:
    """Return whether this is within `only_asking`."""
    return _only_asking.get()


def presented() -> Presented | None:
    """Return the approval that the request refers to and has not used yet; None if none."""
    known = _presented.get()
    return None if known is None or known.is_used else known
