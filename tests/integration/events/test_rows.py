"""New rows by a statement that is prepared once: what `save` would have written."""

from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model, Value
from django.db.models.signals import post_save

from commerce.models import Product
from events import rows

pytestmark = pytest.mark.django_db(transaction=True)


def _product(**values: Any) -> Product:
    given = {"status": "draft", "currency": "EUR", "sell_amount_cents": 2_500, "tags": ['a"b', "ü"]}
    return Product(**{"name": "50 % of \"it\" \\ 'so'", **given, **values})


def test_a_row_is_what_save_would_have_written() -> None:
    inserted = _product(duration_minutes=90)
    saved = _product(duration_minutes=90, created_at=inserted.created_at)
    saved.updated_at = inserted.updated_at

    rows.insert(inserted)
    saved.save()

    columns = [field.attname for field in Product._meta.concrete_fields if not field.primary_key]
    [first, second] = Product.objects.order_by("pk").values(*columns)
    assert first == second
    assert (inserted._state.adding, inserted._state.db) == (False, "default")


def test_who_listens_to_saves_hears_of_it() -> None:
    heard: list[Any] = []

    def listen(sender: type[Model], instance: Model, **_: Any) -> None:
        heard.append(instance)

    product = _product()
    post_save.connect(listen, sender=Product)
    try:
        rows.insert(product)
    finally:
        post_save.disconnect(listen, sender=Product)

    assert heard == [product]
    assert Product.objects.filter(pk=product.pk).exists()


def test_what_only_the_database_can_say_is_refused() -> None:
    product = _product(name=Value("A walk"))

    with pytest.raises(TypeError, match="Value"), transaction.atomic():
        rows.insert(product)

    assert not Product.objects.exists()
