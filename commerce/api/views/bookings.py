"""Bookings, their travellers and what was sent, over HTTP."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from commerce.api.filters import BookingFilters, DeliveryFilters
from commerce.api.responses import created, ok
from commerce.api.serializers.bookings import (
    BookingDetailOut,
    BookingIn,
    BookingOut,
    BookingPatchIn,
    DocumentDeliveryOut,
    OverrideIn,
    SendDocumentsIn,
    TravellerIn,
    TravellerOut,
    TravellerPatchIn,
    UntilIn,
)
from commerce.api.views.products import IF_MATCH
from commerce.models import Booking, BookingItem, Delivery, Traveller, Voucher
from commerce.services import bookings, deliveries, travellers
from ledger.access import authority
from ledger.bodies import ReasonIn, valid
from ledger.disclosure.reasons import access_reason_header
from ledger.preconditions import expected_version

BOOKING_ID = OpenApiParameter("booking_id", UUID, OpenApiParameter.PATH)
ACCESS_REASON = access_reason_header()


class BookingViewSet(viewsets.ReadOnlyModelViewSet[Booking]):
    """Bookings and the steps of their life. Each step checks what it says; an override does not."""

    capabilities = {
        "list": "booking.read",
        "retrieve": "booking.read",
        "create": "booking.create",
        "partial_update": "booking.update",
        "hold": "booking.hold",
        "await_payment": "booking.await_payment",
        "confirm": "booking.confirm",
        "start": "booking.start",
        "complete": "booking.complete",
        "cancel": "booking.cancel",
        "expire": "booking.expire",
        "override": "booking.override",
        "send_documents": "booking.send_documents",
    }
    without_body = ("confirm", "start", "complete", "expire")
    object_level = True
    queryset = Booking.objects.none()
    filterset_class = BookingFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Booking]:
        rows = Booking.objects.all()
        if self.action != "list":
            items = BookingItem.objects.select_related("allocation").order_by("service_date", "pk")
            vouchers = Voucher.objects.order_by("issued_at", "pk")
            rows = rows.prefetch_related(Prefetch("items", items), Prefetch("vouchers", vouchers))
        # A caller who may see a booking but not act on it gets 403; one who may not see it, 404.
        if authority.holds(self.request, self.capabilities[self.action]):
            return rows
        return authority.visible(rows, self.request, "booking.read")

    def get_serializer_class(self) -> type[BaseSerializer[Booking]]:
        return BookingOut if self.action == "list" else BookingDetailOut

    @extend_schema(parameters=[ACCESS_REASON])
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Show a booking; its ETag is what a change must match."""
        return self._answer(self.get_object())

    @extend_schema(request=BookingIn, responses={201: BookingDetailOut})
    def create(self, request: Request) -> Response:
        """Make a booking as a draft, at the prices and on the terms of this moment."""
        asked = valid(BookingIn, request.data)
        # Over everything: there is no single booking yet on which it could be granted.
        authority.caller_of(request).demand("booking.create")
        booking = bookings.create_booking(**asked)
        body = BookingDetailOut(booking, context=self.get_serializer_context())
        return _private(created(body, at=f"bookings/{booking.pk}", version=booking.revision))

    @extend_schema(request=BookingPatchIn, responses=BookingDetailOut, parameters=[IF_MATCH])
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change the data of a booking."""
        changes = valid(BookingPatchIn, request.data)
        version = expected_version(request)
        self.get_object()
        return self._answer(
            bookings.amend_booking(booking_id=pk, expected_version=version, **changes)
        )

    @extend_schema(request=UntilIn, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, pk: UUID) -> Response:
        """Keep seats for a while."""
        until = valid(UntilIn, request.data).get("hold_expires_at")
        return self._step(bookings.hold_booking, until=until)

    @extend_schema(request=UntilIn, responses=BookingDetailOut)
    @action(detail=True, methods=["post"], url_path="await-payment")
    def await_payment(self, request: Request, pk: UUID) -> Response:
        """Keep seats for a while, for a payment."""
        until = valid(UntilIn, request.data).get("hold_expires_at")
        return self._step(bookings.await_payment, until=until)

    @extend_schema(request=None, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: UUID) -> Response:
        """Confirm, and take the seats for good."""
        return self._step(bookings.confirm_booking)

    @extend_schema(request=None, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, pk: UUID) -> Response:
        """Note that the journey has begun."""
        return self._step(bookings.start_booking)

    @extend_schema(request=None, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def complete(self, request: Request, pk: UUID) -> Response:
        """Note that the journey is over."""
        return self._step(bookings.complete_booking)

    @extend_schema(request=ReasonIn, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """Cancel, give the seats back, and record what the agreed terms give back."""
        return self._step(bookings.cancel_booking, **valid(ReasonIn, request.data))

    @extend_schema(request=None, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def expire(self, request: Request, pk: UUID) -> Response:
        """Give up the seats that are kept."""
        return self._step(bookings.expire_booking)

    @extend_schema(request=OverrideIn, responses=BookingDetailOut)
    @action(detail=True, methods=["post"])
    def override(self, request: Request, pk: UUID) -> Response:
        """Correct the status by hand, with a reason; seats follow."""
        asked = valid(OverrideIn, request.data)
        until = asked.pop("hold_expires_at")
        return self._step(bookings.override_status, until=until, **asked)

    @extend_schema(request=SendDocumentsIn, responses={202: DocumentDeliveryOut})
    @action(detail=True, methods=["post"], url_path="documents/send")
    def send_documents(self, request: Request, pk: UUID) -> Response:
        """Have the documents of a booking sent; the delivery says how far it is."""
        asked = valid(SendDocumentsIn, request.data)
        self.get_object()
        delivery = deliveries.send_booking_documents(booking_id=pk, **asked)
        return _accepted(delivery)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if self.action == "send_documents":
            return _accepted(Delivery.objects.get(pk=reference))
        return self._answer(Booking.objects.get(pk=reference))

    def _step(self, service: Any, **asked: Any) -> Response:
        booking = self.get_object()
        version = expected_version(self.request, required=False)
        return self._answer(service(booking_id=booking.pk, expected_version=version, **asked))

    def _answer(self, booking: Booking) -> Response:
        body = BookingDetailOut(booking, context=self.get_serializer_context())
        return _private(ok(body, version=booking.revision))


def _accepted(delivery: Delivery) -> Response:
    return Response(
        DocumentDeliveryOut(delivery).data,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": f"/api/v1/deliveries/{delivery.pk}"},
    )


@extend_schema_view(list=extend_schema(parameters=[BOOKING_ID]))
class TravellerViewSet(viewsets.GenericViewSet[Traveller]):
    """Who travels on a booking. Personal data is masked unless the caller may see it."""

    capabilities = {
        "list": "traveller.read",
        "retrieve": "traveller.read",
        "create": "traveller.write",
        "partial_update": "traveller.write",
        "destroy": "traveller.write",
        "erase": "traveller.erase",
    }
    without_body = ("erase",)
    object_level = True
    queryset = Traveller.objects.none()
    serializer_class = TravellerOut
    pagination_class = None
    filter_backends: list[Any] = []

    @extend_schema(responses=TravellerOut(many=True), parameters=[BOOKING_ID, ACCESS_REASON])
    def list(self, request: Request, booking_id: UUID) -> Response:
        """List the travellers of a booking."""
        self._booking(booking_id)
        rows = Traveller.objects.filter(booking=booking_id).order_by("created_at", "pk")
        context = self.get_serializer_context()
        return _private(Response(TravellerOut(rows, many=True, context=context).data))

    @extend_schema(responses=TravellerOut, parameters=[BOOKING_ID, ACCESS_REASON])
    def retrieve(self, request: Request, booking_id: UUID, pk: UUID) -> Response:
        """Show a traveller; the ETag is what a change must match."""
        self._booking(booking_id)
        return self._answer(get_object_or_404(Traveller, booking=booking_id, pk=pk))

    @extend_schema(request=TravellerIn, responses={201: TravellerOut}, parameters=[BOOKING_ID])
    def create(self, request: Request, booking_id: UUID) -> Response:
        """Name a traveller."""
        asked = valid(TravellerIn, request.data)
        self._booking(booking_id)
        traveller = travellers.add_traveller(booking_id=booking_id, **asked)
        body = TravellerOut(traveller, context=self.get_serializer_context())
        at = f"bookings/{booking_id}/travellers/{traveller.pk}"
        return _private(created(body, at=at, version=traveller.revision))

    @extend_schema(
        request=TravellerPatchIn, responses=TravellerOut, parameters=[BOOKING_ID, IF_MATCH]
    )
    def partial_update(self, request: Request, booking_id: UUID, pk: UUID) -> Response:
        """Change what is named; the rest stays."""
        changes = valid(TravellerPatchIn, request.data)
        version = expected_version(request)
        self._booking(booking_id)
        return self._answer(
            travellers.amend_traveller(
                booking_id=booking_id, traveller_id=pk, expected_version=version, **changes
            )
        )

    @extend_schema(request=None, responses={204: None}, parameters=[BOOKING_ID])
    def destroy(self, request: Request, booking_id: UUID, pk: UUID) -> Response:
        """Take a traveller off a booking, with all that is known about them."""
        self._booking(booking_id)
        travellers.remove_traveller(booking_id=booking_id, traveller_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=TravellerOut, parameters=[BOOKING_ID])
    def erase(self, request: Request, booking_id: UUID, pk: UUID) -> Response:
        """Forget a traveller in every place for good; the `Link` leads to the certificate."""
        self._booking(booking_id)
        traveller, issued = travellers.erase_traveller(booking_id=booking_id, traveller_id=pk)
        answer = self._answer(traveller)
        answer["Link"] = f'</api/v1/ledger/erasures/{issued.entry_id}>; rel="describedby"'
        return answer

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request whose first response was lost."""
        if self.action == "destroy":
            return Response(status=status.HTTP_204_NO_CONTENT)
        return self._answer(get_object_or_404(Traveller, pk=reference))

    def _booking(self, booking_id: UUID) -> None:
        """Refuse a booking that is not there, or not for this caller."""
        rows = Booking.objects.all()
        if not authority.holds(self.request, self.capabilities[self.action]):
            rows = authority.visible(rows, self.request, "booking.read")
        self.check_object_permissions(self.request, get_object_or_404(rows, pk=booking_id))

    def _answer(self, traveller: Traveller) -> Response:
        body = TravellerOut(traveller, context=self.get_serializer_context())
        return _private(ok(body, version=traveller.revision))


class DeliveryViewSet(viewsets.ReadOnlyModelViewSet[Delivery]):
    """What was sent to customers, and what is still to be sent."""

    capabilities = {"list": "delivery.read", "retrieve": "delivery.read"}
    queryset = Delivery.objects.all()
    serializer_class = DocumentDeliveryOut
    filterset_class = DeliveryFilters
    lookup_value_converter = "uuid"


def _private(response: Response) -> Response:
    response["Cache-Control"] = "no-store"
    return response
