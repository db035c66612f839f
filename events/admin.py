"""The event log in the admin: read-only, for users who may read all of it.

Nothing here counts, sorts or scans the whole table: it is the largest of all.
"""

import json
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events import catalogue, explore
from events.admin_lists import M
from events.domain.envelope import Category, Source
from events.domain.streams import key_range
from events.models import Payload, Position, Snapshot, StoredEvent, Unsequenced
from ledger.admin_access import CapabilityAdmin

SHOWN_CHARS_MAX = 100_000


class NameFilter(admin.SimpleListFilter):
    """Filter by event name. The choices come from the catalogue, not from a scan of the table."""

    title = "name"
    parameter_name = "name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.name, one.name) for one in catalogue.all_types()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(name=self.value()) if self.value() else queryset


class KindFilter(admin.SimpleListFilter):
    """Filter by kind of stream: a range of the index events_one_event_per_sequence."""

    title = "kind of stream"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.kind, one.kind) for one in catalogue.all_streams()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        kind = self.value()
        if not kind:
            return queryset
        low, high = key_range((kind,))
        return queryset.filter(stream__gte=low, stream__lt=high)


class RecordedFilter(admin.SimpleListFilter):
    """Filter by time, through the positions: Django's date hierarchy would scan the table."""

    title = "recorded"
    parameter_name = "recorded"
    _ages: ClassVar = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
    _ages |= {"week": timedelta(days=7), "month": timedelta(days=30)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, f"in the past {name}") for name in self._ages]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        age = self._ages.get(self.value() or "")
        if age is None:
            return queryset
        return queryset.filter(place__position__gte=explore.position_at(timezone.now() - age))


class CategoryFilter(admin.SimpleListFilter):
    """Filter by category: both are offered, without a look at the table."""

    title = "category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.value, one.value) for one in Category]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(category=self.value()) if self.value() else queryset


class SourceFilter(CategoryFilter):
    """Filter by source, likewise."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.value, one.value) for one in Source]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(source=self.value()) if self.value() else queryset


class LogAdmin(CapabilityAdmin[M]):
    """Base of the log's pages. They show every stream, so a grant on some is not enough."""

    reads = "event.read"


@admin.register(StoredEvent)
class StoredEventAdmin(LogAdmin[StoredEvent]):
    list_display = ["position", "name", "stream", "sequence", "category", "principal", "emitted_at"]
    list_display_links = ["name"]
    list_filter = [RecordedFilter, CategoryFilter, SourceFilter, KindFilter, NameFilter]
    list_select_related = ["place"]
    search_fields = ["=event_id", "=correlation_id"]
    search_help_text = "The id of an event, or the correlation id of a story."
    sortable_by: ClassVar[list[str]] = []
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["name", "version", "stream", "sequence", "position", "json"]}),
        ("Why", {"fields": ["category", "source", "principal", "correlation_id", "causation_id"]}),
        ("When", {"fields": ["event_id", "emitted_at", "recorded_at", "payload"]}),
    ]
    readonly_fields = ["position", "json"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredEvent]:
        # A list must not carry every payload along.
        return super().get_queryset(request).select_related("place").defer("data")

    @admin.display(empty_value="not yet")
    def position(self, event: StoredEvent) -> int | None:
        """Return its place in the feed."""
        return event.place.position if hasattr(event, "place") else None

    @admin.display(description="data")
    def json(self, event: StoredEvent) -> SafeString:
        """Return the data, to be read by people."""
        return pretty(event.data if event.payload is None else event.payload.body)


@admin.register(Payload)
class PayloadAdmin(LogAdmin[Payload]):
    list_display = ["hash"]
    search_fields = ["=hash"]
    sortable_by: ClassVar[list[str]] = []
    fields = ["hash", "json"]
    readonly_fields = ["json"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payload]:
        return super().get_queryset(request).defer("body")

    @admin.display(description="body")
    def json(self, payload: Payload) -> SafeString:
        """Return the body, to be read by people."""
        return pretty(payload.body)


@admin.register(Position)
class PositionAdmin(LogAdmin[Position]):
    list_display = ["position", "event"]
    list_select_related = ["event"]
    search_fields = ["=position"]
    sortable_by: ClassVar[list[str]] = []
    ordering = ["-position"]


@admin.register(Unsequenced)
class UnsequencedAdmin(LogAdmin[Unsequenced]):
    list_display = ["event", "others"]
    list_select_related = ["event"]
    sortable_by: ClassVar[list[str]] = []
    ordering = ["pk"]


@admin.register(Snapshot)
class SnapshotAdmin(LogAdmin[Snapshot]):
    list_display = ["stream", "sequence", "code", "taken_at"]
    search_fields = ["^stream"]
    sortable_by: ClassVar[list[str]] = []
    ordering = ["stream"]
    fields = ["stream", "sequence", "event_id", "code", "taken_at", "json"]
    readonly_fields = ["json"]

    @admin.display(description="state")
    def json(self, snapshot: Snapshot) -> SafeString:
        """Return the state, to be read by people."""
        return pretty(snapshot.state)


def pretty(text: str | None) -> SafeString:
    """Return JSON as indented, escaped text, cut to what a page can show."""
    written = json.dumps(json.loads(text or "null"), indent=2, ensure_ascii=False)
    cut = "" if len(written) <= SHOWN_CHARS_MAX else "\n…"
    return format_html("<pre>{}{}</pre>", written[:SHOWN_CHARS_MAX], cut)
