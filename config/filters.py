"""Filters that refuse what they do not know: a typing error must not return everything."""

from typing import TYPE_CHECKING, Any

from django.db.models import Model, QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

if TYPE_CHECKING:  # DRF imports its defaults, so this module, while it defines APIView.
    from rest_framework.views import APIView

_PAGING = ("cursor", "page_size")


class StrictFilters(DjangoFilterBackend):  # type: ignore[misc]
    """`filterset_class` as in django-filter; any other parameter is a 400 that names it.

    A view that reads further parameters itself names them in `query_parameters`.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Model], view: "APIView"
    ) -> QuerySet[Model]:
        self._refuse_unknown(request, queryset, view)
        filtered: QuerySet[Model] = super().filter_queryset(request, queryset, view)
        return filtered

    def _refuse_unknown(self, request: Request, queryset: QuerySet[Model], view: Any) -> None:
        known = {*_PAGING, *getattr(view, "query_parameters", ())}
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is not None:
            known |= set(filterset_class.base_filters)
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise ValidationError(
                {name: ["There is no such parameter here."] for name in unknown}, code="unknown"
            )
