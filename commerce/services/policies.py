"""Cancellation policies: draft a version, then publish it, which retires the one before."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from commerce.domain import cancellation
from commerce.domain.cancellation import RefundType, Rule, Terms
from commerce.domain.money import Money
from commerce.models import (
    CancellationPolicy,
    CancellationPolicyVersion,
    CancellationRule,
    PolicyVersionStatus,
)
from commerce.services.actions import action_on
from events import recorder, rows
from events.domain.errors import Conflict, NotFound, Rejected
from ledger import recording
from ledger.domain.action import Kind


class PolicyNotFound(NotFound):
    code = "policy_not_found"

    def __init__(self, policy_id: UUID) -> None:
        super().__init__(f"There is no cancellation policy {policy_id}.", policy_id=str(policy_id))


class PolicyExists(Conflict):
    code = "policy_exists"
    hint = "Add a version to that one, or choose another name."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a policy {name!r} already.", pointer="/name", name=name)


class VersionNotDraft(Rejected):
    code = "policy_version_not_draft"
    hint = "Draft a new version: customers have agreed to this one."

    def __init__(self, version_id: UUID, status: str) -> None:
        super().__init__(
            f"Version {version_id} is {status}.", version_id=str(version_id), status=status
        )


def create_policy(*, name: str, currency: str, rules: Sequence[Rule]) -> CancellationPolicyVersion:
    """Add a policy with a first version, as a draft.

    :raises PolicyExists: if the name is taken.
    :raises CurrencyUnknown: if `currency` is not an ISO 4217 code.
    :raises PolicyNotPublishable: if the ladder could never be published.
    """
    asked = {"name": name, "currency": currency, "rules": rules}
    action = action_on("policy.create", kind=Kind.CREATE, asked=asked)
    with recording.recorded(action) as proof:
        try:
            with transaction.atomic():
                policy = CancellationPolicy.objects.create(name=name)
        except IntegrityError as error:
            raise PolicyExists(name) from error
        proof.refers_to(policy.pk)
        proof.says(f"Drafted with {len(rules)} rules.")
        return _draft(policy, currency=currency, rules=rules)


def draft_version(
    *, policy_id: UUID, currency: str, rules: Sequence[Rule]
) -> CancellationPolicyVersion:
    """Add a version to a policy, as a draft. Raises as `create_policy` does.

    :raises PolicyNotFound: if there is no such policy.
    """
    asked = {"currency": currency, "rules": rules}
    action = action_on("policy.draft_version", policy_id, capability="policy.create", asked=asked)
    with recording.recorded(action) as proof:
        version = _draft(_locked(policy_id), currency=currency, rules=rules)
        proof.says(f"Version {version.number} drafted with {len(rules)} rules.")
    return version


def publish_version(*, policy_id: UUID, version_id: UUID) -> CancellationPolicyVersion:
    """Let a version apply to new bookings; the one before is retired.

    :raises PolicyNotFound: if there is no such policy, or not with that version.
    :raises VersionNotDraft: if it was published before.
    :raises PolicyNotPublishable: if its ladder would surprise people.
    """
    asked = {"version_id": str(version_id)}
    with recording.recorded(action_on("policy.publish", policy_id, asked=asked)) as proof:
        policy = _locked(policy_id)
        version = policy.versions.filter(pk=version_id).first()
        if version is None:
            raise PolicyNotFound(version_id)
        if version.status != PolicyVersionStatus.DRAFT:
            raise VersionNotDraft(version.pk, version.status)
        cancellation.check_publishable(rules_of(version))
        policy.versions.filter(status=PolicyVersionStatus.PUBLISHED).update(
            status=PolicyVersionStatus.RETIRED
        )
        version.status = PolicyVersionStatus.PUBLISHED
        version.published_at = timezone.now()
        version.save()
        proof.says(f"Version {version.number} applies from now on.")
        _emit_published(version)
    return version


def rules_of(version: CancellationPolicyVersion) -> list[Rule]:
    """Return the ladder of a version."""
    return [
        Rule(
            days_before=row.days_before,
            refund_bp=row.refund_bp,
            flat_amount_cents=row.flat_amount_cents,
            refund_type=RefundType(row.refund_type),
            label=row.label,
        )
        for row in version.rules.order_by("-days_before")
    ]


def terms_of(policy: CancellationPolicy | None) -> Terms | None:
    """Return what applies to a booking made now; nothing without a published version."""
    if policy is None:
        return None
    version = policy.versions.filter(status=PolicyVersionStatus.PUBLISHED).first()
    if version is None:
        return None
    return Terms(
        version_id=str(version.pk), currency=version.currency, rules=tuple(rules_of(version))
    )


def _draft(
    policy: CancellationPolicy, *, currency: str, rules: Sequence[Rule]
) -> CancellationPolicyVersion:
    cancellation.check_publishable(rules)
    last = policy.versions.aggregate(last=Max("number"))["last"] or 0
    version = CancellationPolicyVersion.objects.create(
        policy=policy,
        number=last + 1,
        status=PolicyVersionStatus.DRAFT,
        currency=Money(0, currency).currency,
    )
    CancellationRule.objects.bulk_create(
        CancellationRule(
            version=version,
            days_before=rule.days_before,
            refund_bp=rule.refund_bp,
            flat_amount_cents=rule.flat_amount_cents,
            refund_type=rule.refund_type.value,
            label=rule.label,
        )
        for rule in rules
    )
    return version


def _locked(policy_id: UUID) -> CancellationPolicy:
    policy = rows.locked(CancellationPolicy, policy_id)
    if policy is None:
        raise PolicyNotFound(policy_id)
    return policy


def _emit_published(version: CancellationPolicyVersion) -> None:
    recorder.emit(
        "cancellation_policy.published",
        {
            "policyId": str(version.policy_id),
            "versionId": str(version.pk),
            "number": version.number,
            "currency": version.currency,
        },
        stream=("policy", str(version.policy_id)),
        event_id=f"evt_policy_published_{version.pk}",
    )
