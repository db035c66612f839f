"""New rows by a statement that is prepared once: ADR 0056 says why.

The ORM writes its INSERT down anew for each row, and PostgreSQL plans it anew.
"""

import json
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, JSONField, Model
from django.db.models.signals import post_save, pre_save

from events import wire


def insert(row: Model) -> None:
    """Insert `row`, whose values are all known here, as `save` would.

    Whoever listens to the saves of its model hears of it: then `save` does it.

    :raises TypeError: if the database is to find a value, or `wire.fetch` does not write it.
    :raises django.db.Error: of the statement.
    """
    model = type(row)
    if pre_save.has_listeners(model) or post_save.has_listeners(model):
        row.save(force_insert=True)
        return
    sql, fields = _insert(model)
    wire.fetch(sql, {field.attname: _value(field, row) for field in fields})
    state = row._state  # noqa: SLF001 - public, as `_meta` is.
    state.adding, state.db = False, DEFAULT_DB_ALIAS


def _value(field: "Field[Any, Any]", row: Model) -> object:
    value = field.pre_save(row, add=True)
    if hasattr(value, "resolve_expression"):
        # Django's fields would take the text of it for the value.
        raise TypeError(f"insert() does not write {type(value).__name__}: use save()")
    value = field.get_prep_value(value)
    if isinstance(field, JSONField) and value is not None:
        return json.dumps(value, cls=field.encoder)
    return value


@cache
def _insert(model: type[Model]) -> tuple[str, list["Field[Any, Any]"]]:
    meta = model._meta  # noqa: SLF001 - public.
    assert not meta.parents, f"a {meta.label} has rows in several tables"
    fields = list(meta.concrete_fields)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(f"%({field.attname})s" for field in fields)
    sql = f'INSERT INTO "{meta.db_table}" ({columns}) VALUES ({values})'  # noqa: S608 - names of ours.
    return sql, fields
