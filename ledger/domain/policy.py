"""Approval policies: rules over the facts of an action that demand an approval. Pure.

A policy is versioned data. Its conditions are CEL; the evaluator is an argument, so that this
module depends on no library. A condition that cannot be evaluated counts as true: it is
better to ask once too often.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from events.domain.errors import Conflict, Forbidden, NotFound, Rejected
from events.domain.principal import PrincipalKind
from ledger.domain.action import plain
from ledger.domain.approval import OnExpiry
from ledger.domain.capability import ApprovalPolicy as Declared
from ledger.domain.capability import Capability, Risk, actor_of, covers

Answer = Callable[[str, Mapping[str, Any]], bool]
"""Given a condition and the facts: whether it holds. Raises ConditionUnanswered."""

FACTS: Final = (
    "action",
    "actor_type",
    "ai_initiated",
    "amount_cents",
    "capability",
    "currency",
    "customer_visible",
    "facts",
    "principal_id",
    "principal_type",
    "reported_by_provider",
    "reversible",
    "risk",
    "target_state",
    "target_type",
)
"""What conditions are written over: the names of `Circumstances.variables`."""
_TYPES: Final = frozenset(
    [
        "bool",
        "bytes",
        "double",
        "duration",
        "int",
        "list",
        "map",
        "null_type",
        "string",
        "timestamp",
        "type",
        "uint",
    ]
)
"""The types of CEL, which stand where a fact may stand."""


class PolicyStatus(StrEnum):
    """A version is drafted, comes into force, and makes way for the next."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class Execute(StrEnum):
    """Who carries out what was approved."""

    BY_REQUESTER = "by_requester"
    ON_APPROVAL = "on_approval"


class ConditionInvalid(Rejected):
    code = "policy_condition_invalid"
    hint = f"Write CEL over the facts {', '.join(FACTS)}."

    def __init__(self, pointer: str, source: str, *, line: int, column: int) -> None:
        """Refuse `source`, which cannot be read on from a place in it, both counted from 1."""
        written = source.splitlines()[line - 1 : line]
        rest = written[0][column - 1 :].strip()[:40] if written else ""
        where = f"at {rest!r}" if rest else "at its end"
        super().__init__(
            f"This is no condition: it cannot be parsed {where} (line {line}, column {column}).",
            pointer=pointer,
            line=line,
            column=column,
        )


class ConditionNameUnknown(ConditionInvalid):
    code = "policy_condition_name_unknown"
    hint = f"The facts are {', '.join(FACTS)}; further facts of an action are under `facts`."

    def __init__(self, pointer: str, name: "Named", *, nearest: str) -> None:
        known = f"; did you mean {nearest}?" if nearest else "."
        # Its own message: it can be read, and means nothing.
        Rejected.__init__(
            self,
            f"There is no fact or function called {name.name[:40]}{known}",
            pointer=pointer,
            line=name.line,
            column=name.column,
            name=name.name[:100],
            nearest=nearest,
            known=list(FACTS),
        )


class PolicyStepUpRequired(Forbidden):
    code = "approval_policy_step_up_required"
    hint = "Enter your password again; it counts for five minutes."

    def __init__(self, policy: str) -> None:
        super().__init__(
            "What is in force is changed by who has just proved who they are.", policy=policy
        )


class ConditionUnanswered(Rejected):
    code = "policy_condition_unanswered"
    hint = "Test with has() first, or use only facts that every such action has."

    def __init__(self, why: str) -> None:
        super().__init__(f"The condition cannot be evaluated: {why}")


class PolicyNotFound(NotFound):
    code = "approval_policy_not_found"

    def __init__(self, policy_id: object) -> None:
        super().__init__(f"There is no approval policy {policy_id}.", policy_id=str(policy_id))


class PolicyFixed(Conflict):
    code = "approval_policy_fixed"
    hint = "Draft a new version: past decisions refer to this one."

    def __init__(self, policy: str, status: str) -> None:
        super().__init__(f"Policy {policy} is {status}.", policy=policy, status=status)


