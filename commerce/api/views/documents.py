"""Documents, and who may open them, over HTTP."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from commerce import selectors
from commerce.api.filters import DocumentAccessFilters
from commerce.api.responses import RebuildsFromRow, created, ok
from commerce.api.serializers.documents import (
    DocumentAccessIn,
    DocumentAccessOut,
)
from commerce.domain.access import AccessStatus, DocumentAccessEnded
from commerce.models import DocumentAccess, Invoice, Rendition
from commerce.services import document_access, renditions
from commerce.services.document_access import MANAGE
from events.domain.errors import Forbidden
from ledger import recording
from ledger.access import authority
from ledger.access.authority import AUTHENTICATED, Caller
from ledger.bodies import ReasonIn, valid
from ledger.disclosure import disclosing
from ledger.domain.action import Read
from ledger.domain.capability import CapabilityMissing

READ_DOCUMENT = "invoice.read_document"
READ_ACCESS = "document_access.read"
_BY_GRANT = "grant"


class DocumentViewSet(viewsets.GenericViewSet[Rendition]):
    """The content of documents. Private: each look is checked and on record, nothing is cached.

    It is opened to who holds the capability, over everything or over the invoice, and to who
    has a live access; each look asks anew, so a revocation holds from the next one on.
    """

    capabilities = {"content": AUTHENTICATED, "accesses": READ_ACCESS, "grant": MANAGE}
    discloses = ("content",)
    queryset = Rendition.objects.none()
    lookup_value_converter = "uuid"

    @extend_schema(
        responses={(200, "text/html"): OpenApiTypes.BINARY},
        extensions={"x-capability": READ_DOCUMENT},
    )
    @action(detail=True, methods=["get"])
    def content(self, request: Request, pk: UUID) -> HttpResponse:
        """Download a document; that, and the reason of the header `Access-Reason`, is recorded."""
        rendition = Rendition.objects.defer("content_sealed").filter(pk=pk).first()
        access = _admitted(authority.caller_of(request), rendition, pk)
        assert rendition is not None, "access implies a document"
        read = Read(
            name=READ_DOCUMENT,
            target=selectors.disclosed_target(rendition),
            capability=READ_DOCUMENT,
            fields=("content",),
            reason=request.headers.get("Access-Reason", ""),
            source=_BY_GRANT if access else "",
            policy=selectors.policy_of(access) if access else "",
        )
        return disclosing.disclosed(read, lambda: _download(rendition))

    @extend_schema(responses=DocumentAccessOut(many=True), filters=False)
    @action(
        detail=True, methods=["get"], url_path="access", pagination_class=None, filter_backends=[]
    )
    def accesses(self, request: Request, pk: UUID) -> Response:
        """List who was ever let in to a document, the newest first."""
        document = get_object_or_404(Rendition.objects.defer("content_sealed"), pk=pk)
        rows = document.accesses.order_by("-granted_at", "-pk")
        return Response(DocumentAccessOut(rows, many=True).data)

    @extend_schema(request=DocumentAccessIn, responses={201: DocumentAccessOut})
    @accesses.mapping.post
    def grant(self, request: Request, pk: UUID) -> Response:
        """Let somebody open a document for a while."""
        asked = valid(DocumentAccessIn, request.data)
        access = document_access.grant_document_access(document_id=pk, **asked)
        return created(DocumentAccessOut(access), at=f"document-accesses/{access.pk}")

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return ok(DocumentAccessOut(get_object_or_404(DocumentAccess, pk=reference)))


class DocumentAccessViewSet(
    RebuildsFromRow[DocumentAccess], viewsets.ReadOnlyModelViewSet[DocumentAccess]
):
    """Who may open which document, for what and until when."""

    capabilities = {"list": READ_ACCESS, "retrieve": READ_ACCESS, "revoke": MANAGE}
    queryset = DocumentAccess.objects.all()
    serializer_class = DocumentAccessOut
    filterset_class = DocumentAccessFilters
    cursor_ordering = ("-granted_at", "-id")
    lookup_value_converter = "uuid"

    @extend_schema(request=ReasonIn, responses=DocumentAccessOut)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: UUID) -> Response:
        """End an access at once: the next look is refused."""
        asked = valid(ReasonIn, request.data)
        return ok(DocumentAccessOut(document_access.revoke_document_access(access_id=pk, **asked)))


def _admitted(caller: Caller, document: Rendition | None, pk: UUID) -> DocumentAccess | None:
    """Return the access under which a document is opened; None for who holds the capability.

    Who holds it somewhere is told that there is no such document, also where it is there;
    nobody else learns which there are.

    :raises DocumentAccessEnded: if an access of theirs has ended.
    :raises CapabilityMissing: if nothing ever let them in.
    """
    if document is not None and _sees(caller, document):
        return None
    is_in_scope = caller.has_in_scope(READ_DOCUMENT)
    granted = list(selectors.accesses_of(caller, pk)) if is_in_scope else []
    at = timezone.now()
    for access in granted:
        if selectors.access_status(access, at=at) is AccessStatus.LIVE:
            return access
    if not granted and caller.holds_somewhere(READ_DOCUMENT):
        raise Http404
    why: Forbidden = CapabilityMissing(READ_DOCUMENT)
    if granted:
        last = granted[0]
        why = DocumentAccessEnded(last.pk, selectors.access_status(last, at=at))
    about = selectors.disclosed_target(document).id if document else ""
    recording.record_denial(READ_DOCUMENT, target_id=about, why=why)
    raise why


def _sees(caller: Caller, document: Rendition) -> bool:
    invoice: QuerySet[Invoice] = Invoice.objects.filter(pk=document.invoice_id)
    return authority.visible(invoice, caller, READ_DOCUMENT).exists()


def _download(rendition: Rendition) -> HttpResponse:
    response = HttpResponse(renditions.content_of(rendition), content_type=rendition.content_type)
    name = rendition.storage_key.rpartition("/")[2]
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    # Should it be opened here after all, nothing in it runs.
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response
