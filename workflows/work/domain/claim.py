"""The claim that a worker holds while it works, and the exceptions that end a handler early."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from events.domain.errors import Conflict
from workflows.work.domain.life import Budget


def token_of(work_id: UUID) -> str:
    """Return the idempotency token of a piece of work: the same in every attempt, for ever."""
    return f"wrk_{work_id.hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRef:
    """A piece of work by name. `is_new` is false if its idempotency key was there before."""

    id: UUID
    kind: str
    is_new: bool = True

    @property
    def token(self) -> str:
        return token_of(self.id)


class ClaimLost(Conflict):
    """The lease expired and another attempt took over. This one must not commit."""

    code = "claim_lost"
    hint = "Another attempt has taken over; this one changed nothing."

    def __init__(self, work_id: UUID, fence: int) -> None:
        super().__init__(
            f"Fence {fence} of work {work_id} is not the current one.",
            work_id=str(work_id),
            fence=fence,
        )


class CancelRequested(ClaimLost):
    """The work was asked to stop before it completed."""

    code = "work_cancel_requested"
    hint = "Stop; the work will be on record as cancelled."


class PermanentFailure(Exception):
    """Raised by a handler that knows that trying again cannot help: dead letter at once."""


class AttemptTimedOut(Exception):
    """Raised in a handler that has used up the time of its kind."""

    def __init__(self) -> None:
        super().__init__("The attempt took longer than its kind may.")


class Snooze(Exception):
    """Raised by a handler that wants to be asked again later. Costs no budget."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"Ask again in {after_s} s.")
        self.after_s = after_s


@dataclass(slots=True)
class Watch:
    """What is learned about a claim while its handler runs. Flags only go up."""

    cancel_requested: bool = False
    lost: bool = False
    overdue: bool = False
    """Its handler was interrupted, which it may not have let happen to it."""
    settled: bool = False
    """Completed by the handler itself, in a transaction that has committed."""
    goes_on: bool = False
    """Its worker is ready to go on with what follows."""
    following: "Claim | None" = None
    """What follows, claimed for the same worker by the commit that settled this."""
    read: list[tuple[Any, ...]] | None = None
    """Rows that came with the claim: what its kind `reads` (`registry`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One attempt at a piece of work, under a lease that the worker keeps alive.

    Give `token` to whatever is called outside, as its idempotency key. A handler that
    runs long calls `check()` between its steps.
    """

    id: UUID
    kind: str
    subject: str
    input: Any
    token: str
    fence: int
    attempt: int
    lease_until: datetime
    claimed_at: datetime
    worker: str
    budget: Budget
    principal: str
    correlation_id: str
    causation_id: str | None
    is_handed_over: bool = False
    """Claimed by the commit that listed it: this process knows what that commit knew."""
    watch: Watch = field(default_factory=Watch, compare=False, repr=False)

    def check(self) -> None:
        """Do nothing while the claim is good.

        :raises CancelRequested: if somebody asked for this work to stop.
        :raises ClaimLost: if another attempt has taken over.
        :raises AttemptTimedOut: if its time was up before, and that was caught and passed over.
        """
        if self.watch.settled:
            return
        if self.watch.cancel_requested:
            raise CancelRequested(self.id, self.fence)
        if self.watch.lost:
            raise ClaimLost(self.id, self.fence)
        if self.watch.overdue:
            raise AttemptTimedOut
