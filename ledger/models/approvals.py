"""Approvals, votes and policies.

An approval is the one mutable record of the ledger: it moves once from pending to an end, and
each step has an entry. Its action, its terms and its requester are fixed when it is requested;
votes and policies in force never change. Triggers enforce this.
"""

from datetime import timedelta
from typing import ClassVar, Final

from django.contrib.auth.models import Group, User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.domain.principal import Principal, PrincipalKind
from events.ids import new_id
from events.tables import append_only
from ledger.domain.action import NAME_CHARS_MAX, REASON_CHARS_MAX, TARGET_CHARS_MAX
from ledger.domain.approval import (
    COMMENT_CHARS_MAX,
    QUORUM_MAX,
    TITLE_CHARS_MAX,
    ApprovalStatus,
    Decision,
    OnExpiry,
)
from ledger.domain.capability import ID_CHARS_MAX, Risk
from ledger.domain.policy import Execute, Policy, PolicyStatus
from ledger.models.entries import Entry, choices

CONDITION_CHARS_MAX: Final = 2000
TTL_MAX: Final = timedelta(days=90)
_ID_CHARS_MAX = 255


class ApprovalPolicyVersion(models.Model):
    """One version of a rule that says when somebody else has to agree, and who."""

    TARGET_TYPE: ClassVar = "approval_policy"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    status = models.CharField(
        max_length=7, choices=choices(PolicyStatus), db_default=PolicyStatus.DRAFT.value
    )
    meaning = models.CharField(max_length=500)
    # Capabilities, or families of them (`refund.*`), as scopes are written.
    capabilities = ArrayField(models.CharField(max_length=ID_CHARS_MAX))
    # Kinds of principals that it is for; empty is all of them.
    principals = ArrayField(models.CharField(max_length=8), default=list, blank=True)
    # CEL over the facts of the risk; empty is always.
    condition = models.CharField(max_length=CONDITION_CHARS_MAX, blank=True, db_default="")
    quorum = models.PositiveSmallIntegerField(db_default=1)
    # CEL: when it holds, `escalated_quorum` people have to agree.
    escalate_when = models.CharField(max_length=CONDITION_CHARS_MAX, blank=True, db_default="")
    escalated_quorum = models.PositiveSmallIntegerField(null=True, blank=True)
    ttl = models.DurationField()
    on_expiry = models.CharField(
        max_length=7, choices=choices(OnExpiry), db_default=OnExpiry.EXPIRED.value
    )
    execute = models.CharField(
        max_length=12, choices=choices(Execute), db_default=Execute.BY_REQUESTER.value
    )
    assigned_group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason_code = models.CharField(max_length=100, blank=True, db_default="")
    created_by = models.CharField(max_length=_ID_CHARS_MAX)
    created_at = models.DateTimeField(db_default=Now())
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "approval policy"
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(
                fields=["name", "version"], name="ledger_policy_version_is_one"
            ),
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(status=PolicyStatus.ACTIVE.value),
                name="ledger_policy_has_one_version_in_force",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(PolicyStatus)), name="ledger_policy_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(quorum__gte=1, quorum__lte=QUORUM_MAX),
                name="ledger_policy_asks_somebody",
            ),
            models.CheckConstraint(
                condition=Q(escalated_quorum=None, escalate_when="")
                | Q(escalated_quorum__gt=models.F("quorum"), escalated_quorum__lte=QUORUM_MAX),
                name="ledger_policy_escalation_raises_the_bar",
            ),
            models.CheckConstraint(
                condition=~Q(capabilities=[]), name="ledger_policy_is_about_something"
            ),
            models.CheckConstraint(
                condition=Q(ttl__gt=timedelta(0), ttl__lte=TTL_MAX), name="ledger_policy_has_an_end"
            ),
            models.CheckConstraint(
                condition=Q(status=PolicyStatus.DRAFT.value, activated_at=None)
                | Q(activated_at__isnull=False)
                | Q(status=PolicyStatus.RETIRED.value),
                name="ledger_policy_in_force_says_since_when",
            ),
            models.CheckConstraint(
                condition=Q(on_expiry__in=sorted(OnExpiry)),
                name="ledger_policy_expiry_never_approves",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}@v{self.version}"

    @property
    def rule(self) -> Policy:
        """What it decides."""
        return Policy(
            name=self.name,
            version=self.version,
            capabilities=tuple(self.capabilities),
            principals=frozenset(PrincipalKind(kind) for kind in self.principals),
            condition=self.condition,
            quorum=self.quorum,
            escalate_when=self.escalate_when,
            escalated_quorum=self.escalated_quorum,
            ttl=self.ttl,
            on_expiry=OnExpiry(self.on_expiry),
            execute=Execute(self.execute),
            reason_code=self.reason_code,
        )


