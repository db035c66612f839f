"""Ledger entries in the admin: read-only, with their related rows."""

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from events.admin_lists import LatestValues
from ledger import timelines
from ledger.access import authority
from ledger.admin import (
    amending,
    seals,  # noqa: F401 - importing registers.
)
from ledger.admin_access import CapabilityAdmin
from ledger.disclosure import free_texts
from ledger.domain.action import Target
from ledger.models import Entry
from ledger.reversing import previews

TIMELINE_SHOWN = 50
_OF_MANY = format_html(
    "<p>More than {} things belong to it. What was done to the others is missing here.</p>",
    timelines.RELATED_MAX,
)
_FIRST = (
    "occurred_at",
    "action_name",
    "target_type",
    "target_id",
    "status",
    "principal_type",
    "principal_id",
)
_TOLD = (
    "what_it_did",
    "why",
    "corrections",
    "undoing",
    "sealed_at",
    "refers_to",
    "chain",
    "timeline",
)


class ValuesOnRecord(LatestValues):
    """The values of the latest entries. Of the empty one Django makes a link without a word."""

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Return the links of the filter, each with something to read."""
        for choice in super().choices(changelist):
            yield {**choice, "display": choice["display"] or "(none)"}


class ReversalState(admin.ChoicesFieldListFilter):
    """How far the reversal has come, also of what cannot be undone, which has no standing."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the entries whose reversal has come so far."""
        if self.lookup_val:
            return queryset.filter(timelines.whose_reversal_is(self.lookup_val))
        found = super().queryset(request, queryset)
        assert found is not None, "Django's own returns none only for filters of one's own"
        return found


