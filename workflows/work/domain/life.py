"""The state machine of a row of work: which state may follow which, and why.

The table below is the rule. models.py says it again as CHECK constraints, and every
statement that changes a state names the states it starts from.

```
 SCHEDULED ─┐                       ┌─► DONE
 READY ─────┼─ claim ─► LEASED ─────┼─► RETRY ── claim …
 RETRY ─────┘             │         ├─► DEAD ─────┐
     │                    │ expire  └─► SCHEDULED │ (snoozed)
     │                    ├─► RETRY               ├─ re_drive ─► READY
   cancel                 ├─► POISONED ───────────┤
     └─────► CANCELLED ◄──┘                       └─ discard ──► DISCARDED
```

CANCELLED and DISCARDED are for good, except of a part of something else, which waits for it: a
part is not cancelled or discarded any more, and what once was so can be retried.
"""

from dataclasses import dataclass
from enum import StrEnum

from events.domain.errors import Rejected


class State(StrEnum):
    SCHEDULED = "scheduled"
    """Wanted at a set time."""
    READY = "ready"
    """Wanted now."""
    RETRY = "retry"
    """Wanted again, after an error or a crash."""
    LEASED = "leased"
    """A worker holds it until `lease_until`."""
    DONE = "done"
    DEAD = "dead"
    """Dead letter: gave up after errors. A person decides."""
    POISONED = "poisoned"
    """Gave up after crashes: it kills its workers. A person decides."""
    CANCELLED = "cancelled"
    DISCARDED = "discarded"
    """A dead letter that a person has read and put away."""


class Trigger(StrEnum):
    CLAIM = "claim"
    COMPLETE = "complete"
    FAIL = "fail"
    SNOOZE = "snooze"
    EXPIRE = "expire"
    CANCEL = "cancel"
    RE_DRIVE = "retry"
    """Called as who asks for it calls it; RETRY is another thing, of the machine's own accord."""
    DISCARD = "discard"


WAITING = frozenset({State.SCHEDULED, State.READY, State.RETRY})
DEAD_LETTERS = frozenset({State.DEAD, State.POISONED})
"""They wait for a person, not for a worker."""
OPEN = WAITING | {State.LEASED}
FINISHED = frozenset(State) - OPEN

TRANSITIONS: dict[tuple[State, Trigger], frozenset[State]] = {
    **{(state, Trigger.CLAIM): frozenset({State.LEASED}) for state in WAITING},
    **{(state, Trigger.CANCEL): frozenset({State.CANCELLED}) for state in WAITING},
    (State.LEASED, Trigger.COMPLETE): frozenset({State.DONE}),
    (State.LEASED, Trigger.FAIL): frozenset({State.RETRY, State.DEAD}),
    (State.LEASED, Trigger.SNOOZE): frozenset({State.SCHEDULED}),
    (State.LEASED, Trigger.EXPIRE): frozenset({State.RETRY, State.POISONED, State.CANCELLED}),
    # Running work is only asked to stop. It stays leased until its worker obeys or dies.
    (State.LEASED, Trigger.CANCEL): frozenset({State.LEASED, State.CANCELLED}),
    **{(state, Trigger.RE_DRIVE): frozenset({State.READY}) for state in DEAD_LETTERS},
    **{(state, Trigger.DISCARD): frozenset({State.DISCARDED}) for state in DEAD_LETTERS},
}

OF_A_PART: dict[tuple[State, Trigger], frozenset[State]] = {
    # What was to wait for its time still does.
    (State.CANCELLED, Trigger.RE_DRIVE): frozenset({State.READY, State.SCHEDULED}),
    (State.DISCARDED, Trigger.RE_DRIVE): frozenset({State.READY}),
}
"""What is possible besides for work that something else waits for."""

ABANDONED = frozenset(state for state, _ in OF_A_PART)
"""How a part was left by whoever could still cancel or discard it."""


def states_that_allow(trigger: Trigger, *, is_part: bool = False) -> frozenset[State]:
    """Return the states in which `trigger` makes sense; of a part if something waits for it."""
    if is_part and trigger in {Trigger.CANCEL, Trigger.DISCARD}:
        return frozenset()
    known = TRANSITIONS | (OF_A_PART if is_part else {})
    return frozenset(state for state, possible in known if possible is trigger)


class NotPossible(Rejected):
    code = "work_not_in_that_state"
    hint = "Reload it: its state does not allow this."

    def __init__(
        self, work_id: str, trigger: Trigger, state: State, *, is_part: bool = False
    ) -> None:
        allowed = sorted(states_that_allow(trigger, is_part=is_part))
        super().__init__(
            f"Work {work_id} is {state}; {trigger} is possible while {' or '.join(allowed)}.",
            work_id=work_id,
            trigger=trigger.value,
            state=state.value,
            allowed_states=[one.value for one in allowed],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How often a piece of work has gone wrong since it was last driven, and may."""

    failures: int
    failures_max: int
    crashes: int
    crashes_max: int


def after_failure(budget: Budget, *, permanent: bool) -> State:
    """Return the state after one more error: another try, or the dead letters."""
    is_last = budget.failures + 1 >= budget.failures_max
    return State.DEAD if permanent or is_last else State.RETRY


def after_expiry(budget: Budget, *, cancel_requested: bool) -> State:
    """Return the state after one more worker was lost with this in its hands."""
    if cancel_requested:
        return State.CANCELLED
    is_last = budget.crashes + 1 >= budget.crashes_max
    return State.POISONED if is_last else State.RETRY
