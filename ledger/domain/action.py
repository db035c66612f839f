"""The vocabulary of the ledger: actions, their outcomes, and the proof of an entry."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from events.domain.principal import Principal
from events.domain.texts import shortened
from ledger.domain.capability import Risk
from ledger.domain.payload import RETENTIONS, Kept, PayloadKind
from ledger.domain.reversals import Declaration, ReversalKind, StepKind, Undoing

NAME_CHARS_MAX = 120
TARGET_CHARS_MAX = 200
REASON_CHARS_MAX = 500
SUMMARY_CHARS_MAX = 500

UNKNOWN_TARGET = "*"
"""The id of the target when no single one was named: in a list, or before a refusal."""
WHOLE_ANSWER = ("answer",)
"""The fields of a disclosure of an object without private fields, so that it looks like any."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class Kind(StrEnum):
    """What is done to the target."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    EXECUTE = "execute"
    APPROVE = "approve"
    REJECT = "reject"
    REVERSE = "reverse"
    COMPENSATE = "compensate"
    DUPLICATE = "duplicate"


class Status(StrEnum):
    """How it went. An entry says it once; what comes later is another entry."""

    REQUESTED = "requested"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    DENIED = "denied"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REVERSED = "reversed"
    COMPENSATED = "compensated"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"


EXECUTED: Final = (Status.SUCCEEDED.value, Status.REVERSED.value, Status.COMPENSATED.value)
"""What the entry of something says that was done, also to take something else back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is acted on. The id is empty until the action has made the thing."""

    type: str
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """The intent behind an action: two actions with the same scope and key are one."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that somebody is about to do, and is accountable for.

    Who does it is no field: that comes from the credential.

    - `risk_facts`: what the capability weighs to find the risk.
    - `input`: all arguments of the request but the target and the reason, named as the command of
      this name names them, if there is one. Whoever decides an approval sees them, and an approval
      covers exactly these and the reason. Instead of a personal or secret value it has a
      fingerprint (`ledger.privacy.subjects.fingerprint_of`).
    - `workflow_run_id`, `workflow_step_id`: the flow that is acted on. The flow that acts is known
      from the context.
    - `delegated_by`: the principal in whose name the system acts. None for an agent, whose
      delegations say in whose name it acts.
    - `reference`: a name under which its request for approval can be found, if not by the target.
    """

    name: str
    kind: Kind
    target: Target
    capability: str
    version: int = 1
    reason: str = ""
    risk_facts: Mapping[str, Any] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    idempotency: Idempotency | None = None
    amends: UUID | None = None
    workflow_run_id: str = ""
    workflow_step_id: str = ""
    delegated_by: Principal | None = None
    reference: str = ""

    def __post_init__(self) -> None:
        assert _NAME.fullmatch(self.name), f"{self.name!r} is not noun.verb"
        assert len(self.name) <= NAME_CHARS_MAX, f"{self.name!r} is too long"
        assert self.version >= 1, "versions start at 1"
        assert self.target.type, "an action has a target"
        assert self.kind is not Kind.READ, "a read is disclosed, not recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A disclosure that is about to happen: of which target, and which of its fields.

    If the reader is entitled by something other than permissions, such as an access to a document,
    `source` says by what and `policy` names it.
    """

    name: str
    target: Target
    capability: str
    fields: tuple[str, ...]
    reason: str = ""
    policy: str = ""
    source: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        assert _NAME.fullmatch(self.name), f"{self.name!r} is not noun.verb"
        assert self.target.id, "what is shown has an id"
        assert self.fields, "what is shown has fields"


