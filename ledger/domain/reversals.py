"""The rules of reversal: whether an action can be undone, and how far it has been.

An action declares in a `Declaration` how it can be undone. Whatever is done about it later is a
`Step`, recorded in an entry of its own; the `Standing` of the original is the fold of its
steps. Standings are a projection: they can be dropped and rebuilt.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import Any, Final
from uuid import UUID

from events.domain.errors import Conflict

WHY_CHARS_MAX = 500
FOLLOW_UP_CHARS_MAX = 100


class ReversalKind(StrEnum):
    """What would undo it."""

    NONE = "none"
    REVERT = "revert"
    COMPENSATE = "compensate"
    DOMAIN_COMMAND = "domain_command"


class State(StrEnum):
    """How it stands with the undoing of an action."""

    NOT_REVERSIBLE = "not_reversible"
    AVAILABLE = "available"
    REQUESTED = "requested"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


class Outcome(StrEnum):
    """How far an action is undone. `full` means that nothing of it is left."""

    FULL = "full"
    PARTIAL = "partial"
    FAILED = "failed"


class StepKind(StrEnum):
    """What an entry does about the undoing of another."""

    REQUESTED = "requested"
    WITHDRAWN = "withdrawn"
    BEGUN = "begun"
    SETTLED = "settled"
    RETURNED = "returned"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


ENDING = frozenset({StepKind.SETTLED, StepKind.COMPLETED})
"""After these something is undone; they say how much of the whole."""

STARTING = frozenset({StepKind.BEGUN, StepKind.COMPLETED})
"""These set an undoing in motion: an approval for one of them is a request to undo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an action says about its own undoing, when it is put on record.

    `command` and `version` name the reversal command, `args` are what it needs to know and
    are kept by reference. `until` is when it stops being possible; `amount_cents`, in
    `currency`, is the most that can be given back. `why` says what makes it irreversible.
    `follow_ups` name what can be done instead.
    """

    kind: ReversalKind
    command: str = ""
    version: int | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    until: datetime | None = None
    amount_cents: int | None = None
    currency: str = ""
    why: str = ""
    follow_ups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert (self.kind is ReversalKind.NONE) == (self.command == ""), (
            "what can be undone names the command that does it, and nothing else does"
        )
        assert (self.command == "") == (self.version is None), "a command has a version"
        assert (self.kind is ReversalKind.NONE) == (self.why != ""), (
            "what cannot be undone says why, and nothing else does"
        )
        assert (self.amount_cents is None) == (self.currency == ""), "an amount has a currency"
        assert self.amount_cents is None or self.amount_cents > 0, "an amount is positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """That an action is done to undo the one of entry `of`. `amount_cents` is how much of it.

    `is_partial` is for what has no amount and leaves something as it is nevertheless.
    """

    of: UUID
    step: StepKind = StepKind.COMPLETED
    kind: ReversalKind = ReversalKind.REVERT
    amount_cents: int | None = None
    is_partial: bool = False
    is_follow_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was done about the undoing of an action, as its entry has it.

    `approval_id` is the approval that it asks for, ends without use, or is done under.
    """

    entry_id: UUID
    kind: StepKind
    at: datetime
    outcome: Outcome | None = None
    amount_cents: int = 0
    approval_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How it stands with the undoing of one action.

    `amount_cents` is the whole, None where nothing is counted; `done_cents` has gone back,
    `running_cents` is on its way. `requests` are the approvals that were asked for to undo it
    and are open or unused. `steps` counts what was done about it.
    """

    state: State = State.AVAILABLE
    outcome: Outcome | None = None
    amount_cents: int | None = None
    done_cents: int = 0
    running: int = 0
    running_cents: int = 0
    until: datetime | None = None
    expired_at: datetime | None = None
    reversed_by: UUID | None = None
    requests: tuple[UUID, ...] = ()
    steps: int = 0

    @property
    def left_cents(self) -> int | None:
        """How much can still be given back; None where nothing is counted."""
        if self.amount_cents is None:
            return None
        return self.amount_cents - self.done_cents - self.running_cents


class ReversalRefused(Conflict):
    """The action cannot be undone now, or not in this way. Nothing was attempted."""

    hint = "See the state of the entry; `follow_ups` list what can be done instead, if anything."


class ReversalMissingMutationDetail(ReversalRefused):
    code = "reversal_missing_mutation_detail"

    def __init__(self, entry_id: UUID) -> None:
        super().__init__("The entry records no change that was made.", entry_id=str(entry_id))


class ReversalNotReversible(ReversalRefused):
    code = "reversal_not_reversible"

    def __init__(self, entry_id: UUID, *, why: str, follow_ups: Iterable[Any] = ()) -> None:
        super().__init__(
            f"This cannot be undone: {why or 'the action declares no reversal.'}",
            entry_id=str(entry_id),
            why=why,
            follow_ups=list(follow_ups),
        )


class ReversalExpired(ReversalRefused):
    code = "reversal_expired"

    def __init__(self, entry_id: UUID, *, until: str, follow_ups: Iterable[Any] = ()) -> None:
        super().__init__(
            f"This could be undone until {until}.",
            entry_id=str(entry_id),
            until=until,
            follow_ups=list(follow_ups),
        )


class ReversalCommandUnavailable(ReversalRefused):
    code = "reversal_command_unavailable"

    def __init__(
        self, entry_id: UUID, *, command: str, version: int | None, follow_ups: Iterable[Any] = ()
    ) -> None:
        gone = f"No handler for {command} version {version} is registered any more."
        super().__init__(
            f"No command {command} undoes this." if version is None else gone,
            entry_id=str(entry_id),
            command=command,
            version=version,
            follow_ups=list(follow_ups),
        )


class ReversalAlreadyReversed(ReversalRefused):
    code = "reversal_already_reversed"

    def __init__(self, entry_id: UUID, *, reversed_by: UUID | None) -> None:
        super().__init__(
            "This was undone already.",
            entry_id=str(entry_id),
            reversed_by=str(reversed_by) if reversed_by else None,
        )


class ReversalUnderWay(ReversalRefused):
    code = "reversal_under_way"
    hint = "Wait until it has succeeded or failed."

    def __init__(self, entry_id: UUID) -> None:
        super().__init__("A reversal of this is under way.", entry_id=str(entry_id))


class ReversalExceedsOriginal(ReversalRefused):
    code = "reversal_exceeds_original"
    hint = "Reverse at most the original amount, less what has been or is being reversed."

    def __init__(self, entry_id: UUID, *, requested_cents: int, left_cents: int) -> None:
        super().__init__(
            f"Only {left_cents} minor units of this can still be reversed.",
            entry_id=str(entry_id),
            requested_cents=requested_cents,
            left_cents=left_cents,
        )


def begin(declared: Declaration) -> Standing:
    """Return how it stands with an action that was just put on record."""
    if declared.kind is ReversalKind.NONE:
        return Standing(state=State.NOT_REVERSIBLE)
    return Standing(amount_cents=declared.amount_cents, until=declared.until)


def evolve(standing: Standing, step: Step) -> Standing:
    """Return how it stands after `step`. What is on record has happened: nothing is refused."""
    return _EVOLVING[step.kind](replace(standing, steps=standing.steps + 1), step)


def fold(declared: Declaration, steps: Iterable[Step]) -> Standing:
    """Return how it stands after all `steps`, in the order in which they were taken."""
    return reduce(evolve, steps, begin(declared))


def outcome_of(standing: Standing, undoing: Undoing) -> Outcome | None:
    """Return what `undoing` makes of the action as a whole; None if it does not end.

    Counted things are wholly undone when nothing is left of the amount, by whatever steps.
    """
    if undoing.step in {StepKind.FAILED, StepKind.RETURNED}:
        return Outcome.FAILED
    if undoing.step not in ENDING:
        return None
    if standing.amount_cents is None or undoing.amount_cents is None:
        return Outcome.PARTIAL if undoing.is_partial else Outcome.FULL
    done = standing.done_cents + undoing.amount_cents
    return Outcome.FULL if done == standing.amount_cents else Outcome.PARTIAL


def check_step(entry_id: UUID, standing: Standing, undoing: Undoing, *, at: datetime) -> None:
    """Refuse a step that the standing of the action does not allow.

    What ends something that has begun is always allowed, and so is what only notes that an
    attempt failed or that its time is over.

    :raises ReversalNotReversible: if the action declares no way back.
    :raises ReversalAlreadyReversed: if nothing of it is left.
    :raises ReversalExpired: if its time is over; a follow-up may come later.
    :raises ReversalUnderWay: if it is being undone as a whole.
    :raises ReversalExceedsOriginal: if it would give back more than there was.
    """
    if undoing.step not in {StepKind.BEGUN, StepKind.COMPLETED, StepKind.REQUESTED}:
        return
    if standing.state is State.NOT_REVERSIBLE:
        raise ReversalNotReversible(entry_id, why="")
    left = standing.left_cents
    if standing.outcome is Outcome.FULL or (left == 0 and not standing.running):
        raise ReversalAlreadyReversed(entry_id, reversed_by=standing.reversed_by)
    if not undoing.is_follow_up and is_over(standing, at=at):
        until = standing.until or standing.expired_at
        raise ReversalExpired(entry_id, until=until.isoformat() if until else "")
    if standing.running and left is None:
        raise ReversalUnderWay(entry_id)
    if left is not None and (undoing.amount_cents or 0) > left:
        raise ReversalExceedsOriginal(
            entry_id, requested_cents=undoing.amount_cents or 0, left_cents=left
        )


def is_over(standing: Standing, *, at: datetime) -> bool:
    """Say whether the time in which it could be undone has passed; its last moment is too late."""
    return standing.expired_at is not None or (standing.until is not None and at >= standing.until)


def _requested(standing: Standing, step: Step) -> Standing:
    assert step.approval_id is not None, "a request names the approval that it waits for"
    waiting = replace(standing, requests=tuple(sorted({*standing.requests, step.approval_id})))
    return replace(waiting, state=_at_rest(waiting))


def _withdrawn(standing: Standing, step: Step) -> Standing:
    left, is_asked = _without_request(standing, step), standing.state is State.REQUESTED
    return replace(left, state=_at_rest(left)) if is_asked else left


def _begun(standing: Standing, step: Step) -> Standing:
    return replace(
        _without_request(standing, step),
        state=State.RUNNING,
        running=standing.running + 1,
        running_cents=standing.running_cents + step.amount_cents,
    )


def _settled(standing: Standing, step: Step) -> Standing:
    return _completed(_no_longer_running(standing, step), step)


def _returned(standing: Standing, step: Step) -> Standing:
    return _failed(_no_longer_running(standing, step), step)


def _completed(standing: Standing, step: Step) -> Standing:
    done = replace(
        _without_request(standing, step),
        outcome=step.outcome,
        done_cents=standing.done_cents + step.amount_cents,
        reversed_by=step.entry_id,
    )
    return replace(done, state=_at_rest(done))


def _failed(standing: Standing, _step: Step) -> Standing:
    is_done = standing.outcome in {Outcome.PARTIAL, Outcome.FULL}
    failed = replace(standing, outcome=standing.outcome if is_done else Outcome.FAILED)
    # What was approved may be tried again under the same approval: it waits for that.
    is_waiting = standing.running or standing.requests
    return replace(failed, state=_at_rest(failed) if is_waiting else State.FAILED)


def _expired(standing: Standing, step: Step) -> Standing:
    # Whatever was asked for before cannot be done any more; what is asked for later can.
    expired = replace(standing, expired_at=step.at, requests=())
    is_open = standing.state in {State.AVAILABLE, State.FAILED, State.REQUESTED}
    return replace(expired, state=State.EXPIRED) if is_open else expired


def _without_request(standing: Standing, step: Step) -> Standing:
    return replace(standing, requests=tuple(sorted({*standing.requests} - {step.approval_id})))


def _no_longer_running(standing: Standing, step: Step) -> Standing:
    return replace(
        standing,
        running=standing.running - 1,
        running_cents=standing.running_cents - step.amount_cents,
    )


def _at_rest(standing: Standing) -> State:
    if standing.running:
        return State.RUNNING
    if standing.requests and standing.outcome is not Outcome.FULL:
        return State.REQUESTED
    if standing.outcome in {Outcome.PARTIAL, Outcome.FULL}:
        return State.COMPLETED
    if standing.expired_at is not None:
        return State.EXPIRED
    return State.FAILED if standing.outcome is Outcome.FAILED else State.AVAILABLE


_EVOLVING: Final[Mapping[StepKind, Callable[[Standing, Step], Standing]]] = {
    StepKind.REQUESTED: _requested,
    StepKind.WITHDRAWN: _withdrawn,
    StepKind.BEGUN: _begun,
    StepKind.SETTLED: _settled,
    StepKind.RETURNED: _returned,
    StepKind.COMPLETED: _completed,
    StepKind.FAILED: _failed,
    StepKind.EXPIRED: _expired,
}
