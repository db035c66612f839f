"""Admin pages of tables that the product writes: read-only, and without counting a whole one."""

from functools import cached_property
from typing import Any, TypeVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Field, Model
from django.http import HttpRequest

COUNTED_MAX = 10_000
LATEST = 10_000

M = TypeVar("M", bound=Model)


class BoundedPaginator(Paginator[Any]):
    """Counts no further than anybody pages."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_MAX].count())


class ReadOnlyAdmin(admin.ModelAdmin[M]):
    """Rows that are looked at here, and written by services only."""

    show_full_result_count = False
    paginator = BoundedPaginator

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class LatestValues(admin.AllValuesFieldListFilter):
    """The values of the latest rows, by their keys. Older ones can be asked for in the address."""

    def __init__(
        self,
        field: "Field[Any, Any]",
        request: HttpRequest,
        params: dict[str, list[str]],
        model: type[Model],
        model_admin: "admin.ModelAdmin[Any]",
        field_path: str,
    ) -> None:
        super().__init__(field, request, params, model, model_admin, field_path)
        rows = field.model._default_manager.order_by("-pk")  # noqa: SLF001 - Django's own.
        values = set(rows.values_list(field.name, flat=True)[:LATEST])
        self.lookup_choices: Any = sorted(values, key=lambda value: (value is None, str(value)))