@admin.register(Entry)
class EntryAdmin(CapabilityAdmin[Entry]):
    """Who did what. Nothing here changes a record; the database would refuse it."""

    reads = "ledger.read"
    list_display = [
        "occurred_at",
        "action_name",
        "target_type",
        "target_id",
        "status",
        "evaluated_risk",
        "principal_type",
        "principal_id",
        "sealed_at",
    ]
    list_filter = [
        "evaluated_risk",
        "status",
        "action_kind",
        "principal_type",
        ("principal_subtype", ValuesOnRecord),
        ("target_type", ValuesOnRecord),
        ("actor_type", ValuesOnRecord),
        ("caller_type", ValuesOnRecord),
        ("authorization_source", ValuesOnRecord),
        ("capability_id", ValuesOnRecord),
        "internal_request",
        "mutation__reversal_kind",
        ("standing__state", ReversalState),
        "standing__outcome",
        ("disclosure__decision_policy", ValuesOnRecord),
        "occurred_at",
    ]
    search_fields = [
        "=action_name",
        "=target_id",
        "=principal_id",
        "=correlation_id",
        "=causation_id",
        "=session_id",
        "=api_token_id",
        "=workflow_run_id",
        "=workflow_step_id",
        "=route_or_tool_name",
        "=idempotency_key",
        "=delegated_by_id",
        "=id",
        "=approval_id",
    ]
    list_select_related = ["seal"]
    exclude = ["body", "old_reason"]
    readonly_fields = _TOLD
    ordering = ["-occurred_at", "-id"]

    def get_fieldsets(self, request: HttpRequest, obj: Entry | None = None) -> Any:
        """Return what is asked first of an entry, and behind it, folded, each column."""
        columns = [name for name in self.get_fields(request, obj) if name not in {*_FIRST, *_TOLD}]
        return [
            (None, {"fields": [*_FIRST, *_TOLD]}),
            ("Everything on record", {"fields": columns, "classes": ["collapse"]}),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return timelines.entries()

    def get_urls(self) -> list[URLPattern]:
        """Add the page on which an entry is corrected."""
        amend = self.admin_site.admin_view(self.amend)
        own = path("<uuid:entry_id>/amend/", amend, name="ledger_entry_amend")
        return [own, *super().get_urls()]

    def amend(self, request: HttpRequest, entry_id: UUID) -> HttpResponse:
        """Show what an entry says; on POST, put on record what is wrong about it."""
        return amending.page(self, request, entry_id)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an entry, and lead who may correct it to where it is done."""
        more = {"may_amend": authority.holds(request, amending.CAPABILITY)}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})

    @admin.display(description="Position", ordering="seal__position")
    def sealed_at(self, entry: Entry) -> str:
        """Return where the seals have it, or that it waits."""
        seal = getattr(entry, "seal", None)
        return str(seal.position) if seal else "waits for its seal"

    @admin.display(description="What it did")
    def what_it_did(self, entry: Entry) -> str:
        """Say it in a sentence: never values."""
        return entry.title

    @admin.display(description="Why")
    def why(self, entry: Entry) -> str:
        """Say it in the words of who did it, as all may see them."""
        return free_texts.redacted_for(entry.reason, None) or "-"

    @admin.display(description="Corrections")
    def corrections(self, entry: Entry) -> SafeString:
        """Say what others put on record about it since, in their words, as all may see them."""
        rows = (
            (
                reverse("admin:ledger_entry_change", args=[each.pk]),
                date_format(each.occurred_at, "DATETIME_FORMAT"),
                f"{each.principal_type} {each.principal_id}",
                reason or "-",
            )
            for each, reason in amending.corrections_of(entry, None)
        )
        return _listed('<a href="{}">{}</a>, by {}: {}', rows)

    @admin.display(description="Undoing it")
    def undoing(self, entry: Entry) -> SafeString:
        """Lead to what undoing it would do, or say why it cannot be and what to do instead."""
        preview = previews.preview(entry.pk)
        return format_html(
            '<p>{}. {} <a href="{}">{}</a></p>{}',
            preview.standing.state.value.replace("_", " ").capitalize(),
            preview.refusal or "",
            reverse("admin:ledger_entry_reversal", args=[entry.pk]),
            "Preview the reversal" if preview.refusal is None else "What can be done instead",
            _listed("{}", ((each.meaning,) for each in preview.follow_ups))
            if preview.follow_ups
            else "",
        )

    @admin.display(description="Refers to")
    def refers_to(self, entry: Entry) -> SafeString:
        """Name its payloads, and what has become of them."""
        rows = (
            (each.kind, each.schema_tag, each.retention, each.redaction, each.digest)
            for each in entry.payloads.all()
        )
        return _listed("{} ({}), {}, {}: {}", rows)

    @admin.display(description="Chain")
    def chain(self, entry: Entry) -> SafeString:
        """Show what led to it, and what came of it."""
        chain = timelines.chain_of(entry)
        return format_html_join(
            "",
            "<p><strong>{}</strong></p>{}",
            (
                (each.name.replace("_", " "), _links(getattr(chain, each.name)))
                for each in fields(chain)
                if getattr(chain, each.name)
            ),
        ) or format_html("{}", "-")

    @admin.display(description="Timeline of its target")
    def timeline(self, entry: Entry) -> SafeString:
        """Show what happened to its target and what belongs to it, the newest first."""
        target = Target(type=entry.target_type, id=entry.target_id)
        about = timelines.gathered([target])
        found = timelines.entries_about(about.targets).order_by("-occurred_at", "-id")
        says = "" if about.is_complete else _OF_MANY
        return format_html("{}{}", says, _links(found[:TIMELINE_SHOWN]))


def _links(entries: Iterable[Entry]) -> SafeString:
    rows = (
        (
            reverse("admin:ledger_entry_change", args=[each.pk]),
            date_format(each.occurred_at, "DATETIME_FORMAT"),
            each.action_name,
            f"{each.target_type} {each.target_id}",
            each.status,
            f"{each.principal_type} {each.principal_id}",
        )
        for each in entries
    )
    return _listed('<a href="{}">{} {}</a> on {}: {}, by {}', rows)


def _listed(line: str, rows: Iterable[tuple[Any, ...]]) -> SafeString:
    lines = format_html_join("", f"<li>{line}</li>", rows)
    return format_html("<ul>{}</ul>", lines) if lines else SafeString("-")
