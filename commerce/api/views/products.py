"""Products, departures and cancellation policies over HTTP."""

from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from commerce.api.filters import ContentFilters, ProductFilters, SlotFilters
from commerce.api.responses import RebuildsFromRow, created, ok
from commerce.api.serializers.invoices import ExternalContentOut
from commerce.api.serializers.products import (
    CapacityIn,
    PolicyIn,
    PolicyOut,
    PolicyVersionIn,
    PolicyVersionOut,
    ProductIn,
    ProductOut,
    ProductPatchIn,
    SlotIn,
    SlotOut,
)
from commerce.models import (
    CancellationPolicy,
    CancellationPolicyVersion,
    CancellationRule,
    ExternalContent,
    Product,
    Slot,
)
from commerce.services import policies, products, slots
from ledger.bodies import valid
from ledger.preconditions import expected_version

IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, required=True, description="The ETag last read."
)


class ProductViewSet(viewsets.ReadOnlyModelViewSet[Product]):
    """What is for sale."""

    capabilities = {
        "list": "product.read",
        "retrieve": "product.read",
        "create": "product.create",
        "partial_update": "product.update",
        "destroy": "product.delete",
    }
    queryset = Product.objects.all()
    serializer_class = ProductOut
    filterset_class = ProductFilters
    lookup_value_converter = "uuid"

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a product; its ETag is what a change must match."""
        return self._answer(self.get_object())

    @extend_schema(request=ProductIn, responses={201: ProductOut})
    def create(self, request: Request) -> Response:
        """Add a product."""
        product = products.create_product(**valid(ProductIn, request.data))
        return created(ProductOut(product), at=f"products/{product.pk}", version=product.revision)

    @extend_schema(request=ProductPatchIn, responses=ProductOut, parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change what is named; the rest stays."""
        changes = valid(ProductPatchIn, request.data)
        version = expected_version(request)
        return self._answer(
            products.update_product(product_id=pk, expected_version=version, **changes)
        )

    @extend_schema(request=None, responses={204: None}, parameters=[IF_MATCH])
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Delete a product that was never offered; others are archived."""
        products.delete_product(product_id=pk, expected_version=expected_version(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if self.action == "destroy":
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self._answer(get_object_or_404(self.get_queryset(), pk=reference))

    def _answer(self, product: Product) -> Response:
        return ok(ProductOut(product), version=product.revision)


class SlotViewSet(viewsets.ReadOnlyModelViewSet[Slot]):
    """Departures and the seats that are left on them."""

    capabilities = {
        "list": "product.read",
        "retrieve": "product.read",
        "create": "slot.create",
        "partial_update": "slot.update",
    }
    queryset = Slot.objects.all()
    serializer_class = SlotOut
    filterset_class = SlotFilters
    lookup_value_converter = "uuid"

    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a departure; its ETag is what a change must match."""
        return self._answer(self.get_object())

    @extend_schema(request=SlotIn, responses={201: SlotOut})
    def create(self, request: Request) -> Response:
        """Add a departure to a product."""
        slot = slots.create_slot(**valid(SlotIn, request.data))
        return created(SlotOut(slot), at=f"slots/{slot.pk}", version=slot.revision)

    @extend_schema(request=CapacityIn, responses=SlotOut, parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Give a departure more or fewer seats."""
        asked = valid(CapacityIn, request.data)
        version = expected_version(request)
        return self._answer(slots.change_capacity(slot_id=pk, expected_version=version, **asked))

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        return self._answer(get_object_or_404(self.get_queryset(), pk=reference))

    def _answer(self, slot: Slot) -> Response:
        return ok(SlotOut(slot), version=slot.revision)


class CancellationPolicyViewSet(
    RebuildsFromRow[CancellationPolicy], viewsets.ReadOnlyModelViewSet[CancellationPolicy]
):
    """What customers get back when they cancel, in versions."""

    capabilities = {
        "list": "policy.read",
        "retrieve": "policy.read",
        "create": "policy.create",
        "draft_version": "policy.create",
        "publish": "policy.publish",
    }
    without_body = ("publish",)
    queryset = CancellationPolicy.objects.none()
    serializer_class = PolicyOut
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[CancellationPolicy]:
        rules = Prefetch("rules", CancellationRule.objects.order_by("-days_before"))
        versions = CancellationPolicyVersion.objects.order_by("number").prefetch_related(rules)
        return CancellationPolicy.objects.prefetch_related(Prefetch("versions", versions))

    @extend_schema(request=PolicyIn, responses={201: PolicyOut})
    def create(self, request: Request) -> Response:
        """Add a policy; its first version is a draft."""
        version = policies.create_policy(**valid(PolicyIn, request.data))
        policy = self.get_queryset().get(pk=version.policy_id)
        return created(PolicyOut(policy), at=f"cancellation-policies/{policy.pk}")

    @extend_schema(request=PolicyVersionIn, responses={201: PolicyVersionOut})
    @action(detail=True, methods=["post"], url_path="versions")
    def draft_version(self, request: Request, pk: UUID) -> Response:
        """Draft the next version of a policy."""
        version = policies.draft_version(policy_id=pk, **valid(PolicyVersionIn, request.data))
        return created(PolicyVersionOut(version), at=f"cancellation-policies/{pk}")

    @extend_schema(
        request=None,
        responses=PolicyVersionOut,
        parameters=[OpenApiParameter("version_id", UUID, OpenApiParameter.PATH)],
    )
    @action(detail=True, methods=["post"], url_path="versions/<uuid:version_id>/publish")
    def publish(self, request: Request, pk: UUID, version_id: UUID) -> Response:
        """Let a version apply to new bookings, in the place of the one before."""
        version = policies.publish_version(policy_id=pk, version_id=version_id)
        return ok(PolicyVersionOut(version))


class ExternalContentViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[ExternalContent]):
    """The copies of products in content systems, and which of them lag behind."""

    capabilities = {"list": "content.read"}
    queryset = ExternalContent.objects.all()
    serializer_class = ExternalContentOut
    filterset_class = ContentFilters
    cursor_ordering = ("-id",)
