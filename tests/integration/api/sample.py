"""A small API over Django's groups ("gadgets"), to test what every API of ours relies on."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.contrib.auth.models import Group
from django.db import DataError, OperationalError
from django.db.models import DateTimeField, Value
from django.db.models.functions import Now
from django.urls import include, path
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter

from config import urls
from events.domain.errors import Conflict, Unavailable
from ledger import idempotency, preconditions
from ledger.access import authority
from ledger.access.authority import PUBLIC
from ledger.bodies import Body, MomentFilter

CAPABILITIES = {
    "gadget.read": "auth.view_group",
    "gadget.create": None,
    "gadget.change": "auth.change_group",
}

inside: list[Callable[[], None]] = []
"""What the service calls within its transaction, for tests that stop it there."""

after: list[Callable[[], None]] = []
"""What the view calls between the commit and the response."""


class Gone(Conflict):
    code = "gadget_gone"

    def __init__(self) -> None:
        super().__init__("It went.", gadget="7")


class Away(Unavailable):
    code = "supplier_away"
    retry_after_seconds = 7

    def __init__(self) -> None:
        super().__init__("The supplier does not answer.")


def make_gadget(*, name: str) -> Group:
    """Make a gadget, as services do."""
    with idempotency.transaction() as unit:
        gadget = Group.objects.create(name=name)
        for call in inside:
            call()
        unit.refer(str(gadget.pk))
    return gadget


class PartIn(Body):
    amount = serializers.IntegerField(min_value=1)


class GadgetIn(Body):
    name = serializers.CharField(max_length=50)
    parts = PartIn(many=True, required=False)
    colour = serializers.ChoiceField(["red", "green"], required=False)
    maker = serializers.PrimaryKeyRelatedField(
        queryset=Group.objects.all(), allow_null=True, required=False
    )


class GadgetOut(serializers.ModelSerializer[Group]):
    class Meta:
        model = Group
        fields = ["id", "name"]


class GadgetFilter(django_filters.FilterSet):
    size = django_filters.ChoiceFilter(
        choices=[("big", "big"), ("small", "small")], field_name="name"
    )
    is_big = django_filters.BooleanFilter(method="made_big")
    since = MomentFilter(method="made_since")
    at_least = django_filters.NumberFilter(field_name="id", lookup_expr="gte")

    def made_big(self, queryset: Any, _name: str, value: bool) -> Any:  # noqa: FBT001
        return queryset.filter(name="big") if value else queryset.exclude(name="big")

    def made_since(self, queryset: Any, _name: str, value: Any) -> Any:
        return queryset.annotate(since=Value(value, DateTimeField())).filter(since__lte=Now())


class GadgetViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Group]):
    capabilities = {
        "list": "gadget.read",
        "retrieve": "gadget.read",
        "create": "gadget.create",
        "pay": "gadget.create",
        "change": "gadget.change",
        "fail": "gadget.read",
    }
    object_level = True
    idempotency_required = ("pay",)
    queryset = Group.objects.all()
    serializer_class = GadgetOut
    filterset_class = GadgetFilter
    cursor_ordering = ("-id",)
    lookup_value_converter = "int"

    def get_queryset(self) -> Any:
        return authority.visible(Group.objects.all(), self.request, "gadget.read")

    def create(self, request: Request) -> Response:
        asked = GadgetIn(data=request.data)
        asked.is_valid(raise_exception=True)
        gadget = make_gadget(name=asked.validated_data["name"])
        for call in after:
            call()
        return Response(
            GadgetOut(gadget).data, status=201, headers={"Location": f"/gadgets/{gadget.pk}"}
        )

    def retrieve(self, request: Request, pk: int) -> Response:
        gadget = self.get_object()
        response = Response(GadgetOut(gadget).data)
        response["ETag"] = preconditions.etag(len(gadget.name))
        return response

    @action(detail=False, methods=["post"])
    def pay(self, request: Request) -> Response:
        return self.create(request)

    @action(detail=True, methods=["post"])
    def change(self, request: Request, pk: int) -> Response:
        gadget = self.get_object()
        preconditions.check_version(preconditions.expected_version(request), len(gadget.name))
        response = Response(GadgetOut(gadget).data)
        response["ETag"] = preconditions.etag(len(gadget.name))
        return response

    @action(detail=False, methods=["get"], filter_backends=[])
    def fail(self, request: Request) -> Response:
        how: dict[str, Exception] = {
            "conflict": Gone(),
            "away": Away(),
            "bug": ZeroDivisionError("secret=hunter2"),
            "value": DataError("time zone displacement out of range"),
            "database": OperationalError("the connection is lost"),
        }
        raise how[str(request.query_params["how"])]

    def rebuild_response(self, request: Request, reference: str) -> Response:
        return Response(GadgetOut(self.get_queryset().get(pk=reference)).data, status=201)


class ForgetfulViewSet(viewsets.GenericViewSet[Group]):
    """A view that cannot answer again."""

    capabilities = {"create": "gadget.create"}

    def create(self, request: Request) -> Response:
        asked = GadgetIn(data=request.data)
        asked.is_valid(raise_exception=True)
        make_gadget(name=asked.validated_data["name"])
        for call in after:
            call()
        return Response({"made": True})


class OpenViewSet(viewsets.ViewSet):
    """A public view that calls a service all the same."""

    capabilities = PUBLIC

    def create(self, request: Request) -> Response:
        make_gadget(name="from nobody")
        return Response({})


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("gadgets", GadgetViewSet, basename="gadget")
router.register("forgetful", ForgetfulViewSet, basename="forgetful")
router.register("open", OpenViewSet, basename="open")

urlpatterns = [path("api/v1/", include(router.urls)), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
