"""The registry of capabilities: every permission of the product.

Every app declares its own in `<app>/capabilities.py`; `events` lies below this app, so those of
the log are declared here. Each becomes a Django permission (`ledger.<id>`), which the admin
grants to users and groups.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from events.domain.principal import PrincipalKind
from ledger.domain.capability import (
    EVERY_PRINCIPAL,
    PEOPLE,
    ApprovalPolicy,
    Capability,
    LedgerPolicy,
    Risk,
    covers,
    is_well_formed,
)

_DECLARED: dict[str, Capability] = {}


class CapabilityNotDeclared(LookupError):
    """Code names a capability that no app has declared. A bug, not a refusal."""


def declare(  # noqa: PLR0913 (one argument per property of a capability)
    id: str,  # noqa: A002 - it is the capability's id, at every call site.
    *,
    meaning: str,
    resource: str,
    action: str,
    risk: Risk | str = Risk.LOW,
    object_permission: str | None = None,
    version: int = 1,
    weigh: Callable[[Mapping[str, Any]], Risk] | None = None,
    principals: Iterable[PrincipalKind] = EVERY_PRINCIPAL,
    ledger: LedgerPolicy | None = None,
    all_of: Iterable[str] = (),
    any_of: Iterable[str] = (),
    approval: ApprovalPolicy | str = ApprovalPolicy.NONE,
    reversal: str = "",
    asks_why: bool = False,
) -> Capability:
    """Declare a capability, once. What is high or critical is always recorded."""
    floor = LedgerPolicy.REQUIRED if Risk(risk).is_grave else LedgerPolicy.OPTIONAL
    capability = Capability(
        id=id,
        meaning=meaning,
        resource=resource,
        action=action,
        risk=Risk(risk),
        object_permission=object_permission,
        version=version,
        weigh=weigh,
        principals=frozenset(principals),
        ledger=ledger or floor,
        all_of=frozenset(all_of),
        any_of=frozenset(any_of),
        approval=ApprovalPolicy(approval),
        reversal=reversal,
        asks_why=asks_why,
    )
    assert _DECLARED.get(id, capability) == capability, f"{id} is declared twice"
    _DECLARED[id] = capability
    return capability


def get(capability_id: str) -> Capability:
    """Return a declared capability.

    :raises CapabilityNotDeclared: if no app declares it.
    """
    try:
        return _DECLARED[capability_id]
    except KeyError as error:
        raise CapabilityNotDeclared(capability_id) from error


def every() -> list[Capability]:
    """Return all of them, by id."""
    return [_DECLARED[id_] for id_ in sorted(_DECLARED)]


def is_scope(scope: str) -> bool:
    """Return whether `scope` names or includes a declared capability."""
    return is_well_formed(scope) and any(covers([scope], id_) for id_ in _DECLARED)


def scopes_that_meet(scope: str) -> set[str]:
    """Return the scopes that have a capability in common with `scope`."""
    ids = {id_ for id_ in _DECLARED if covers([scope], id_)}
    families = {
        id_[: place + 1] + "*" for id_ in ids for place, sign in enumerate(id_) if sign == "."
    }
    return {scope, *ids, *families, *(["*"] if ids else [])}


declare(
    "event.read",
    meaning="Follow the log: of every stream, as far as its own capability allows.",
    resource="event",
    action="read",
)
declare(
    "api_key.read",
    meaning="See one's own API keys (never their secrets).",
    resource="api_key",
    action="read",
)
declare(
    "api_key.issue",
    meaning="Issue and rotate API keys that act in one's own name.",
    resource="api_key",
    action="issue",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "api_key.revoke",
    meaning="End one's own API keys at once.",
    resource="api_key",
    action="revoke",
    risk="high",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "api_key.administer",
    meaning="See and end the API keys of everybody.",
    resource="api_key",
    action="administer",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "user.read",
    meaning="See users, groups, and what they may do.",
    resource="user",
    action="read",
)
declare(
    "user.administer",
    meaning="Make and change users and groups, as far as one's own permissions reach.",
    resource="user",
    action="administer",
    risk="critical",
    # Behind a key stands no password that could be asked for again.
    principals={PrincipalKind.USER, PrincipalKind.SYSTEM},
    all_of=["user.read"],
    approval="conditional",
)
declare(
    "user.change_password",
    meaning="Change one's own password. Whoever logs in may, without this permission too.",
    resource="user",
    action="change_password",
    risk="high",
    principals={PrincipalKind.USER},
)
declare(
    "system.health",
    meaning="See the details of the health checks.",
    resource="system",
    action="health",
)
declare(
    "ledger.reverse",
    meaning="Reverse actions, with the capability of the reversing command.",
    resource="ledger",
    action="reverse",
    risk="high",
)
declare(
    "ledger.amend",
    meaning="Correct an entry by another entry that amends it.",
    resource="ledger",
    action="amend",
    risk="high",
    # The words of a correction cannot be approved in advance.
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "ledger.read",
    meaning="See the ledger: who did what, and by what authority.",
    resource="ledger",
    action="read",
    risk="medium",
)
declare(
    "agent.read",
    meaning="See agents, what was delegated to them, and what they have used up.",
    resource="agent",
    action="read",
)
declare(
    "agent.create",
    meaning="Create agents of one's own.",
    resource="agent",
    action="create",
    risk="high",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "agent.stop",
    meaning="Stop one agent or all of them at once, and resume them.",
    resource="agent",
    action="stop",
    risk="high",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "delegation.create",
    meaning="Delegate to one's own agents, within limits, and issue their keys.",
    resource="delegation",
    action="create",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
    all_of=["agent.read"],
    approval="conditional",
    reversal="delegation.revoke",
)
declare(
    "delegation.revoke",
    meaning="End a delegation, and all below it, at once.",
    resource="delegation",
    action="revoke",
    risk="high",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "agent.administer",
    meaning="See and end what others have delegated.",
    resource="agent",
    action="administer",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "approval.read",
    meaning="See who asked for approval, for what, and how it was decided.",
    resource="approval",
    action="read",
    risk="medium",
)
declare(
    "approval.request",
    meaning="Request approval in advance, and withdraw one's own requests.",
    resource="approval",
    action="request",
    risk="medium",
)
declare(
    "approval.decide",
    meaning="Approve and deny the requests of others, and delegate the decision.",
    resource="approval",
    action="decide",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "approval_policy.read",
    meaning="See the approval policies.",
    resource="approval_policy",
    action="read",
)
declare(
    "approval_policy.draft",
    meaning="Draft approval policies, and try them on past actions.",
    resource="approval_policy",
    action="draft",
    risk="medium",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "approval_policy.activate",
    meaning="Activate and retire approval policies.",
    resource="approval_policy",
    action="activate",
    risk="critical",
    principals=PEOPLE | {PrincipalKind.SYSTEM},
)
declare(
    "ledger.read_payload",
    meaning="See the payloads of entries: inputs, results, states before and after.",
    resource="payload",
    action="read",
    risk="high",
    asks_why=True,
)
declare(
    "ledger.export",
    meaning="Download the ledger as evidence.",
    resource="ledger",
    action="export",
    risk="high",
    asks_why=True,
)
declare(
    "ledger.check_health",
    meaning="Check whether the ledger can be written, and what is missing in it.",
    resource="ledger_canary",
    action="check",
)
declare(
    "ledger.redact_payload",
    meaning="Redact the payloads of entries.",
    resource="payload",
    action="redact",
    risk="high",
)
declare(
    "subject.erase",
    meaning="Erase a person's data everywhere, permanently.",
    resource="subject",
    action="erase",
    risk="critical",
)
declare(
    "subject.read",
    meaning="Preview erasures; see past erasures and legal holds.",
    resource="subject",
    action="read",
    risk="medium",
)
declare(
    "subject.hold",
    meaning="Place and lift legal holds.",
    resource="subject",
    action="hold",
    risk="high",
)
