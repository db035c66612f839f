"""The state of a flow: the fold of its events.

Items of a step are kept in a persistent map, so that applying one event to a step with
ten thousand items costs a few nodes, not a copy.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from rpds import HashTrieMap

from workflows.flows.domain.plan import Plan
from workflows.flows.domain.step import Step

S = TypeVar("S")


def changed(state: S, **changes: Any) -> S:
    """Return `state` with these members replaced, as `dataclasses.replace` does it.

    Applying an event is three or four of these. Without slots one is a copy of a dict, five
    times as fast; the names are not checked.
    """
    after = object.__new__(type(state))
    after.__dict__.update(state.__dict__, **changes)
    return after


class FlowStatus(StrEnum):
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


class StepStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"

    is_terminal: bool

    def __init__(self, value: str) -> None:
        # Every decision asks it of every step: a property that hashes takes ten times as long.
        self.is_terminal = value in {"completed", "skipped", "failed"}


class WorkStatus(StrEnum):
    # Of Python's own, an enum is slow to hash; every event of an item moves the tally.
    __hash__ = str.__hash__

    PENDING = "pending"
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_COMPLETED = "not_completed"
    COMPENSATING = "compensating"
    COMPENSATED = "compensated"
    COMPENSATION_FAILED = "compensation_failed"


class ChildStatus(StrEnum):
    """Of the child flow of an item that has succeeded, once it will not be undone any more."""

    RELEASED = "released"
    DEACTIVATED = "deactivated"


NO_LONGER_AWAITED = "no longer awaited"
"""The error of an item that only waited, when its step or flow was settled otherwise."""

PARENT = "parent_flow_id"
"""What the metadata of a child flow call its parent."""

FORKED_AT = "forked_at"
"""What the options of a fork call the step that it begins anew from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One value of an attribute; `step` gave it, or init if there is none."""

    value: Any
    set_at: datetime
    step: str | None = None


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One invocation of a step. `token` never changes, however often it is tried."""

    token: str
    inputs: Mapping[str, Any]
    status: WorkStatus = WorkStatus.PENDING
    started_at: datetime | None = None
    completed_at: datetime | None = None
    next_retry_at: datetime | None = None
    outputs: Mapping[str, Any] | None = None
    error: str = ""
    retry_count: int = 0
    child: ChildStatus | None = None

    @property
    def is_fresh(self) -> bool:
        """Return whether it was never started: it waits for a free slot, not for a retry."""
        return self.status == WorkStatus.PENDING and self.retry_count == 0

    def has_begun_otherwise(self, retry: int, *, is_taken_first: bool) -> bool:
        """Return whether the try that a row of work was made for has: somebody did not wait.

        `is_taken_first`: nobody has taken that row before.
        """
        # A later try has a row of its own.
        return (is_taken_first and self.next_retry_at is None) or self.retry_count != retry


