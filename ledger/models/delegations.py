"""Agents and delegations.

An agent acts for its owner, and so does every agent below it. Composite foreign keys enforce it
(agent and root of a delegation, parent and root), not only the services.
"""

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.domain.principal import Principal, PrincipalKind
from events.ids import new_id
from ledger.domain.delegation import DEPTH_MAX, HOURS, Terms, Used

SUBTYPES = ("drafting_agent", "retrieval_agent", "tool_runner")


class Agent(models.Model):
    """A program that acts by itself. It has keys of its own kind, and never a session."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    subtype = models.CharField(max_length=40, choices=[(one, one) for one in SUBTYPES])
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="agents")
    created_at = models.DateTimeField(db_default=Now())
    # Stopped for good or for a while; the switch for all agents is a table of its own.
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["id", "owner"], name="ledger_agent_has_one_owner"),
            models.CheckConstraint(
                condition=Q(subtype__in=SUBTYPES), name="ledger_agent_subtype_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AgentSwitch(models.Model):
    """The kill switch: while there is a row, no agent does anything."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    stopped_at = models.DateTimeField(db_default=Now())
    reason = models.CharField(max_length=500)

    class Meta:
        verbose_name_plural = "agent switches"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="ledger_agent_switch_is_one")]

    def __str__(self) -> str:
        return f"all agents are stopped: {self.reason}"


class Delegation(models.Model):
    """One link of a chain: `root` lets `agent` act, directly or through `parent`'s agent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    root = models.ForeignKey(User, on_delete=models.PROTECT, related_name="delegations")
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="children"
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="delegations")
    depth = models.PositiveSmallIntegerField()
    reason = models.CharField(max_length=500)

    scopes = ArrayField(models.CharField(max_length=100))
    # Type of target → ids; empty for everything that the scopes reach.
    resources = models.JSONField(default=dict, blank=True)
    actions_max = models.PositiveIntegerField(null=True, blank=True)
    cents_max = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    per_minute_max = models.PositiveIntegerField(null=True, blank=True)
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    hour_from = models.PositiveSmallIntegerField(null=True, blank=True)
    hour_until = models.PositiveSmallIntegerField(null=True, blank=True)

    actions_used = models.PositiveIntegerField(db_default=0)
    cents_used = models.BigIntegerField(db_default=0)
    minute_started_at = models.DateTimeField(null=True, blank=True)
    minute_used = models.PositiveIntegerField(db_default=0)

    created_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["agent", "-created_at"], name="ledger_delegations_of_agent"),
            models.Index(fields=["root", "-created_at"], name="ledger_delegations_of_root"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["id", "root"], name="ledger_delegation_has_one_root"),
            models.CheckConstraint(
                condition=Q(depth=1, parent=None)
                | Q(depth__gt=1, depth__lte=DEPTH_MAX, parent__isnull=False),
                name="ledger_delegation_is_at_most_three_deep",
            ),
            models.CheckConstraint(condition=~Q(scopes=[]), name="ledger_delegation_has_a_scope"),
            models.CheckConstraint(
                condition=Q(actions_max=None) | Q(actions_used__lte=F("actions_max")),
                name="ledger_delegation_keeps_its_count",
            ),
            models.CheckConstraint(
                condition=Q(cents_max=None) | Q(cents_used__lte=F("cents_max")),
                name="ledger_delegation_keeps_its_money",
            ),
            models.CheckConstraint(
                condition=Q(cents_max=None, currency="")
                | Q(cents_max__gte=0, currency__regex=r"^[A-Z]{3}$"),
                name="ledger_delegation_money_has_a_currency",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("starts_at")), name="ledger_delegation_ends_later"
            ),
            models.CheckConstraint(
                condition=Q(hour_from=None, hour_until=None)
                | Q(hour_from__gte=0, hour_until__gt=F("hour_from"), hour_until__lte=HOURS),
                name="ledger_delegation_hours_are_of_a_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.root} → {self.agent}: {', '.join(self.scopes)}"

    @property
    def terms(self) -> Terms:
        """What it allows."""
        has_hours = self.hour_from is not None and self.hour_until is not None
        return Terms(
            scopes=tuple(self.scopes),
            resources={type_: tuple(ids) for type_, ids in self.resources.items()},
            actions_max=self.actions_max,
            cents_max=self.cents_max,
            currency=self.currency,
            per_minute_max=self.per_minute_max,
            starts_at=self.starts_at,
            expires_at=self.expires_at,
            hours=(self.hour_from or 0, self.hour_until or 0) if has_hours else None,
        )

    @property
    def used(self) -> Used:
        """How much of it is used up, and how it stands."""
        return Used(
            actions=self.actions_used,
            cents=self.cents_used,
            minute_started_at=self.minute_started_at,
            in_minute=self.minute_used,
            is_ended=self.revoked_at is not None or self.agent.stopped_at is not None,
        )

    @property
    def principal(self) -> Principal:
        """Who acts under it."""
        return Principal(
            kind=PrincipalKind.AGENT, id=str(self.agent_id), delegation_id=str(self.pk)
        )


class AgentKeyQuerySet(models.QuerySet["AgentKey"]):
    def live(self) -> "AgentKeyQuerySet":
        """Keys that are good by themselves; the chain behind them is checked as well."""
        return self.filter(revoked_at=None, expires_at__gt=Now())


class AgentKey(models.Model):
    """The credential of an agent, for one delegation. The secret is not here."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delegation = models.ForeignKey(Delegation, on_delete=models.PROTECT, related_name="keys")
    prefix = models.CharField(max_length=12, unique=True)
    digest = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = AgentKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"),
                name="ledger_agent_key_is_stored_hashed",
            ),
            models.CheckConstraint(
                condition=Q(prefix__regex=r"^[0-9a-z]{12}$"), name="ledger_agent_key_has_a_prefix"
            ),
        ]

    def __str__(self) -> str:
        return f"daybook_agent_{self.prefix}_…"
