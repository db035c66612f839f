"""The commands of a flow. Time and all external answers come in a `World`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflows.flows.domain.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFlow:
    """`inherited` are outputs of completed steps that a fork keeps, by step; `left_out` are
    steps that it leaves skipped."""

    plan: Plan
    init: Mapping[str, list[Any]]
    labels: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    inherited: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfWork:
    step_id: str
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginAttempt(_OfWork):
    """The wait before a retry has ended; repeated each second while no worker is healthy."""

    is_second_look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SucceedWork(_OfWork):
    outputs: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailWork(_OfWork):
    """The work item failed permanently. It has effects to compensate if it `leaves` something."""

    error: str
    leaves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompleteWork(_OfWork):
    """The attempt failed; a retry may succeed."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginCompensation(_OfWork):
    """The wait before a retry of a compensation has ended; as with `BeginAttempt`."""

    is_second_look: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SucceedCompensation(_OfWork):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FailCompensation(_OfWork):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompleteCompensation(_OfWork):
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Continue:
    """Look again: a deadline has passed, a worker is healthy again, or a crash was survived.

    With `past`, the token of an item, do for the items after it what an earlier decision did
    for those up to it.
    """

    past: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseFlow:
    reason: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeFlow:
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFlow:
    reason: str
    compensates: bool = False
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFlow:
    """The parent will no longer compensate this flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFlow:
    """The parent compensates this flow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseChild(_OfWork):
    """The child flow of an item, which was released, has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipStep:
    step_id: str
    reason: str
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceStep:
    """An operator completes the step and supplies its outputs."""

    step_id: str
    outputs: Mapping[str, Any]
    reason: str = ""
    entry_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryNow(_OfWork):
    """Retry now instead of waiting for the backoff."""

    reason: str = ""
    entry_id: str = ""


OperatorCommand = PauseFlow | ResumeFlow | CancelFlow | SkipStep | ForceStep | RetryNow
"""What people ask for by hand. `entry_id` is the entry that has the words in which they said why:
an event only names it, because words can be taken away and events cannot."""

FlowCommand = (
    StartFlow
    | BeginAttempt
    | SucceedWork
    | FailWork
    | NotCompleteWork
    | BeginCompensation
    | SucceedCompensation
    | FailCompensation
    | NotCompleteCompensation
    | Continue
    | PauseFlow
    | ResumeFlow
    | CancelFlow
    | ReleaseFlow
    | UndoFlow
    | CloseChild
    | SkipStep
    | ForceStep
    | RetryNow
)
