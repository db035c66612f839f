"""Inserts a row of a model with a prepared statement (ADR 0056).

The ORM compiles each INSERT again, PostgreSQL plans it again, and BEGIN has a round trip of its
own: together an eighth of a create through the API.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, LiteralString, TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, Model

from events import wire

M = TypeVar("M", bound=Model)


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
    values = {each.attname: _prepared(row, each) for each in fields}
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS  # noqa: SLF001 - as Django does.
    return sql, values


def _prepared(row: Model, field: Field[Any, Any]) -> object:
    value = field.pre_save(row, add=True)
    if hasattr(value, "resolve_expression"):
        raise TypeError(f"insert() does not write the expression {value!r}: use save()")
    return field.get_db_prep_save(value, wire.connection())


@cache
def _insert_into(model: type[Model]) -> tuple[LiteralString, Sequence[Field[Any, Any]]]:
    meta = model._meta  # noqa: SLF001 - public.
    fields = meta.local_concrete_fields
    columns = ", ".join(f'"{each.column}"' for each in fields)
    values = ", ".join(f"%({each.attname})s" for each in fields)
    return f'INSERT INTO "{meta.db_table}" ({columns}) VALUES ({values})', fields  # noqa: S608
