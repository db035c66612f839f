"""Rows that go through prepared statements are those that the ORM would have read and written."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Field

from commerce.models import Product
from commerce.models.bookings import Booking
from commerce.models.products import ProductStatus
from events import rows, wire

pytestmark = pytest.mark.django_db(transaction=True)

MOMENT = datetime(2026, 3, 1, 12, 30, 0, 250, tzinfo=UTC)
ID = UUID("01890000-0000-7000-8000-000000000001")
OTHER_ID = UUID("01890000-0000-7000-8000-000000000002")


def _product(**values: Any) -> Product:
    sold = {"name": "A 'walk' \\ 50 %", "currency": "EUR", "sell_amount_cents": 2_500}
    return Product(**{"status": ProductStatus.DRAFT, **sold, **values})


def _booking(id_: UUID, number: str) -> Booking:
    return Booking(
        id=id_,
        number=number,
        status="draft",
        revision=1,
        currency="EUR",
        sell_amount_cents=2_500,
        pax=2,
        service_date=date(2026, 3, 2),
        notifications_suppressed=True,
        entitlement={"why": ["ü", 1.5, None]},
        created_by="user:1",
        created_at=MOMENT,
    )


def _values(row: Product | Booking, *but: str) -> dict[str, Any]:
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.attname not in but
    }


def _other_connection() -> psycopg.Connection[Any]:
    address = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return psycopg.connect(**{name: address[name] for name in names if name in address})


def test_every_kind_of_value_is_stored_as_the_orm_stores_it() -> None:
    rows.insert(_booking(ID, "B-1"))
    _booking(OTHER_ID, "B-2").save(force_insert=True)

    ours, theirs = Booking.objects.get(pk=ID), Booking.objects.get(pk=OTHER_ID)
    assert _values(ours, "id", "number") == _values(theirs, "id", "number")
    assert (ours.service_date, ours.entitlement) == (date(2026, 3, 2), {"why": ["ü", 1.5, None]})


PLAIN: dict[type, list[object]] = {
    bool: [True, False],
    int: [0, -7, 2**31 - 1],
    str: ["", " ü\n"],
    UUID: [ID],
    datetime: [MOMENT],
}


def test_what_is_stored_as_it_is_would_be_left_so_by_its_field() -> None:
    fields = [field for model in apps.get_models() for field in model._meta.local_concrete_fields]
    plain = [(field, type_) for field in fields if (type_ := rows.plain_type(field))]

    assert {type_ for _, type_ in plain} == PLAIN.keys()
    for field, type_ in plain:
        assert type(field).pre_save is Field.pre_save or type_ is datetime
        for value in (None, *PLAIN[type_]):
            prepared = {"it": field.get_db_prep_save(value, connection)}
            assert wire.written(prepared, ["it"]) == wire.written({"it": value}, ["it"]), field


def test_a_time_without_a_zone_gets_one_as_ever() -> None:
    naive = _product(created_at=MOMENT.replace(tzinfo=None))

    with pytest.warns(RuntimeWarning, match="naive datetime"):
        _, values = rows.insertion(naive)

    assert values["created_at"] == MOMENT


def test_defaults_are_filled_in_and_the_row_is_stored_from_then_on() -> None:
    product = rows.insert(_product(tags=["a", 'b"']))
    assert _values(Product.objects.get()) == _values(product)

    product.name = "A ride"
    product.save()

    assert Product.objects.get().name == "A ride"


def test_it_goes_with_its_transaction() -> None:
    with transaction.atomic():
        rows.insert(_product())
        transaction.set_rollback(True)

    assert not Product.objects.exists()


def test_a_row_that_is_there_already_is_refused_as_by_the_orm() -> None:
    rows.insert(_product(id=ID))

    with pytest.raises(IntegrityError, match="commerce_product_pkey"), transaction.atomic():
        rows.insert(_product(id=ID))

    assert Product.objects.count() == 1


def test_what_only_the_database_could_work_out_is_refused() -> None:
    with pytest.raises(TypeError, match=r"F\(currency\) is an expression"):
        rows.insert(_product(name=F("currency")))


@pytest.mark.parametrize(
    "make", [lambda: _booking(ID, "B-1"), _product], ids=["booking", "product"]
)
def test_what_is_locked_is_what_the_orm_reads(make: Callable[[], Booking | Product]) -> None:
    row = rows.insert(make())

    found = rows.locked(type(row), row.pk)

    assert found is not None
    assert _values(found) == _values(type(row).objects.get(pk=row.pk))
    assert not found._state.adding


def test_what_is_not_there_is_not_locked() -> None:
    assert rows.locked(Product, ID) is None


def test_what_is_locked_stays_so_until_the_end() -> None:
    product = rows.insert(_product())

    with transaction.atomic():
        rows.locked(Product, product.pk)
        with pytest.raises(psycopg.errors.LockNotAvailable), _other_connection() as other:
            other.execute("SELECT FROM commerce_product FOR UPDATE NOWAIT")
    with _other_connection() as other:
        other.execute("SELECT FROM commerce_product FOR UPDATE NOWAIT")


def test_a_change_writes_every_column_of_this_row_and_no_other() -> None:
    product, other = rows.insert(_product(tags=["a"])), rows.insert(_product())
    changed = _product(
        id=product.pk,
        name="A ride",
        status=ProductStatus.ACTIVE,
        cost_amount_cents=7,
        tags=["b"],
        revision=2,
        created_at=MOMENT,
        updated_at=MOMENT,
    )

    rows.update(changed)

    assert _values(Product.objects.get(pk=product.pk)) == _values(changed)
    assert _values(Product.objects.get(pk=other.pk)) == _values(other)


def test_it_shares_the_round_trip_of_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    rows.insert(_product())  # From here on it is prepared.
    waited: list[object] = []
    wait = psycopg.Connection.wait

    def counted(raw: Any, *args: Any) -> Any:
        waited.append(raw)
        return wait(raw, *args)

    with transaction.atomic():
        monkeypatch.setattr(psycopg.Connection, "wait", counted)
        rows.insert(_product())
        monkeypatch.undo()
        assert connection.connection.info.transaction_status.name == "INTRANS"

    assert len(waited) == 1
