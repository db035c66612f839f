"""Capabilities, API keys, socket tickets and idempotency keys."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from events.domain.principal import Principal, PrincipalKind
from events.ids import new_id

API_KEY_LIFETIME_MAX = timedelta(days=366)


class Capability(models.Model):
    """No table: the content type to which the permissions of the registry belong."""

    class Meta:
        managed = False
        default_permissions = ()
        verbose_name_plural = "capabilities"

    def __str__(self) -> str:
        return "a capability"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self) -> "ApiKeyQuerySet":
        """Keys that open the door now."""
        return self.filter(revoked_at=None, expires_at__gt=Now(), owner__is_active=True)


class ApiKey(models.Model):
    """A key that acts in its owner's name, within its scopes. The secret is not here."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    prefix = models.CharField(max_length=12, unique=True)
    # HMAC-SHA256 of the written key; the pepper comes from SECRET_KEY.
    digest = models.CharField(max_length=64)
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    scopes = ArrayField(models.CharField(max_length=100))
    # Rotation keeps it: what was done under the old key is still the same caller's.
    lineage = models.UUIDField(default=new_id, editable=False)
    successor = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="predecessor"
    )
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        indexes = [models.Index(fields=["owner", "-created_at"], name="ledger_api_keys_of_owner")]
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="ledger_api_key_is_stored_hashed"
            ),
            models.CheckConstraint(
                condition=Q(prefix__regex=r"^[0-9a-z]{12}$"), name="ledger_api_key_has_a_prefix"
            ),
            models.CheckConstraint(
                condition=Q(expires_at__lte=F("created_at") + API_KEY_LIFETIME_MAX),
                name="ledger_api_key_expires_within_a_year",
            ),
            models.CheckConstraint(condition=~Q(scopes=[]), name="ledger_api_key_has_a_scope"),
            models.CheckConstraint(
                condition=~Q(successor=F("id")), name="ledger_api_key_does_not_succeed_itself"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (daybook_{self.prefix}_…)"

    @property
    def principal(self) -> Principal:
        """Who acts when this key is used."""
        return Principal(kind=PrincipalKind.API_KEY, id=self.prefix)


class IdempotencyKey(models.Model):
    """A request that had an effect, and how it was answered. Gone after a day."""

    scope = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    # What the request made or changed: enough to answer again if the response was lost.
    reference = models.CharField(max_length=200, blank=True)
    response_status = models.PositiveSmallIntegerField(null=True)
    response_headers = models.JSONField(default=dict)
    response_body = models.BinaryField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "key"], name="ledger_idempotency_key_is_used_once"
            ),
            models.CheckConstraint(
                condition=Q(response_status=None, response_body=None)
                | Q(response_status__isnull=False, response_body__isnull=False),
                name="ledger_idempotent_response_is_whole",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="ledger_idempotency_expiry")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"


class SocketTicket(models.Model):
    """Opens one WebSocket, within a minute, with the credential that it was issued to."""

    # SHA-256: the ticket itself is random enough to need no pepper.
    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, related_name="+")
    # A session is checked again as long as the socket lives, so it must be known.
    session_key = models.CharField(max_length=40, blank=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="ledger_ticket_is_stored_hashed"
            ),
            models.CheckConstraint(
                condition=Q(key=None) | Q(session_key=""), name="ledger_ticket_has_one_credential"
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], name="ledger_ticket_expiry")]

    def __str__(self) -> str:
        return f"ticket of {self.user}"
