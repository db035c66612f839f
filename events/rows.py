"""Locks, inserts and changes a row of a model with prepared statements (ADR 0056).

The ORM compiles each statement again, PostgreSQL plans it again, and BEGIN has a round trip of
its own: together an eighth of a create through the API, and more of a change.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, LiteralString, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, Model

from events import wire

M = TypeVar("M", bound=Model)


def locked(model: type[M], key: object) -> M | None:
    """Return the row whose primary key is `key`, locked until the end of the transaction, as
    `select_for_update().filter(pk=key).first()` does; None if there is none.
    """
    sql, fields = _lock_of(model)
    for row in wire.fetch(sql, {"key": key}):
        return model.from_db(DEFAULT_DB_ALIAS, [each.attname for each in fields], row)
    return None


def update(row: Model) -> None:
    """Write every column of `row` but its key, as `save(force_update=True)` does.

    For a row that is `locked`: nobody looks whether it is still there. Raises as `insert` does.
    """
    wire.fetch(*change(row))


def change(row: Model) -> wire.Statement:
    """Return what writes `row` as `update` does, for a round trip that it shares with others."""
    sql, fields = _change_of(type(row))
    return sql, {each.attname: _prepared(row, each, add=False) for each in fields}


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
    sql, fields = _insert_into(type(row))
    values = {each.attname: _prepared(row, each, add=True) for each in fields}
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001 - as Django does.
    return sql, values


def _prepared(row: Model, field: Field[Any, Any], *, add: bool) -> object:
    value = field.pre_save(row, add=add)
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"{value!r} is an expression, which is not written here: use save()")
    return field.get_db_prep_save(value, wire.connection())


Fields = Sequence[Field[Any, Any]]


@cache
def _lock_of(model: type[Model]) -> tuple[LiteralString, Fields]:
    table, key, fields = _parts(model)
    columns = ", ".join(f'"{each.column}"' for each in fields)
    return f'SELECT {columns} FROM "{table}" WHERE "{key.column}" = %(key)s FOR UPDATE', fields  # noqa: S608


@cache
def _change_of(model: type[Model]) -> tuple[LiteralString, Fields]:
    table, key, fields = _parts(model)
    values = ", ".join(f'"{each.column}" = %({each.attname})s' for each in fields if each != key)
    return f'UPDATE "{table}" SET {values} WHERE "{key.column}" = %({key.attname})s', fields  # noqa: S608


@cache
def _insert_into(model: type[Model]) -> tuple[LiteralString, Fields]:
    table, _, fields = _parts(model)
    columns = ", ".join(f'"{each.column}"' for each in fields)
    values = ", ".join(f"%({each.attname})s" for each in fields)
    return f'INSERT INTO "{table}" ({columns}) VALUES ({values})', fields  # noqa: S608


def _parts(model: type[Model]) -> tuple[str, Field[Any, Any], Fields]:
    meta = model._meta  # noqa: SLF001 - public.
    return meta.db_table, meta.pk, meta.local_concrete_fields
