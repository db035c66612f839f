"""The plan of a reversal: a tree of effects, computed before anything is done.

A plan is a pure function of the current state. It names the versions of the objects that it
would change, so that an approval covers exactly that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from events.domain import canonical
from ledger.domain.action import Target
from ledger.domain.reversals import Standing


class EffectKind(StrEnum):
    """What one part of a plan does."""

    REVERTED = "reverted"
    COMPENSATED = "compensated"
    IRREVERSIBLE = "irreversible"
    BLOCKED = "blocked"
    APPROVAL = "approval"
    OUTSIDE_CALL = "outside_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that undoing would do, would leave as it is, or is stopped by.

    `summary` is a sentence without personal values. `entry_id` names the later action that
    stands in the way. What follows from an effect hangs below it, in `parts`.
    """

    kind: EffectKind
    summary: str
    target: Target | None = None
    amount_cents: int | None = None
    currency: str = ""
    entry_id: UUID | None = None
    parts: tuple["Effect", ...] = ()

    def walk(self) -> Iterator["Effect"]:
        """Go through this effect and all that hang below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def as_json(self) -> dict[str, Any]:
        """Return the shape in which it is shown, and which the token of a preview covers."""
        target = self.target
        return {
            "kind": self.kind.value,
            "summary": self.summary,
            "target_type": target.type if target else None,
            "target_id": target.id if target else None,
            "amount_cents": self.amount_cents,
            "currency": self.currency or None,
            "entry_id": str(self.entry_id) if self.entry_id else None,
            "parts": [part.as_json() for part in self.parts],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All effects of undoing one action now.

    `versions` say of what state of which thing (`invoice/<id>`) it was made; `input` is what
    its command goes by. `amount_cents` is what would go back. `is_partial` says that
    something stays as it is although nothing is counted.
    """

    effects: tuple[Effect, ...]
    versions: Mapping[str, int] = field(default_factory=dict)
    input: Mapping[str, Any] = field(default_factory=dict)
    amount_cents: int | None = None
    currency: str = ""
    is_partial: bool = False

    @property
    def blockers(self) -> tuple[Effect, ...]:
        """What stands in the way."""
        return tuple(
            effect
            for root in self.effects
            for effect in root.walk()
            if effect.kind is EffectKind.BLOCKED
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """What approval policies will be asked about a plan when it is carried out.

    `action` and `target_type` are those of the action that goes on record as the reversal;
    `state` is what its service finds the target like, None of what is made anew; `facts` are
    what it weighs; `is_reversible` says whether it can be undone in its turn.
    """

    action: str
    target_type: str
    state: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_reversible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaterAction:
    """An action on the same target that came after the one to be undone."""

    entry_id: UUID
    action_name: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalAction:
    """The action that is to be undone, and what is asked about it.

    `args` are what the action kept for its undoing; `asked_cents` is how much of it, None
    for all that is left; `later` are actions on the same target that still stand.
    """

    entry_id: UUID
    action_name: str
    target: Target
    args: Mapping[str, Any]
    standing: Standing
    asked_cents: int | None = None
    later: Sequence[LaterAction] = ()
    reason: str = ""

    @property
    def amount_cents(self) -> int:
        """How much is to go back: what was asked, or all that is left."""
        return self.asked_cents if self.asked_cents is not None else self.standing.left_cents or 0


def blocked(summary: str, *, by: UUID | None = None) -> Effect:
    """Return that something stands in the way."""
    return Effect(kind=EffectKind.BLOCKED, summary=summary, entry_id=by)


def awaits(summary: str) -> Effect:
    """Return that somebody else has to agree first."""
    return Effect(kind=EffectKind.APPROVAL, summary=summary)


def token_of(original: OriginalAction, plan: Plan, *, command: str, version: int) -> str:
    """Return what two previews have in common when they promise the same of the same state.

    Its approvals, its requester and failed attempts do not change what it does:
    so that asking for approval does not make stale what approval is asked for.
    """
    standing = original.standing
    return canonical.fingerprint(
        {
            "entry": str(original.entry_id),
            "command": f"{command}@{version}",
            "done": {
                "by": str(standing.reversed_by) if standing.reversed_by else None,
                "doneCents": standing.done_cents,
                "running": standing.running,
                "runningCents": standing.running_cents,
            },
            "effects": [effect.as_json() for effect in plan.effects],
            "versions": dict(plan.versions),
            "input": dict(plan.input),
            "amountCents": plan.amount_cents,
        }
    )