Items: TypeAlias = "HashTrieMap[str, WorkItem]"
_NO_ITEMS: Items = HashTrieMap()


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One step within the flow. `order` is the order of its items, `tally` counts them."""

    status: StepStatus = StepStatus.PENDING
    started_at: datetime | None = None
    completed_at: datetime | None = None
    inputs: Mapping[str, Any] | None = None
    outputs: Mapping[str, Any] | None = None
    items: Items = _NO_ITEMS
    order: tuple[str, ...] = ()
    tally: Mapping[WorkStatus, int] = field(default_factory=dict)
    cursor: int = 0
    error: str = ""
    unsatisfied: tuple[str, ...] = ()
    duration_ms: int = 0

    def count(self, *statuses: WorkStatus) -> int:
        """Return how many items have one of these statuses."""
        found = 0
        for status in statuses:
            found += self.tally.get(status, 0)
        return found

    @property
    def has_waiting(self) -> bool:
        """Return whether an item of a step under way may be there that was never started."""
        return self.cursor < len(self.order) and self.status is StepStatus.ACTIVE

    def in_order(self) -> Iterator[WorkItem]:
        """Yield the items in the order of the inputs."""
        return (self.items[token] for token in self.order)

    def with_known_items(self, items: Mapping[str, WorkItem]) -> "Execution":
        """Return this with these items, in the order given."""
        order = tuple(items)
        fresh_from = next(
            (index for index, token in enumerate(order) if items[token].is_fresh), len(order)
        )
        return changed(
            self,
            items=HashTrieMap(items),
            order=order,
            tally=dict(Counter(item.status for item in items.values())),
            cursor=fresh_from,
        )


@dataclass(frozen=True, kw_only=True)
class Flow:
    """The state of one flow. Unset times are None (zero to Argyll's clients)."""

    id: str
    plan: Plan
    status: FlowStatus = FlowStatus.ACTIVE
    attributes: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    executions: Mapping[str, Execution] = field(default_factory=dict)
    completed_steps: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    init: Mapping[str, list[Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    completed_at: datetime | None = None
    deactivated_at: datetime | None = None
    last_updated: datetime | None = None
    error: str = ""
    is_paused: bool = False
    """Whether somebody has to resume it. The outcome, which may come meanwhile, ends that."""
    is_cancelled: bool = False
    compensates: bool = False
    """Whether to compensate, as the cancellation said."""
    is_released: bool = False
    """Whether its parent has said that it will not undo it."""
    is_undone: bool = False
    """Whether its parent has said that it is to be undone."""
    open_children: int = 0
    """How many child flows it has released that are not deactivated yet."""
    is_known_plain: bool = field(default=False, compare=False, repr=False)
    """Whether `plain` knows, without a look, that it can decide what is next."""

    @property
    def is_terminal(self) -> bool:
        """Return whether the outcome is known."""
        return self.status != FlowStatus.ACTIVE

    @property
    def is_over(self) -> bool:
        """Return whether this flow can no longer have any effect."""
        return self.deactivated_at is not None

    @property
    def undoes(self) -> bool:
        """Return whether what it did is undone should it fail: by its option, or as it was said
        when it was cancelled."""
        return self.compensates if self.is_cancelled else self.asks_for_compensation

    @property
    def asks_for_compensation(self) -> bool:
        return bool(self.options.get("compensate"))

    @property
    def is_to_be_undone(self) -> bool:
        """Return whether its completed work is to be compensated, where that is possible."""
        return self.is_undone or (self.status == FlowStatus.FAILED and self.undoes)

    @property
    def not_undone(self) -> list[str]:
        """The steps that could not be compensated completely."""
        return [
            step_id
            for step_id, execution in self.executions.items()
            if execution.count(WorkStatus.COMPENSATION_FAILED)
        ]

    @property
    def is_partly_undone(self) -> bool:
        """Return whether something could not be compensated. False before the outcome."""
        return self.is_terminal and self.plan.can_be_undone and bool(self.not_undone)

    @property
    def is_held(self) -> bool:
        """Return whether it has completed but not ended, as its parent may still compensate it."""
        return (
            self.status == FlowStatus.COMPLETED
            and self.asks_for_compensation
            and PARENT in self.metadata
            and self.plan.can_be_undone
            and not (self.is_released or self.is_undone or self.is_over)
        )

    def holds(self, step: Step) -> bool:
        """Return whether completed child flows of `step` are held until they are released."""
        child = self.plan.children.get(step.id)
        return self.asks_for_compensation and child is not None and child.can_be_undone

    def will_retry(self, step_id: str, item: WorkItem) -> bool:
        """Return whether the next attempt of an item, or of undoing it, will come."""
        if item.status is WorkStatus.COMPENSATING:
            return item.next_retry_at is not None
        return self.will_try_again(step_id, item)

    def will_try_again(self, step_id: str, item: WorkItem) -> bool:
        """Return whether an item waits for its next attempt: not once its step is settled."""
        return (
            item.status is WorkStatus.PENDING
            and item.next_retry_at is not None
            and self.executions[step_id].status is StepStatus.ACTIVE
            and not self.is_terminal
        )

    def step(self, step_id: str) -> Step:
        return self.plan.steps[step_id]

    def values(self, name: str) -> tuple[Value, ...]:
        return self.attributes.get(name, ())

    def providers(self, name: str) -> tuple[str, ...]:
        """Return the planned providers of an attribute; empty if the plan has none."""
        return self.plan.providers(name)

    def pending_steps(self) -> Iterator[str]:
        return (
            step_id
            for step_id, execution in self.executions.items()
            if execution.status == StepStatus.PENDING
        )
