"""Flows in the admin: read-only. Operators act on them in the console."""

from django.contrib import admin

from events.admin_lists import LatestValues, M
from ledger.admin_access import CapabilityAdmin
from workflows.flows.models import (
    AwaitedApproval,
    AwaitedCallback,
    AwaitedEvent,
    FeedCursor,
    FlowStart,
    FlowSummary,
    Receipt,
    Remembered,
)


class FlowsAdmin(CapabilityAdmin[M]):
    """Needs the permission to read flows. The rows follow from events and are read-only."""

    reads = "flow.read"
    actions = None


@admin.register(FlowSummary)
class FlowSummaryAdmin(FlowsAdmin[FlowSummary]):
    list_display = [
        "flow_id",
        "status",
        "outcome",
        "is_paused",
        "is_undone",
        "is_partly_undone",
        "started_at",
        "status_at",
    ]
    list_filter = [
        "status",
        ("outcome", LatestValues),
        "is_paused",
        "is_undone",
        "is_partly_undone",
    ]
    search_fields = ["=flow_id", "=parent_flow_id", "=concurrency_key"]
    ordering = ["-started_at", "-flow_id"]


@admin.register(Receipt)
class ReceiptAdmin(FlowsAdmin[Receipt]):
    # Only the hash of a token is kept, and it is of no use to a reader.
    list_display = ["flow_id", "step_id", "verdict", "received_at"]
    list_filter = ["verdict"]
    search_fields = ["=flow_id"]
    exclude = ["token_hash"]
    ordering = ["-id"]


@admin.register(AwaitedCallback)
class AwaitedCallbackAdmin(FlowsAdmin[AwaitedCallback]):
    # The token of an item is the credential to complete it.
    list_display = ["flow_id", "step_id", "since"]
    list_display_links = None
    search_fields = ["=flow_id"]
    exclude = ["token"]
    ordering = ["since"]


@admin.register(AwaitedApproval)
class AwaitedApprovalAdmin(FlowsAdmin[AwaitedApproval]):
    list_display = ["flow_id", "step_id", "approval_id"]
    search_fields = ["=flow_id"]
    exclude = ["token"]
    ordering = ["flow_id", "step_id"]


@admin.register(FeedCursor)
class FeedCursorAdmin(FlowsAdmin[FeedCursor]):
    """How far the feed was read for those who wait for events."""

    list_display = ["name", "position"]


@admin.register(AwaitedEvent)
class AwaitedEventAdmin(FlowsAdmin[AwaitedEvent]):
    list_display = ["flow_id", "step_id", "event_name", "language"]
    list_display_links = None
    list_filter = ["event_name"]
    search_fields = ["=flow_id"]
    exclude = ["token"]
    ordering = ["flow_id", "step_id"]


@admin.register(FlowStart)
class FlowStartAdmin(FlowsAdmin[FlowStart]):
    list_display = ["name", "event", "cron", "enabled", "paused_because", "declared_by"]
    list_filter = ["enabled"]
    search_fields = ["name", "=event", "=declared_by"]
    ordering = ["name"]


@admin.register(Remembered)
class RememberedAdmin(FlowsAdmin[Remembered]):
    list_display = ["key", "made_at"]
    search_fields = ["=key"]
    ordering = ["-made_at"]
