"""Erasures with their certificates, and legal holds, in the admin."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from events.domain.errors import NotFound
from ledger import admin_access
from ledger.admin import forgetting
from ledger.admin_access import BY_HAND, CapabilityAdmin
from ledger.disclosure import free_texts
from ledger.models import Erasure, LegalHold
from ledger.services import erasures


@admin.register(Erasure)
class ErasureAdmin(CapabilityAdmin[Erasure]):
    """The certificates: each is carried by the entry of its erasure."""

    reads = "subject.read"
    list_display = ["occurred_at", "target_type", "target_id", "why", "principal_id"]
    list_filter = ["target_type", "occurred_at"]
    search_fields = ["=target_id", "=id"]
    fields = ["occurred_at", "target_type", "target_id", "why", "principal_id", "certificate"]
    readonly_fields = ["why", "certificate"]
    ordering = ["-occurred_at", "-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Erasure]:
        found = Erasure.objects.filter(pk__in=erasures.certificates().values("pk"))
        return found.select_related("remark").defer("body")

    def get_urls(self) -> list[URLPattern]:
        """Add the download of a certificate, and the page on which somebody is forgotten."""
        page = self.admin_site.admin_view(self.download)
        own = path("<uuid:entry_id>/certificate.json", page, name="ledger_erasure_certificate")
        forget = self.admin_site.admin_view(self.forget)
        subject = path("subject/<path:subject>/", forget, name="ledger_erasure_subject")
        return [own, subject, *super().get_urls()]

    def forget(self, request: HttpRequest, subject: str) -> HttpResponse:
        """Show what forgetting a subject would do; on POST, do it."""
        return forgetting.page(self, request, subject)

    def download(self, request: HttpRequest, entry_id: Any) -> HttpResponse:
        """Hand out a certificate with what ties it to its entry."""
        admin_access.demand_capability(request, self.reads)
        try:
            evidence = erasures.evidence_of(entry_id)
        except NotFound as error:
            raise Http404(str(error)) from error
        response = JsonResponse(evidence, json_dumps_params={"indent": 2})
        response["Content-Disposition"] = f'attachment; filename="erasure-{entry_id}.json"'
        response["Cache-Control"] = "no-store"
        return response

    @admin.display(description="Why")
    def why(self, erasure: Erasure) -> str:
        """Say it in the words of who erased it, as all may see them."""
        return free_texts.redacted_for(erasure.reason, None) or "-"

    @admin.display(description="Certificate")
    def certificate(self, erasure: Erasure) -> SafeString:
        """Show what was forgotten where, and lead to the file."""
        try:
            certificate = erasures.certificate_of(erasure.pk)
        except NotFound as error:
            return format_html("{}", str(error))
        lines = format_html_join(
            "", "<li><strong>{}</strong>{}</li>", map(_line, certificate["places"])
        )
        return format_html(
            '<p>{}</p><ul>{}</ul><p><a href="{}">Download</a></p>',
            ", ".join(certificate["subjects"]),
            lines,
            reverse("admin:ledger_erasure_certificate", args=[erasure.pk]),
        )


def _line(place: Mapping[str, Any]) -> tuple[str, str]:
    """Say what became of the rows of one place, as the page says beforehand what would."""
    rows = place["rows"]
    where = f": {rows} of “{place['holds']}”" if rows else f" in “{place['holds']}”"
    because = f". {place['because']}" if place["because"] else ""
    until = place["until"]
    ends = f", until {datetime.fromisoformat(until).date()}" if until else ""
    return place["means"].replace("_", " "), f"{where}{because}{ends}"


@admin.register(LegalHold)
class LegalHoldAdmin(CapabilityAdmin[LegalHold]):
    """Holds, to be lifted here; they are placed over REST, with their reason."""

    reads = "subject.read"
    list_display = ["subject", "why", "placed_at", "lifted_at"]
    exclude = ["reason"]
    readonly_fields = ["why"]
    list_filter = ["placed_at", "lifted_at"]
    search_fields = ["=subject"]
    raw_id_fields = ["placed_by", "lifted_by"]
    actions = ["lift"]
    ordering = ["-placed_at"]

    @admin.display(description="Why")
    def why(self, hold: LegalHold) -> str:
        """Say it in the words of who placed it, as all may see them."""
        return free_texts.redacted_for(hold.reason, None)

    @admin_access.needs_capability("subject.hold")
    @admin.action(description="Lift")
    def lift(self, request: HttpRequest, rows: QuerySet[LegalHold]) -> None:
        """End the chosen holds."""
        self.act_on(
            request,
            rows,
            lambda hold: erasures.lift_hold(hold_id=hold.pk, reason=BY_HAND),
            describe=lambda _: "lifted",
        )
