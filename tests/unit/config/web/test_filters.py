"""Of all filters of a list, a request has those made that it asks for."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict
from rest_framework.exceptions import ValidationError

from commerce.api.filters import ChargebackFilters
from commerce.models import Chargeback
from config.web.filters import StrictFilters


def filtered(query: str) -> Any:
    request: Any = SimpleNamespace(query_params=QueryDict(query))
    view: Any = SimpleNamespace(filterset_class=ChargebackFilters)
    return StrictFilters().filter_queryset(request, Chargeback.objects.all(), view)


def made_by(query: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the filters that a query had fields of a form made for."""
    made = []
    make = ChargebackFilters.get_form_class

    def noticing(filters: ChargebackFilters) -> Any:
        made.extend(filters.filters)
        return make(filters)

    monkeypatch.setattr(ChargebackFilters, "get_form_class", noticing)
    filtered(query)
    return made


@pytest.mark.parametrize(
    ("query", "asked"),
    [("", []), ("cursor=x", []), ("provider=demo&status=open", ["provider", "status"])],
)
def test_no_other_is_made(query: str, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert made_by(query, monkeypatch) == asked


def test_those_that_are_made_filter_as_ever() -> None:
    where = str(filtered("provider=demo&is_disputed=true").query)

    assert '"provider" = demo' in where
    assert '"disputed_cents" > 0' in where


@pytest.mark.parametrize("query", ["status=odd", "is_disputed=odd", "payment_id=odd", "odd=1"])
def test_what_is_wrong_with_one_is_told(query: str) -> None:
    with pytest.raises(ValidationError) as refused:
        filtered(query)

    assert list(refused.value.detail) == [query.partition("=")[0]]
