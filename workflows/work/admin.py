"""Work in the admin: read-only pages, with actions that call services."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ledger import admin_access
from ledger.access import authority
from ledger.admin_access import BY_HAND, CapabilityAdmin
from workflows.work import registry, selectors, services
from workflows.work.models import Attempt, Checkup, EveryAttempt, Schedule, Slot, Work, Worker


class AttemptInline(admin.TabularInline[EveryAttempt, Work]):
    model = EveryAttempt
    readonly_fields = selectors.ATTEMPT_FIELDS
    extra = 0
    can_delete = False
    ordering = ["id"]
    verbose_name_plural = f"The last {selectors.ATTEMPTS_SHOWN} attempts"

    def get_queryset(self, request: HttpRequest) -> QuerySet[EveryAttempt]:
        match = request.resolver_match
        latest = selectors.attempts_of(match.kwargs["object_id"]) if match else EveryAttempt.objects
        shown = latest.order_by("-id").values("id")[: selectors.ATTEMPTS_SHOWN]
        return super().get_queryset(request).filter(id__in=shown)

    def has_view_permission(self, request: HttpRequest, obj: Work | None = None) -> bool:
        return authority.holds(request, WorkAdmin.reads)

    def has_add_permission(self, request: HttpRequest, obj: Work | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Work | None = None) -> bool:
        return False


class KindFilter(admin.SimpleListFilter):
    """By kind, from the registry: the table is not searched for its values."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in registry.names()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.of_kind(self.value()) if self.value() else queryset


@admin.register(Work)
class WorkAdmin(CapabilityAdmin[Work]):
    reads = "job.read"
    list_display = ["id", "kind", "subject", "status", "attempt", "due_at", "last_error_class"]
    list_filter = ["status", KindFilter]
    search_fields = ["=id", "=subject", "=correlation_id"]
    search_help_text = "The id of a job, its whole subject, or the correlation id of a story."
    ordering = ["-id"]
    readonly_fields = ["every_attempt"]
    inlines = [AttemptInline]
    actions = ["retry", "cancel", "discard"]

    @admin.display(description="Every attempt")
    def every_attempt(self, job: Work) -> SafeString:
        """Lead to all of them: some jobs are tried without end."""
        if job.has_succeeded_at_once:
            return format_html("{}, below", job.attempt)
        address = reverse("admin:work_attempt_changelist", query={"work": str(job.pk)})
        return format_html('<a href="{}">{} so far</a>', address, job.attempt)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what is just that: Django's own search reads the whole table."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        with suppress(ValueError):
            return queryset.filter(pk=UUID(asked)), False
        jobs = Work.objects.about(subject=asked) | Work.objects.about(correlation_id=asked)
        return queryset & jobs, False

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may take dead letters up again."""
        return authority.holds(request, "job.retry")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may cancel."""
        return authority.holds(request, "job.cancel")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may put dead letters away."""
        return authority.holds(request, "job.discard")

    @admin_access.needs_capability("job.retry")
    @admin.action(description="Retry dead letters", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self.act_on(request, queryset, lambda job: services.retry(job.pk, reason=BY_HAND))

    @admin_access.needs_capability("job.cancel")
    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self.act_on(request, queryset, lambda job: services.cancel(job.pk, reason=BY_HAND))

    @admin_access.needs_capability("job.discard")
    @admin.action(description="Discard dead letters", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self.act_on(request, queryset, lambda job: services.discard(job.pk, reason=BY_HAND))


@admin.register(Attempt)
class AttemptAdmin(CapabilityAdmin[Attempt]):
    reads = "job.read"
    list_display = ["work", "attempt", "outcome", "worker", "started_at", "ended_at", "error_class"]
    list_filter = ["outcome"]
    list_select_related = ["work"]
    ordering = ["-id"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, and say what is not in it."""
        says = "What succeeded at once is on the page of its job only"
        return super().changelist_view(request, {"subtitle": says, **(extra_context or {})})


@admin.register(Schedule)
class ScheduleAdmin(CapabilityAdmin[Schedule]):
    reads = "job.read"
    list_display = ["name", "kind", "cron", "every_s", "at", "tz", "enabled", "next_at"]
    list_filter = ["enabled"]
    ordering = ["name"]
    actions = ["enable", "disable"]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may change schedules."""
        return authority.holds(request, "schedule.manage")

    @admin_access.needs_capability("schedule.manage")
    @admin.action(description="Switch on", permissions=["manage"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self.act_on(
            request, queryset, lambda row: services.set_schedule_enabled(row.pk, enabled=True)
        )

    @admin_access.needs_capability("schedule.manage")
    @admin.action(description="Switch off", permissions=["manage"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        self.act_on(
            request, queryset, lambda row: services.set_schedule_enabled(row.pk, enabled=False)
        )


@admin.register(Slot)
class SlotAdmin(CapabilityAdmin[Slot]):
    reads = "job.read"
    list_display = ["schedule", "slot_at", "fate", "stands_for", "work"]
    list_select_related = ["schedule", "work"]
    list_filter = ["fate", "schedule"]
    ordering = ["-id"]


@admin.register(Worker)
class WorkerAdmin(CapabilityAdmin[Worker]):
    reads = "job.read"
    list_display = ["name", "role", "queues", "started_at", "seen_at", "stopped_at"]
    ordering = ["-seen_at"]


@admin.register(Checkup)
class CheckupAdmin(CapabilityAdmin[Checkup]):
    reads = "system.health"
    list_display = ["checked_at", "is_healthy", "duration_ms"]
    list_filter = ["is_healthy"]
    ordering = ["-id"]
