"""Keyset pagination: exact to the microsecond, without COUNT, skipped or repeated rows.

A view declares `cursor_ordering = ("-created_at", "-id")`: together unique, in one direction.
"""

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from django.core.exceptions import ValidationError as FieldError
from django.db.models import Field, Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from events.domain import strict_json
from events.domain.errors import DomainError

if TYPE_CHECKING:  # DRF imports its defaults, so this module, while it defines APIView.
    from rest_framework.views import APIView

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 200

_CURSOR_BYTES_MAX = 2_000
_DEFAULT_ORDERING = ("-created_at", "-id")


class KeysetPagination(BasePagination):
    """`?cursor=&page_size=` → `{next, previous, results}`; the cursor is opaque."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        self._request = request
        self._ordering: tuple[str, ...] = getattr(view, "cursor_ordering", _DEFAULT_ORDERING)
        size = _page_size(request)
        backwards, position = _read_cursor(request, queryset.model, self._names)
        if position is not None:
            queryset = queryset.filter(self._beyond(position, backwards=backwards))
        ordering = [_turned(name) for name in self._ordering] if backwards else self._ordering
        rows = list(queryset.order_by(*ordering)[: size + 1])
        has_more, rows = len(rows) > size, rows[:size]
        if backwards:
            rows.reverse()
        self._has_next = has_more if not backwards else True
        self._has_previous = position is not None if not backwards else has_more
        self._page = rows
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link("n", self._page[-1]) if self._page and self._has_next else None,
                "previous": (
                    self._link("p", self._page[0]) if self._page and self._has_previous else None
                ),
                "results": data,
            }
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: "APIView") -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "description": "Opaque; taken from `next` or `previous`.",
                "schema": {"type": "string"},
            },
            {
                "name": "page_size",
                "in": "query",
                "description": "The most that are returned at once.",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": PAGE_SIZE_MAX,
                    "default": PAGE_SIZE,
                },
            },
        ]

    @property
    def _names(self) -> list[str]:
        return [name.lstrip("-") for name in self._ordering]

    def _beyond(self, position: list[Any], *, backwards: bool) -> Q:
        is_descending = self._ordering[0].startswith("-")
        compare = "lt" if is_descending is not backwards else "gt"
        # (a, b) < (x, y), spelled out; the first term lets the index find the place.
        beyond, equal = Q(), Q()
        for name, value in zip(self._names, position, strict=True):
            beyond |= equal & Q(**{f"{name}__{compare}": value})
            equal &= Q(**{name: value})
        return Q(**{f"{self._names[0]}__{compare}e": position[0]}) & beyond

    def _link(self, direction: str, row: Model) -> str:
        position = [_written(getattr(row, name)) for name in self._names]
        raw = json.dumps([direction, position], separators=(",", ":")).encode()
        query = self._request.query_params.copy()
        query["cursor"] = base64.urlsafe_b64encode(raw).decode().rstrip("=")
        pairs = [(name, value) for name, values in query.lists() for value in values]
        return self._request.build_absolute_uri(f"{self._request.path}?{urlencode(pairs)}")


def _page_size(request: Request) -> int:
    written = request.query_params.get("page_size", str(PAGE_SIZE))
    # isdecimal() alone would let other scripts' digits through.
    is_number = written.isascii() and written.isdecimal() and len(written) <= len("200")
    if not is_number or not 1 <= int(written) <= PAGE_SIZE_MAX:
        raise ValidationError({"page_size": f"Say a number from 1 to {PAGE_SIZE_MAX}."})
    return int(written)


def _read_cursor(
    request: Request, model: type[Model], names: list[str]
) -> tuple[bool, list[Any] | None]:
    written = request.query_params.get("cursor")
    if written is None:
        return False, None
    try:
        padded = written.encode("ascii") + b"=" * (-len(written) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        direction, values = strict_json.loads(raw, bytes_max=_CURSOR_BYTES_MAX)
        position = [
            _in_utc(_column(model, name).to_python(value))
            for name, value in zip(names, values, strict=True)
        ]
    except (ValueError, TypeError, OverflowError, DomainError, FieldError) as error:
        raise _bad_cursor() from error
    if direction not in ("n", "p") or None in position:
        raise _bad_cursor()
    return direction == "p", position


def _in_utc(value: Any) -> Any:
    """Python knows offsets of up to a day, PostgreSQL of 16 hours."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("it is the time of no place")
    return value.astimezone(UTC)


def _column(model: type[Model], name: str) -> Field[Any, Any]:
    field = model._meta.get_field(name)  # noqa: SLF001 - Django's public spelling.
    assert isinstance(field, Field)
    return field


def _bad_cursor() -> ValidationError:
    return ValidationError({"cursor": "Take the cursor from `next` or `previous`, unchanged."})


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _written(value: Any) -> Any:
    return value if isinstance(value, int | str) else _text(value)


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
