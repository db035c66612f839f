"""Webhooks over HTTP. One call down for each action."""

from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger.bodies import valid
from ledger.preconditions import etag, expected_version
from workflows.webhooks import selectors
from workflows.webhooks.api.filters import DeliveryFilter
from workflows.webhooks.api.serializers import (
    DeliveryDetailOut,
    DeliveryOut,
    ExternalEventOut,
    NewSubscriptionOut,
    ReplayIn,
    ReplayOut,
    SubscriptionChange,
    SubscriptionIn,
    SubscriptionOut,
    TestMessageIn,
)
from workflows.webhooks.models import Attempt, Delivery, Subscription
from workflows.webhooks.services import sending, subscriptions

_BASE = "/api/v1/webhooks"
_IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The ETag at which this was decided."
)


class SubscriptionViewSet(viewsets.ReadOnlyModelViewSet[Subscription]):
    """Who is sent which events. The ETag of one is its version."""

    capabilities = {
        "list": "webhook.read",
        "retrieve": "webhook.read",
        "events": "webhook.read",
        "create": "webhook.manage",
        "partial_update": "webhook.manage",
        "destroy": "webhook.manage",
        "enable": "webhook.manage",
        "disable": "webhook.manage",
        "rotate_secret": "webhook.manage",
        "test": "webhook.manage",
        "replay": "webhook.replay",
    }
    without_body = ("enable", "disable", "rotate_secret")
    # A stored response would keep the secret for a day.
    idempotency_secret = ("create", "rotate_secret")
    queryset = Subscription.objects.none()
    serializer_class = SubscriptionOut
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Subscription]:
        return selectors.subscriptions()

    @extend_schema(request=SubscriptionIn, responses={201: NewSubscriptionOut})
    def create(self, request: Request) -> Response:
        """Subscribe. The signing secret is in this response and nowhere else."""
        asked = valid(SubscriptionIn, request.data)
        subscription, secret = subscriptions.create_subscription(**asked)
        return _shown_once(subscription, secret)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show one; its ETag is its version."""
        found = self.get_object()
        shown = self.get_serializer(found).data
        return Response(shown, headers={"ETag": etag(found.version)})

    @extend_schema(request=SubscriptionChange, responses=SubscriptionOut, parameters=[_IF_MATCH])
    def partial_update(self, request: Request, pk: UUID) -> Response:
        """Change the URL, the events or the description."""
        changes = valid(SubscriptionChange, request.data)
        version = expected_version(request, required=False)
        changed = subscriptions.update_subscription(
            subscription_id=pk, expected_version=version, **changes
        )
        return _shown(changed)

    @extend_schema(responses={204: None}, parameters=[_IF_MATCH])
    def destroy(self, request: Request, pk: UUID) -> Response:
        """Send no more, and forget the secrets. Past deliveries stay on record."""
        version = expected_version(request, required=False)
        subscriptions.delete_subscription(subscription_id=pk, expected_version=version)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=SubscriptionOut)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: UUID) -> Response:
        """Send messages again, from the next event on."""
        return _shown(subscriptions.enable_subscription(subscription_id=pk))

    @extend_schema(request=None, responses=SubscriptionOut)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: UUID) -> Response:
        """Send no messages until it is enabled again."""
        return _shown(subscriptions.disable_subscription(subscription_id=pk))

    @extend_schema(request=None, responses={201: NewSubscriptionOut})
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: UUID) -> Response:
        """Make a new signing secret; for a day the old one signs along."""
        return _shown_once(*subscriptions.rotate_secret(subscription_id=pk))

    @extend_schema(request=TestMessageIn, responses={202: DeliveryOut})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: UUID) -> Response:
        """Send an example message, once."""
        return _accepted(
            sending.send_test(subscription_id=pk, **valid(TestMessageIn, request.data))
        )

    @extend_schema(request=ReplayIn, responses={202: ReplayOut})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: UUID) -> Response:
        """Send again what was given up between two moments; at most 500 messages at once."""
        asked = valid(ReplayIn, request.data)
        replayed = sending.replay_given_up(subscription_id=pk, **asked)
        return Response(ReplayOut(replayed).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=ExternalEventOut(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def events(self, request: Request) -> Response:
        """List the events that may be subscribed to, with what they carry."""
        return Response(ExternalEventOut(selectors.external_types(), many=True).data)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request: what it made, without the secret."""
        match self.action:
            case "replay":
                # How many there were is not kept; to ask anew sends nothing twice.
                raise Http404
            case "test":
                return _accepted(selectors.delivery(UUID(reference)))
            case "create" | "rotate_secret":
                return _shown_once(selectors.subscription(UUID(reference)), None)
            case "destroy":
                return Response(status=status.HTTP_204_NO_CONTENT)
            case _:
                return _shown(selectors.subscription(UUID(reference)))


class DeliveryViewSet(viewsets.ReadOnlyModelViewSet[Delivery]):
    """What was sent, and how it was received."""

    capabilities = {
        "list": "webhook.read",
        "retrieve": "webhook.read",
        "replay": "webhook.replay",
    }
    without_body = ("replay",)
    queryset = Delivery.objects.none()
    serializer_class = DeliveryOut
    filterset_class = DeliveryFilter
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Delivery]:
        if self.action != "retrieve":
            return selectors.deliveries()
        in_order = Prefetch("attempts", Attempt.objects.order_by("number"))
        return Delivery.objects.prefetch_related(in_order)

    def get_serializer_class(self) -> type[DeliveryOut]:
        return DeliveryDetailOut if self.action == "retrieve" else DeliveryOut

    @extend_schema(request=None, responses={202: DeliveryOut})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: UUID) -> Response:
        """Send it again, as the contract of its event reads today."""
        return _accepted(sending.replay_delivery(delivery_id=pk))

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request with what it made."""
        return _accepted(selectors.delivery(UUID(reference)))


def _shown(subscription: Subscription) -> Response:
    headers = {"ETag": etag(subscription.version)}
    return Response(SubscriptionOut(subscription).data, headers=headers)


def _shown_once(subscription: Subscription, secret: str | None) -> Response:
    return Response(
        {**SubscriptionOut(subscription).data, "secret": secret},
        status=status.HTTP_201_CREATED,
        headers={
            "Location": f"{_BASE}/subscriptions/{subscription.pk}",
            "Cache-Control": "no-store",
            "ETag": etag(subscription.version),
        },
    )


def _accepted(delivery: Delivery) -> Response:
    return Response(
        DeliveryOut(delivery).data,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": f"{_BASE}/deliveries/{delivery.pk}"},
    )
