"""Erasures and legal holds over HTTP. One call down for each action."""

from uuid import UUID

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.api.serializers.erasures import (
    CertificateOut,
    ErasureIn,
    ErasureOut,
    EvidenceOut,
    ForgottenOut,
    LegalHoldIn,
    LegalHoldOut,
    SubjectIn,
)
from ledger.bodies import ReasonIn, valid
from ledger.models import Entry, LegalHold
from ledger.services import erasures

_PRIVATE = {"Cache-Control": "no-store"}


class ErasureFilters(filters.FilterSet):
    subject = filters.CharFilter(
        method="of_subject", help_text="traveller/<id>, contact/<id of a booking>, invoice/<id>."
    )

    def of_subject(self, rows: QuerySet[Entry], _name: str, value: str) -> QuerySet[Entry]:
        """Find it by whichever action it was done."""
        return erasures.about(value, rows)


class ErasureViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Entry]):
    """Forgetting persons, and the certificates of it."""

    capabilities = {
        "list": "subject.read",
        "retrieve": "subject.read",
        "download": "subject.read",
        "preview": "subject.read",
        "create": "subject.erase",
    }
    idempotency_required = ("create",)
    # An answer that names the person would be one more place.
    idempotency_secret = ("create",)
    queryset = Entry.objects.none()
    serializer_class = ErasureOut
    filterset_class = ErasureFilters
    cursor_ordering = ("-occurred_at", "-id")
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Entry]:
        return erasures.certificates().defer("body")

    @extend_schema(request=ErasureIn, responses={200: CertificateOut, 201: CertificateOut})
    def create(self, request: Request) -> Response:
        """Forget a person in every place, and certify what was forgotten where.

        Of whom nothing is left to forget, the first certificate is the answer, with status 200.
        """
        asked = valid(ErasureIn, request.data)
        issued = erasures.erase_subject(**asked)
        return Response(
            CertificateOut(issued.as_json()).data,
            status=status.HTTP_201_CREATED if issued.is_new else status.HTTP_200_OK,
            headers={"Location": f"/api/v1/ledger/erasures/{issued.entry_id}", **_PRIVATE},
        )

    @extend_schema(responses=CertificateOut)
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a certificate by its entry."""
        certificate = erasures.certificate_of(pk)
        body = CertificateOut({**certificate, "entry_id": str(pk)})
        return Response(body.data, headers=_PRIVATE)

    @extend_schema(responses=EvidenceOut, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=[])
    def download(self, request: Request, pk: UUID) -> Response:
        """Download a certificate with what ties it to its sealed entry."""
        name = f'attachment; filename="erasure-{pk}.json"'
        headers = {"Content-Disposition": name, **_PRIVATE}
        return Response(EvidenceOut(erasures.evidence_of(pk)).data, headers=headers)

    @extend_schema(request=SubjectIn, responses=ForgottenOut, filters=False)
    @action(detail=False, methods=["post"], pagination_class=None, filter_backends=[])
    def preview(self, request: Request) -> Response:
        """Show what forgetting a person now would do in every place. Nothing changes."""
        asked = valid(SubjectIn, request.data)
        certificate = erasures.preview_erasure(**asked)
        return Response(ForgottenOut(certificate.as_json()).data, headers=_PRIVATE)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request with the certificate that it was answered with."""
        return self.retrieve(request, UUID(reference))


class LegalHoldFilters(filters.FilterSet):
    lifted = filters.BooleanFilter(field_name="lifted_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = LegalHold
        fields = ["subject"]


class LegalHoldViewSet(viewsets.ReadOnlyModelViewSet[LegalHold]):
    """Who must not be forgotten, because a court may ask."""

    capabilities = {
        "list": "subject.read",
        "retrieve": "subject.read",
        "create": "subject.hold",
        "lift": "subject.hold",
    }
    queryset = LegalHold.objects.all()
    serializer_class = LegalHoldOut
    cursor_ordering = ("-placed_at", "-id")
    filterset_class = LegalHoldFilters
    lookup_value_converter = "uuid"

    @extend_schema(request=LegalHoldIn, responses={201: LegalHoldOut})
    def create(self, request: Request) -> Response:
        """Keep everything about a person until the hold is lifted."""
        asked = valid(LegalHoldIn, request.data)
        return self._created(erasures.place_hold(**asked))

    @extend_schema(request=ReasonIn, responses=LegalHoldOut)
    @action(detail=True, methods=["post"])
    def lift(self, request: Request, pk: UUID) -> Response:
        """End a hold."""
        asked = valid(ReasonIn, request.data)
        return self._shown(erasures.lift_hold(hold_id=pk, **asked))

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        hold = LegalHold.objects.get(pk=reference)
        return self._created(hold) if self.action == "create" else self._shown(hold)

    def _shown(self, hold: LegalHold) -> Response:
        return Response(LegalHoldOut(hold, context=self.get_serializer_context()).data)

    def _created(self, hold: LegalHold) -> Response:
        response = self._shown(hold)
        response.status_code = status.HTTP_201_CREATED
        response["Location"] = f"/api/v1/ledger/legal-holds/{hold.pk}"
        return response
