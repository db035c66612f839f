"""Work in the admin: to be looked at, and to be decided on through the services."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from events.bounded import BoundedPaginator
from events.domain.errors import DomainError
from ledger import acts, authority
from workflows.work import registry, selectors, services
from workflows.work.models import Attempt, Checkup, Schedule, Slot, Work, Worker


class ReadOnlyAdmin(acts.Answerable, admin.ModelAdmin[Any]):
    """Rows are written by the product, never by hand."""

    show_full_result_count = False
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class AttemptInline(admin.TabularInline[Attempt, Work]):
    model = Attempt
    readonly_fields = [
        "attempt",
        "fence",
        "worker",
        "started_at",
        "ended_at",
        "outcome",
        "error_class",
        "error",
    ]
    extra = 0
    can_delete = False
    ordering = ["id"]
    verbose_name_plural = f"The last {selectors.ATTEMPTS_SHOWN} attempts"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        match = request.resolver_match
        latest = selectors.attempts_of(match.kwargs["object_id"]) if match else Attempt.objects
        shown = latest.order_by("-id").values("id")[: selectors.ATTEMPTS_SHOWN]
        return super().get_queryset(request).filter(id__in=shown)

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

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin):
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
        """Say whether the user may take dead letters up again."""
        return authority.holds(request, "job.retry")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may cancel."""
        return authority.holds(request, "job.cancel")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may put dead letters away."""
        return authority.holds(request, "job.discard")

    @acts.needing("job.retry")
    @admin.action(description="Retry dead letters", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self._each(request, queryset, lambda id_: services.retry(id_, reason="from the admin"))

    @acts.needing("job.cancel")
    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self._each(request, queryset, lambda id_: services.cancel(id_, reason="from the admin"))

    @acts.needing("job.discard")
    @admin.action(description="Discard dead letters", permissions=["discard"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Work]) -> None:
        self._each(request, queryset, lambda id_: services.discard(id_, reason="from the admin"))

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Work], decide: Callable[[UUID], object]
    ) -> None:
        done = 0
        for id_ in queryset.values_list("pk", flat=True):
            try:
                decide(id_)
                done += 1
            except DomainError as refusal:
                messages.warning(request, f"{refusal} {refusal.hint}")
        if done:
            messages.success(request, f"Done for {done}.")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ["work", "attempt", "outcome", "worker", "started_at", "ended_at", "error_class"]
    list_filter = ["outcome"]
    list_select_related = ["work"]
    ordering = ["-id"]


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = ["name", "kind", "cron", "every_s", "at", "tz", "enabled", "next_at"]
    list_filter = ["enabled"]
    ordering = ["name"]
    actions = ["enable", "disable"]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Say whether the user may change schedules."""
        return authority.holds(request, "schedule.manage")

    @acts.needing("schedule.manage")
    @admin.action(description="Switch on", permissions=["manage"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for name in queryset.values_list("pk", flat=True):
            services.set_schedule_enabled(name, enabled=True)

    @acts.needing("schedule.manage")
    @admin.action(description="Switch off", permissions=["manage"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Schedule]) -> None:
        for name in queryset.values_list("pk", flat=True):
            services.set_schedule_enabled(name, enabled=False)


@admin.register(Slot)
class SlotAdmin(ReadOnlyAdmin):
    list_display = ["schedule", "slot_at", "fate", "stands_for", "work"]
    list_select_related = ["schedule", "work"]
    list_filter = ["fate", "schedule"]
    ordering = ["-id"]


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ["name", "role", "started_at", "seen_at", "stopped_at"]
    ordering = ["-seen_at"]


@admin.register(Checkup)
class CheckupAdmin(ReadOnlyAdmin):
    list_display = ["checked_at", "is_healthy", "duration_ms"]
    list_filter = ["is_healthy"]
    ordering = ["-id"]
