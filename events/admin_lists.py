"""Base classes for admin pages of tables that only services write: read-only, without COUNT(*)."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

COUNTED_MAX = 10_000
LATEST = 10_000
_LOOKUPS = {"=": "exact", "^": "startswith"}

M = TypeVar("M", bound=Model)


class BoundedPaginator(Paginator[Any]):
    """Counts only as many rows as people page through."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_MAX].count())


class ReadOnlyAdmin(admin.ModelAdmin[M]):
    """A read-only admin page: only services write these rows."""

    show_full_result_count = False
    # Each value of each filter would be counted over the whole table.
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    search_help_text = "Whole ids and names, as they are written; of numbers the beginning will do."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Find rows by `search_fields`: `=id` matches exactly, `^number` matches a prefix.

        The search is case-sensitive: Django's own compares upper-cased values, or any substring,
        which no index supports. A small table may have that all the same: its fields have no
        prefix.
        """
        term, fields = search_term.strip(), self.get_search_fields(request)
        if not term or not all(field[0] in _LOOKUPS for field in fields):
            return super().get_search_results(request, queryset, search_term)
        found = [rows.order_by().values("pk") for rows in self._by_each(fields, term)]
        return queryset.filter(pk__in=found[0].union(*found[1:]) if found else []), False

    def _by_each(self, fields: Sequence[str], term: str) -> Iterator[QuerySet[M]]:
        for field in fields:
            try:
                # Apart, each by its own index; together they would be read through.
                yield self.model._default_manager.filter(  # noqa: SLF001 - Django's own.
                    **{f"{field[1:]}__{_LOOKUPS[field[0]]}": term}
                )
            except (ValidationError, ValueError):
                continue  # It is no such id.

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], action_location: Any = None
    ) -> HttpResponse | None:
        """Carry out an action on the chosen rows; on none, if one of their ids is no id.

        Django would look for it all the same, and the database would refuse the question.
        """
        if not all(self._is_id(each) for each in request.POST.getlist(ACTION_CHECKBOX_NAME)):
            refusal = "What was chosen is no row of this list. No items have been changed."
            self.message_user(request, refusal, messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        # Django 6.1 says where the action was chosen; 5.2 has one place for them.
        where = () if action_location is None else (action_location,)
        return super().response_action(request, queryset, *where)

    def _is_id(self, text: str) -> bool:
        try:
            self.opts.pk.clean(text, None)
        except ValidationError:
            return False
        return "\0" not in text

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow a filter in the URL only for fields that the list shows or offers.

        Django allows every column, also one that no page shows: its value could be found out
        letter by letter, from whether rows are found.
        """
        offered = [_asks_for(each) for each in self.get_list_filter(request)]
        searched = [each.lstrip("".join(_LOOKUPS)) for each in self.get_search_fields(request)]
        shown = {*self.get_list_display(request), *offered, *searched}
        names = {each.split("__")[0] for each in map(str, shown)}
        asked = lookup.split("__", maxsplit=1)[0]
        hidden = (one for one in self.opts.fields if not names & _names(one))
        if any(asked in _names(one) for one in hidden):
            return False
        return super().lookup_allowed(lookup, value, request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


def _asks_for(filter_: Any) -> str:
    if isinstance(filter_, type):
        # Of an own filter Django takes the whole name: `recorded`.
        return str(getattr(filter_, "parameter_name", ""))
    return filter_ if isinstance(filter_, str) else str(filter_[0])


def _names(field: "Field[Any, Any]") -> set[str]:
    return {field.name, field.attname, *(["pk"] if field.primary_key else [])}


class LatestValues(admin.AllValuesFieldListFilter):
    """A filter that offers the values of the latest rows. Older values can be put into the URL."""

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
