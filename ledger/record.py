"""Drift checks and owners of the ledger's own accountable tables."""

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value

from ledger import boundaries
from ledger.domain.action import UNKNOWN_TARGET
from ledger.domain.payload import Redaction
from ledger.domain.policy import PolicyStatus
from ledger.drift import DriftCheck, Mark, declare_check
from ledger.models import (
    Agent,
    AgentKey,
    AgentSwitch,
    ApiKey,
    ApprovalPolicyVersion,
    Delegation,
    Payload,
    Remark,
    SocketTicket,
    SubjectKey,
)


def _revoked_by_themselves() -> QuerySet[Delegation]:
    """Return those that did not end together with the one above, under its entry."""
    together = Q(parent__revoked_at__isnull=False, parent__revoked_at=F("revoked_at"))
    return Delegation.objects.filter(revoked_at__isnull=False).exclude(together)


def _retired_by_themselves() -> QuerySet[ApprovalPolicyVersion]:
    """Return those that did not make way for another version, under its entry."""
    successor = ApprovalPolicyVersion.objects.filter(
        name=OuterRef("name"), activated_at__gte=OuterRef("retired_at")
    )
    retired = ApprovalPolicyVersion.objects.filter(status=PolicyStatus.RETIRED.value)
    return retired.filter(~Exists(successor))


def _faded() -> QuerySet[Payload]:
    return Payload.objects.exclude(redaction=Redaction.NONE.value)


# In whose name they are.
boundaries.declare(ApiKey, user="owner")
boundaries.declare(SocketTicket, user="user")
boundaries.declare(Agent, user="owner")
boundaries.declare(Delegation, user="root")
boundaries.declare(AgentKey, user="delegation__root")

declare_check(
    DriftCheck(
        name="api_key_issued",
        rows=ApiKey.objects.all,
        mark=Mark(actions=("api_key.issue", "api_key.rotate"), target_type="api_key"),
        lasting=("api_key.issue", "api_key.rotate"),
    )
)
declare_check(
    DriftCheck(
        name="api_key_rotated",
        rows=lambda: ApiKey.objects.filter(successor__isnull=False),
        mark=Mark(actions=("api_key.rotate",), target_type="api_key", target_id=F("successor_id")),
        lasting=("api_key.rotate",),
    )
)
declare_check(
    DriftCheck(
        name="api_key_revoked",
        rows=lambda: ApiKey.objects.filter(revoked_at__isnull=False),
        mark=Mark(actions=("api_key.revoke",), target_type="api_key"),
        lasting=("api_key.revoke",),
    )
)
declare_check(
    DriftCheck(
        name="agent_created",
        rows=Agent.objects.all,
        mark=Mark(actions=("agent.create",), target_type="agent"),
        lasting=("agent.create",),
    )
)
declare_check(
    DriftCheck(
        name="agent_stopped",
        rows=lambda: Agent.objects.filter(stopped_at__isnull=False),
        mark=Mark(actions=("agent.stop",), target_type="agent"),
    )
)
declare_check(
    DriftCheck(
        name="agents_all_stopped",
        rows=AgentSwitch.objects.all,
        mark=Mark(
            actions=("agent.stop_all",), target_type="agent", target_id=Value(UNKNOWN_TARGET)
        ),
        made_at="stopped_at",
    )
)
declare_check(
    DriftCheck(
        name="delegation_created",
        rows=Delegation.objects.all,
        mark=Mark(actions=("delegation.create",), target_type="delegation"),
        lasting=("delegation.create",),
    )
)
declare_check(
    DriftCheck(
        name="delegation_revoked",
        rows=_revoked_by_themselves,
        mark=Mark(actions=("delegation.revoke",), target_type="delegation"),
        lasting=("delegation.revoke",),
    )
)
declare_check(
    DriftCheck(
        name="agent_key_issued",
        rows=AgentKey.objects.all,
        mark=Mark(actions=("agent_key.issue",), target_type="agent_key"),
        lasting=("agent_key.issue",),
    )
)
declare_check(
    DriftCheck(
        name="agent_key_revoked",
        rows=lambda: AgentKey.objects.filter(revoked_at__isnull=False),
        mark=Mark(actions=("agent_key.revoke",), target_type="agent_key"),
        lasting=("agent_key.revoke",),
    )
)
declare_check(
    DriftCheck(
        name="approval_policy_drafted",
        rows=ApprovalPolicyVersion.objects.all,
        mark=Mark(
            # A policy of the product is drafted and put into force at once.
            actions=("approval_policy.draft", "approval_policy.activate"),
            target_type="approval_policy",
        ),
        lasting=("approval_policy.draft", "approval_policy.activate"),
    )
)
declare_check(
    DriftCheck(
        name="approval_policy_activated",
        rows=lambda: ApprovalPolicyVersion.objects.filter(activated_at__isnull=False),
        mark=Mark(actions=("approval_policy.activate",), target_type="approval_policy"),
        lasting=("approval_policy.activate",),
    )
)
declare_check(
    DriftCheck(
        name="approval_policy_retired",
        rows=_retired_by_themselves,
        mark=Mark(actions=("approval_policy.retire",), target_type="approval_policy"),
    )
)
declare_check(
    DriftCheck(
        name="payload_faded",
        rows=_faded,
        mark=Mark(
            actions=("ledger.redact_payload", "ledger.expire_payload"), target_type="payload"
        ),
        or_else=(
            # With the key of its subject, under the entry of the forgetting.
            Mark(
                actions=("subject.erase",),
                target_type="subject",
                target_id=F("key__subject"),
            ),
            # Sealed with nobody's key, and naming somebody all the same.
            Mark(
                actions=("subject.erase",),
                target_type="subject",
                target_id=F("redacted_by__target_id"),
            ),
            Mark(
                actions=("traveller.erase", "traveller.remove"),
                target_type="traveller",
                target_id=F("redacted_by__target_id"),
            ),
        ),
        lasting=("ledger.redact_payload", "ledger.expire_payload"),
    )
)
declare_check(
    DriftCheck(
        name="subject_forgotten",
        rows=lambda: SubjectKey.objects.filter(destroyed_at__isnull=False),
        mark=Mark(actions=("subject.erase",), target_type="subject", target_id=F("subject")),
        or_else=(
            Mark(
                actions=("traveller.erase", "traveller.remove"),
                target_type="traveller",
                target_id=F("destroyed_by__target_id"),
            ),
            Mark(
                actions=("ledger.expire_payload",),
                target_type="payload",
                target_id=F("destroyed_by__target_id"),
            ),
        ),
    )
)
declare_check(
    DriftCheck(
        name="reason_erased",
        rows=lambda: Remark.objects.filter(erased_at__isnull=False),
        mark=Mark(
            actions=("subject.erase",), target_type="subject", target_id=F("erased_by__target_id")
        ),
        or_else=(
            Mark(
                actions=("traveller.erase", "traveller.remove"),
                target_type="traveller",
                target_id=F("erased_by__target_id"),
            ),
        ),
        made_at="erased_at",
    )
)
