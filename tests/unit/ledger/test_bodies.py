"""Bodies, and what is shown, are as DRF makes them, without its constructor."""

from typing import Any

import pytest
from rest_framework import serializers

from commerce.api.serializers.products import ProductIn, ProductOut
from commerce.models import Product
from ledger import bodies

BODY = {"name": "A walk", "currency": "EUR", "sell_amount_cents": 2_500}


def state(made: serializers.BaseSerializer[Any]) -> dict[str, Any]:
    return {name: value for name, value in vars(made).items() if name != "_creation_counter"}


def plainly(shape: type[serializers.BaseSerializer[Any]], *arguments: Any, **options: Any) -> Any:
    made = shape.__new__(shape, *arguments, **options)
    serializers.BaseSerializer.__init__(made, *arguments, **options)
    return made


def test_a_body_has_the_state_that_drf_gives_it() -> None:
    assert state(ProductIn(data=BODY)) == state(plainly(ProductIn, data=BODY))


def test_so_has_what_is_shown() -> None:
    row = Product(name="A walk")

    assert state(ProductOut(row)) == state(plainly(ProductOut, row))


@pytest.mark.parametrize("shape", [ProductIn, ProductOut])
def test_one_that_is_told_more_is_made_by_drf(shape: type[serializers.Serializer[Any]]) -> None:
    context = {"request": None}

    assert shape(data=BODY, context=context).context == context
    assert shape(data=BODY, partial=True).partial
    assert isinstance(shape(many=True), serializers.ListSerializer)


def test_nothing_of_one_is_left_in_the_next() -> None:
    assert bodies.valid(ProductIn, BODY)["name"] == "A walk"
    with pytest.raises(serializers.ValidationError):
        bodies.valid(ProductIn, {})
    assert bodies.valid(ProductIn, {**BODY, "name": "Two"})["name"] == "Two"


def test_python_may_keep_what_it_has_learnt_of_fields() -> None:
    counting: Any = serializers.Field
    ProductIn(data=BODY), ProductOut(Product())
    made = counting._creation_counter

    ProductIn(data=BODY), ProductOut(Product())

    assert counting._creation_counter == made
