"""Locks, inserts and changes a row of a model with prepared statements (ADR 0056).

The ORM compiles each statement again, PostgreSQL plans it again, and BEGIN has a round trip of
its own: together an eighth of a create through the API, and more of a change.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, LiteralString, NamedTuple, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Field, Model

from events import wire

M = TypeVar("M", bound=Model)


def locked(model: type[M], key: object) -> M | None:
    """Return the row whose primary key is `key`, locked until the end of the transaction, as
    `select_for_update().filter(pk=key).first()` does; None if there is none.
    """
    sql, names = _lock_of(model)
    for row in wire.fetch(sql, {"key": key}):
        return model.from_db(DEFAULT_DB_ALIAS, names, row)
    return None


def update(row: Model) -> None:
    """Write every column of `row` but its key, as `save(force_update=True)` does.

    For a row that is `locked`: nobody looks whether it is still there. Raises as `insert` does.
    """
    wire.fetch(*change(row))


def change(row: Model) -> wire.Statement:
    """Return what writes `row` as `update` does, for a round trip that it shares with others."""
    sql, columns = _change_of(type(row))
    return sql, _written(row, columns, add=False)


def insert(row: M) -> M:
    """Insert `row`, which is not stored yet, and return it, as `save(force_insert=True)` does.

    Every column is written, and nothing is read back: its model has no parent, its primary key
    is known, and whatever the database would set is said. Signals of models are not sent.

    :raises TypeError: if a value is an expression, or of a type that `wire.fetch` does not write.
    :raises django.db.Error: as `wire.run` does.
    """
    wire.fetch(*insertion(row))
    return row


def insertion(row: Model) -> wire.Statement:
    """Return what inserts `row` as `insert` does, for a round trip that it shares with others.

    It counts as stored from now on. Raises as `insert` does.
    """
    sql, columns = _insert_into(type(row))
    values = _written(row, columns, add=True)
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001 - as Django does.
    return sql, values


def _written(row: Model, columns: "Columns", *, add: bool) -> dict[str, object]:
    values: dict[str, object] = {}
    for field, name, plain in columns:
        value = getattr(row, name)
        is_plain = plain is not None and (value is None or type(value) is plain)
        if is_plain and not (plain is datetime and _has_no_zone(value)):
            values[name] = value
        else:
            values[name] = _prepared(row, field, add=add)
    return values


def _has_no_zone(moment: datetime | None) -> bool:
    return moment is not None and moment.tzinfo is None


def _prepared(row: Model, field: Field[Any, Any], *, add: bool) -> object:
    value = field.pre_save(row, add=add)
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"{value!r} is an expression, which is not written here: use save()")
    return field.get_db_prep_save(value, wire.connection())


class _Column(NamedTuple):
    """A column with the type whose values it stores as they are; None if its field is asked.

    A field that says nothing else takes ten calls to say so.
    """

    field: Field[Any, Any]
    name: str
    plain: type | None


Columns = Sequence[_Column]

_PLAIN: Final[Mapping[type, type]] = {
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.CharField: str,
    models.IntegerField: int,
    models.SmallIntegerField: int,
    models.TextField: str,
    models.UUIDField: UUID,
}


def plain_type(field: Field[Any, Any]) -> type | None:
    """Return the type whose values, and None, a field stores as they are; None if it varies.

    Of times only those with a zone, and only where the field does not set them itself.
    """
    if type(field) is models.ForeignKey:
        plain = plain_type(field.target_field)
        return None if plain is str else plain  # It takes "" for null.
    if type(field) is models.DateTimeField:
        return None if field.auto_now or field.auto_now_add else datetime
    return _PLAIN.get(type(field))


@cache
def _lock_of(model: type[Model]) -> tuple[LiteralString, Sequence[str]]:
    table, key, fields = _parts(model)
    columns = ", ".join(f'"{each.column}"' for each in fields)
    sql = f'SELECT {columns} FROM "{table}" WHERE "{key.column}" = %(key)s FOR UPDATE'  # noqa: S608
    return sql, [each.attname for each in fields]


@cache
def _change_of(model: type[Model]) -> tuple[LiteralString, Columns]:
    table, key, fields = _parts(model)
    values = ", ".join(f'"{each.column}" = %({each.attname})s' for each in fields if each != key)
    sql = f'UPDATE "{table}" SET {values} WHERE "{key.column}" = %({key.attname})s'  # noqa: S608
    return sql, _columns(fields)


@cache
def _insert_into(model: type[Model]) -> tuple[LiteralString, Columns]:
    table, _, fields = _parts(model)
    columns = ", ".join(f'"{each.column}"' for each in fields)
    values = ", ".join(f"%({each.attname})s" for each in fields)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({values})', _columns(fields)  # noqa: S608


def _columns(fields: Iterable[Field[Any, Any]]) -> Columns:
    return [_Column(each, each.attname, plain_type(each)) for each in fields]


def _parts(model: type[Model]) -> tuple[str, Field[Any, Any], Sequence[Field[Any, Any]]]:
    meta = model._meta  # noqa: SLF001 - public.
    return meta.db_table, meta.pk, meta.local_concrete_fields