class _Notes:
    """What becomes known while an action is carried out."""

    __slots__ = (
        "before",
        "declared",
        "facts",
        "is_void",
        "kept",
        "reference",
        "summary",
        "target_id",
        "undoing",
    )

    def __init__(self, target_id: str, facts: Mapping[str, Any]) -> None:
        self.target_id = target_id
        self.facts = dict(facts)
        self.before: Mapping[str, Any] | None = None
        self.summary = ""
        self.reference = ""
        self.is_void = False
        self.kept: list[Kept] = []
        self.declared: Declaration | None = None
        self.undoing: Undoing | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """Proof that an action is being recorded. Only `ledger.recording` makes one.

    A function that changes something accountable takes it as an argument, so that it cannot be
    called without an entry.
    """

    entry_id: UUID
    action: Action
    notes: _Notes

    @classmethod
    def of(cls, action: Action, *, entry_id: UUID) -> "Proof":
        """Begin the record of `action`. For `ledger.recording` only."""
        return cls(entry_id, action, _Notes(action.target.id, action.risk_facts))

    def refers_to(self, target_id: object) -> None:
        """Name what the action has made, when that was not known before."""
        self.notes.target_id = str(target_id)

    def answers_with(self, reference: object) -> None:
        """Name what a repeated request is answered with, where that is not the target."""
        self.notes.reference = str(reference)

    def says(self, summary: str) -> None:
        """Say in a sentence what has changed: names of fields, never personal values."""
        self.notes.summary = shortened(summary, SUMMARY_CHARS_MAX)

    def weighs(self, **facts: Any) -> None:
        """Add what the risk depends on. It can only make the action more serious."""
        self.notes.facts.update(facts)

    def found(self, state: Mapping[str, Any]) -> None:
        """Give the state of the target, read under its lock before the change.

        An approval covers this state.

        JSON without personal values, in the words of the command's `state_of`.
        """
        self.notes.before = state

    def keeps(
        self,
        kind: PayloadKind,
        content: Any,
        *,
        schema_tag: str,
        retention: str,
        subject: str | None = None,
    ) -> None:
        """Keep `content` (JSON) beside the entry, whose body names only its digest.

        `retention` names one of `payload.RETENTIONS`. `subject` is whom it is about, such as
        `traveller/<id>`: content is then sealed with a key that erasing the person destroys.
        """
        kept = Kept(
            kind=kind,
            content=content,
            schema_tag=schema_tag,
            retention=RETENTIONS[retention],
            subject=subject,
        )
        assert (kind, schema_tag) not in {(k.kind, k.schema_tag) for k in self.notes.kept}, (
            f"{self.action.name} keeps {kind} {schema_tag} twice"
        )
        self.notes.kept.append(kept)

    def can_be_undone(self, declared: Declaration) -> None:
        """Declare by what command this can be undone, as long as it stands with its entry.

        What the command needs to know is kept beside the entry.
        """
        self.notes.declared = declared
        if declared.args:
            self.keeps(
                PayloadKind.REVERSAL_ARGS,
                dict(declared.args),
                schema_tag=f"{declared.command}/{declared.version}",
                retention="ops-400d",
            )

    def cannot_be_undone(self, why: str, *, follow_ups: tuple[str, ...] = ()) -> None:
        """Declare why this cannot be undone, and what can be done instead."""
        self.notes.declared = Declaration(kind=ReversalKind.NONE, why=why, follow_ups=follow_ups)

    def undoes(self, undoing: Undoing) -> None:
        """Declare that this undoes another action, or is a step on the way there."""
        self.notes.undoing = undoing

    def changes_nothing(self) -> None:
        """Declare that there was nothing to do, so that nothing is recorded."""
        self.notes.is_void = True

    @property
    def is_reversible(self) -> bool:
        """Whether a command is declared by which this can be undone."""
        declared = self.notes.declared
        return declared is not None and declared.kind is not ReversalKind.NONE

    @property
    def target(self) -> Target:
        """What is acted on, as far as it is known by now."""
        return Target(type=self.action.target.type, id=self.notes.target_id)


def kind_and_status(kind: Kind, undoing: Undoing | None) -> tuple[Kind, Status]:
    """Return the kind and status with which an executed action is recorded.

    What takes another back says so; what only sets that in motion has not done it yet.
    """
    if undoing is None or undoing.step is StepKind.RETURNED:
        return kind, Status.SUCCEEDED
    is_revert = undoing.kind is ReversalKind.REVERT
    as_kind = Kind.REVERSE if is_revert else Kind.COMPENSATE
    if undoing.step is StepKind.BEGUN:
        return as_kind, Status.SUCCEEDED
    return as_kind, Status.REVERSED if is_revert else Status.COMPENSATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Under what the action was done: the capability and how much was at stake."""

    capability: str
    version: int
    risk: Risk
    source: str


_PLAIN = frozenset({str, int, bool, float})


def plain(value: Any) -> Any:
    """Return `value` as JSON: ids, times, choices and records as the API would write them."""
    # Most of it is, and to ask an abstract class takes longer than all else.
    kind = type(value)
    if value is None or kind in _PLAIN:
        return value
    if kind is dict or isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value.astimezone(UTC))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, StrEnum):
        return value.value
    return str(value) if isinstance(value, UUID) else value


def moment(when: datetime) -> str:
    """Return a moment as the canonical bytes of an entry have it: UTC, microseconds."""
    # strftime takes four times as long, and every entry has one.
    return f"{when.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