class Approval(models.Model):
    """A request for approval, and how it ended."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    requested_entry = models.OneToOneField(
        Entry, on_delete=models.PROTECT, related_name="approval_requested"
    )
    status = models.CharField(
        max_length=10, choices=choices(ApprovalStatus), db_default=ApprovalStatus.PENDING.value
    )
    title = models.CharField(max_length=TITLE_CHARS_MAX)

    action_name = models.CharField(max_length=NAME_CHARS_MAX)
    action_version = models.PositiveSmallIntegerField()
    target_type = models.CharField(max_length=60)
    target_id = models.CharField(max_length=TARGET_CHARS_MAX)
    route_or_tool_name = models.CharField(max_length=_ID_CHARS_MAX, blank=True, db_default="")
    capability_id = models.CharField(max_length=ID_CHARS_MAX)
    capability_version = models.PositiveSmallIntegerField()
    organization_id = models.CharField(max_length=_ID_CHARS_MAX, blank=True, db_default="")

    # Empty for a subject that is no command: nothing can be executed under it.
    command_fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    fingerprint = models.CharField(max_length=64, blank=True, db_default="")
    is_repeatable = models.BooleanField(db_default=False)
    idempotency_key = models.CharField(max_length=255, blank=True, db_default="")
    # Whoever waits for the answer finds its own name here again: `flow/<id>/<step>`; what it is
    # about is found by it, where that is not the target: `chargeback/<id>`.
    reference = models.CharField(max_length=_ID_CHARS_MAX, blank=True, db_default="")

    requested_by = models.CharField(max_length=_ID_CHARS_MAX)
    requested_by_human = models.CharField(max_length=40, blank=True, db_default="")
    chain = ArrayField(models.CharField(max_length=_ID_CHARS_MAX))
    humans = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    correlation_id = models.CharField(max_length=_ID_CHARS_MAX)

    policy = models.ForeignKey(
        ApprovalPolicyVersion, on_delete=models.PROTECT, related_name="approvals"
    )
    policy_name = models.CharField(max_length=100)
    policy_version = models.PositiveIntegerField()
    risk = models.CharField(max_length=8, choices=choices(Risk))
    # Of requests from before reasons were kept beside entries.
    old_reason = models.CharField(
        max_length=REASON_CHARS_MAX, blank=True, db_default="", db_column="reason"
    )
    reason_code = models.CharField(max_length=100, blank=True, db_default="")
    quorum = models.PositiveSmallIntegerField()
    on_expiry = models.CharField(max_length=7, choices=choices(OnExpiry))
    execute = models.CharField(max_length=12, choices=choices(Execute))

    assigned_to = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    assigned_group = models.ForeignKey(
        Group, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    delegated_from = models.CharField(max_length=_ID_CHARS_MAX, blank=True, db_default="")

    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=sorted(ApprovalStatus)),
                name="ledger_approval_status_is_known",
            ),
            models.CheckConstraint(
                condition=Q(status=ApprovalStatus.PENDING.value, decided_at=None)
                | (~Q(status=ApprovalStatus.PENDING.value) & Q(decided_at__isnull=False)),
                name="ledger_approval_that_ended_says_when",
            ),
            models.CheckConstraint(
                condition=Q(quorum__gte=1, quorum__lte=QUORUM_MAX),
                name="ledger_approval_asks_somebody",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=models.F("requested_at")),
                name="ledger_approval_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(fingerprint="", command_fingerprint="", is_repeatable=False)
                | (~Q(fingerprint="") & ~Q(command_fingerprint="")),
                name="ledger_approval_is_bound_or_is_of_a_subject",
            ),
            models.UniqueConstraint(
                fields=["requested_by", "fingerprint"],
                condition=Q(status=ApprovalStatus.PENDING.value) & ~Q(fingerprint=""),
                name="ledger_approval_is_asked_for_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="ledger_approvals_by_time"),
            models.Index(
                fields=["expires_at"],
                name="ledger_approvals_to_expire",
                condition=Q(status=ApprovalStatus.PENDING.value),
            ),
            models.Index(
                fields=["requested_by", "action_name", "target_type", "target_id"],
                name="ledger_approvals_of_requester",
            ),
            models.Index(
                fields=["target_type", "target_id", "-requested_at"],
                name="ledger_approvals_of_target",
            ),
            models.Index(
                fields=["reference", "requested_at"],
                name="ledger_approvals_by_reference",
                condition=~Q(reference=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.status}"

    @property
    def reason(self) -> str:
        """Why it was asked for, in the words of who asked."""
        return self.old_reason or self.requested_entry.reason

    @property
    def requester(self) -> Principal:
        """Who asked."""
        return Principal.parse(self.requested_by)


class PoliciesInForce(models.Model):
    """One row, whose mark is another one whenever a policy has changed. Its trigger writes it."""

    id = models.SmallIntegerField(primary_key=True, db_default=1, editable=False)
    mark = models.UUIDField(editable=False)

    class Meta:
        verbose_name_plural = "policies in force"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="ledger_policies_in_force_are_one")
        ]

    def __str__(self) -> str:
        return str(self.mark)


@append_only.model
class ApprovalVote(models.Model):
    """What one person said about an approval, by which credential."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.PROTECT, related_name="votes")
    principal = models.CharField(max_length=_ID_CHARS_MAX)
    human = models.CharField(max_length=40)
    decision = models.CharField(max_length=7, choices=choices(Decision))
    # It had been handed on to them: they are heard also outside the group that it is for.
    as_delegate = models.BooleanField(db_default=False)
    # The entry that has the comment; none of votes from before comments were kept beside it.
    entry = models.OneToOneField(Entry, null=True, on_delete=models.PROTECT, related_name="vote")
    old_comment = models.CharField(
        max_length=COMMENT_CHARS_MAX, blank=True, db_default="", db_column="comment"
    )
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["approval", "human"], name="ledger_approval_hears_each_person_once"
            ),
            models.CheckConstraint(
                condition=Q(decision__in=sorted(Decision)), name="ledger_vote_is_known"
            ),
            models.CheckConstraint(condition=~Q(human=""), name="ledger_vote_is_of_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.principal}: {self.decision}"

    @property
    def comment(self) -> str:
        """What they said, in their own words."""
        return self.old_comment if self.entry is None else self.entry.reason