class PolicyMissing(Conflict):
    code = "approval_policy_missing"
    hint = "Activate a policy that says who decides."

    def __init__(self, what: str) -> None:
        super().__init__(f"No policy in force says who decides {what}.", subject=what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A name that stands in a condition, and where: both counted from 1."""

    name: str
    line: int
    column: int
    is_function: bool = False


def check_names(names: Iterable[Named], *, functions: Iterable[str], pointer: str) -> None:
    """Check that each name is that of a fact, or of a function of the language.

    :raises ConditionNameUnknown: of the first that is not, with the nearest that is.
    """
    functions = frozenset(functions)
    for each in sorted(names, key=lambda name: (name.line, name.column)):
        known = functions if each.is_function else _TYPES | {*FACTS}
        if each.name not in known:
            near = get_close_matches(each.name, sorted(known), n=1)
            raise ConditionNameUnknown(pointer, each, nearest="".join(near))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One version of a policy, as far as it decides. Without principals it is for all kinds."""

    name: str
    version: int
    capabilities: tuple[str, ...]
    principals: frozenset[PrincipalKind] = frozenset()
    condition: str = ""
    quorum: int = 1
    escalate_when: str = ""
    escalated_quorum: int | None = None
    ttl: timedelta = timedelta(hours=24)
    on_expiry: OnExpiry = OnExpiry.EXPIRED
    execute: Execute = Execute.BY_REQUESTER
    reason_code: str = ""

    def __str__(self) -> str:
        return f"{self.name}@v{self.version}"

    def without_condition(self) -> "Policy":
        """Return the policy as one that always demands: for what is never done alone."""
        return replace(self, condition="")

    def is_about(self, capability_id: str, kind: PrincipalKind) -> bool:
        """Return whether its condition is to be asked. Cheaper than asking it."""
        is_for = not self.principals or kind in self.principals
        return is_for and covers(self.capabilities, capability_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of an action when it is asked whether somebody else has to agree."""

    action: str
    capability: str
    risk: Risk
    principal_kind: PrincipalKind
    principal_id: str = ""
    target_type: str = ""
    target_state: Mapping[str, Any] = field(default_factory=dict)
    is_reversible: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def variables(self) -> dict[str, Any]:
        """Return what conditions are written over. What is not known has a neutral value."""
        facts = plain(self.facts)
        return {
            "action": self.action,
            "capability": self.capability,
            "risk": self.risk.value,
            "principal_type": self.principal_kind.value,
            "principal_id": self.principal_id,
            "actor_type": actor_of(self.principal_kind),
            "ai_initiated": self.principal_kind is PrincipalKind.AGENT,
            "target_type": self.target_type,
            "target_state": plain(self.target_state),
            "amount_cents": facts.get("amount_cents", facts.get("paid_cents", 0)),
            "currency": facts.get("currency", ""),
            "customer_visible": facts.get("customer_visible", False),
            "reported_by_provider": facts.get("reported_by_provider", False),
            "reversible": self.is_reversible,
            "facts": facts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """That somebody else has to agree: by which policy, how many people, and why.

    `unanswered` says why a condition had no answer, if it counts as one that holds for that.
    """

    policy: Policy
    quorum: int
    reason_code: str
    unanswered: str = ""


def may_need_approval(capability: Capability, kind: PrincipalKind, risk: Risk) -> bool:
    """Return whether policies are asked at all. What is low, and done by a person, is not."""
    return (
        risk is not Risk.LOW
        or capability.approval is not Declared.NONE
        or kind is PrincipalKind.AGENT
    )


def demanded(policies: Iterable[Policy], known: Circumstances, *, answer: Answer) -> Demand | None:
    """Return what the policies in force demand; the strictest, if several do; None if none does."""
    about = [each for each in policies if each.is_about(known.capability, known.principal_kind)]
    if not about:
        return None
    variables = known.variables()
    demands = [
        _demand(policy, known, variables, answer, unanswered)
        for policy in about
        for holds_it, unanswered in [_answered(policy.condition, variables, answer)]
        if holds_it
    ]
    # The most people; of equals the one whose name comes first, so that it is always the same.
    return min(demands, key=lambda each: (-each.quorum, each.policy.name), default=None)


def _answered(condition: str, variables: Mapping[str, Any], answer: Answer) -> tuple[bool, str]:
    """Return whether it holds, and why it has no answer if it has none."""
    if not condition:
        return True, ""
    try:
        return answer(condition, variables), ""
    except ConditionUnanswered as why:
        return True, str(why)


def _demand(
    policy: Policy,
    known: Circumstances,
    variables: Mapping[str, Any],
    answer: Answer,
    unanswered: str,
) -> Demand:
    quorum = policy.quorum
    if policy.escalated_quorum is not None:
        is_escalated, why = _answered(policy.escalate_when, variables, answer)
        unanswered = unanswered or why
        quorum = max(quorum, policy.escalated_quorum) if is_escalated else quorum
    code = policy.reason_code or f"{known.action.replace('.', '_')}_requested_by"
    return Demand(
        policy=policy,
        quorum=quorum,
        reason_code=code if policy.reason_code else f"{code}_{known.principal_kind.value}",
        unanswered=unanswered,
    )
