"""Webhooks in the admin: read-only pages, with actions that call services."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from events.admin_lists import LatestValues, M
from ledger import admin_access
from ledger.access import authority
from ledger.admin_access import CapabilityAdmin
from workflows.egress import urls
from workflows.webhooks.domain.signature import parts_of
from workflows.webhooks.models import Attempt, Delivery, Endpoint, Secret, Subscription
from workflows.webhooks.services import sending, subscriptions

GIVEN_UP_WITHIN = timedelta(days=7)
MANAGES = "webhook.manage"


class WebhooksAdmin(CapabilityAdmin[M]):
    """May be read by who may read webhooks; nothing is added, changed or deleted here."""

    reads = "webhook.read"
    actions: Any = None


class AddressedAdmin(WebhooksAdmin[M]):
    """Of rows with an address: whole for who may change it, its origin for who may only look."""

    readonly_fields = ["address"]

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        """Name the whole address, or what all may see of it: never both."""
        other = "address" if authority.holds(request, MANAGES) else "url"
        return [name for name in super().get_fields(request, obj) if name != other]

    def get_search_fields(self, request: HttpRequest) -> Any:
        # Who could search for a part of it would guess it, part by part.
        found = super().get_search_fields(request)
        if authority.holds(request, MANAGES):
            return found
        return [name for name in found if name != "url"]

    @admin.display(description="URL")
    def address(self, row: Any) -> str:
        """Show where it leads, without what may be secret."""
        return urls.shown(row.url)


@admin.register(Subscription)
class SubscriptionAdmin(AddressedAdmin[Subscription]):
    list_display = ["address", "standing", "events", "failing_since", "created_by", "created_at"]
    list_filter = ["standing"]
    search_fields = ["url", "description"]
    ordering = ["-created_at"]
    actions = ["enable", "disable", "send_test", "replay_given_up"]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may change subscriptions."""
        return authority.holds(request, "webhook.manage")

    @admin_access.needs_capability("webhook.manage")
    @admin.action(description="Send messages again", permissions=["manage"])
    def enable(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        def service(row: Subscription) -> object:
            return subscriptions.enable_subscription(subscription_id=row.pk)

        self.act_on(request, rows, service)

    @admin_access.needs_capability("webhook.manage")
    @admin.action(description="Send no messages", permissions=["manage"])
    def disable(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        def service(row: Subscription) -> object:
            return subscriptions.disable_subscription(subscription_id=row.pk)

        self.act_on(request, rows, service)

    @admin_access.needs_capability("webhook.manage")
    @admin.action(description="Send a test message", permissions=["manage"])
    def send_test(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        def service(row: Subscription) -> object:
            return sending.send_test(subscription_id=row.pk)

        self.act_on(request, rows, service)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may send past messages again."""
        return authority.holds(request, "webhook.replay")

    @admin_access.needs_capability("webhook.replay")
    @admin.action(
        description="Send again what was given up in the last 7 days", permissions=["replay"]
    )
    def replay_given_up(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        # Whole days, so that the same is asked for until the end of today: under an approval too.
        today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
        until = today + timedelta(days=1)

        def service(row: Subscription) -> sending.ReplayedRange:
            return sending.replay_given_up(
                subscription_id=row.pk, since=today - GIVEN_UP_WITHIN, until=until
            )

        self.act_on(request, rows, service, describe=_describe)


def _describe(done: sending.ReplayedRange) -> str:
    summary = f"{done.replayed} sent again"
    return f"{summary}, and some are left: do it once more" if done.more else summary


class AttemptInline(admin.TabularInline[Attempt, Delivery]):
    model = Attempt
    extra = 0
    can_delete = False
    show_change_link = True
    fields = ["number", "started_at", "duration_ms", "response_status", "error_class", "error"]
    ordering = ["number"]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return authority.holds(request, "webhook.read")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(Delivery)
class DeliveryAdmin(WebhooksAdmin[Delivery]):
    list_display = ["event_name", "subscription", "status", "attempts_made", "error", "created_at"]
    list_filter = ["status", "purpose", ("event_name", LatestValues)]
    list_select_related = ["subscription"]
    search_fields = ["=event_id", "=message_id"]
    search_help_text = "The id of an event, or the webhook-id of a message."
    ordering = ["-created_at", "-id"]
    inlines = [AttemptInline]
    actions = ["replay"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what was sent of just that: Django's own search reads the whole table."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        found = Delivery.objects.of_event(asked)
        if parts := parts_of(asked):
            event_id, subscription_id = parts
            found |= Delivery.objects.of_event(event_id).filter(subscription_id=subscription_id)
        return queryset & found, False

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may send past messages again."""
        return authority.holds(request, "webhook.replay")

    @admin_access.needs_capability("webhook.replay")
    @admin.action(description="Send again", permissions=["replay"])
    def replay(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        def service(row: Delivery) -> object:
            return sending.replay_delivery(delivery_id=row.pk)

        self.act_on(request, rows, service)


@admin.register(Attempt)
class AttemptAdmin(AddressedAdmin[Attempt]):
    list_display = ["delivery", "number", "started_at", "response_status", "error_class", "error"]
    list_filter = [("error_class", LatestValues), ("response_status", LatestValues)]
    list_select_related = ["delivery"]
    ordering = ["-id"]


@admin.register(Endpoint)
class EndpointAdmin(WebhooksAdmin[Endpoint]):
    list_display = ["origin", "failures", "open_until"]
    ordering = ["origin"]


@admin.register(Secret)
class SecretAdmin(WebhooksAdmin[Secret]):
    """Which subscriptions sign with a secret of before, and until when. Secrets are not shown."""

    list_display = ["subscription", "created_at", "retires_at"]
    list_select_related = ["subscription"]
    search_fields = ["=subscription__id"]
    exclude = ["sealed"]
    ordering = ["-id"]
