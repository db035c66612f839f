"""A query for whole rows that the ORM writes down once per process, and PostgreSQL once per
connection.

With several tables joined, the ORM takes longer to write such a query than PostgreSQL to answer.
"""

from collections.abc import Sequence
from typing import Any, Generic, LiteralString, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS
from django.db.models import JSONField, Model, QuerySet
from django.db.models.query import get_related_populators

from events import wire

_M = TypeVar("_M", bound=Model)


class KeptQuery(Generic[_M]):
    """What finds rows of one model, and with each those that were selected as related."""

    def __init__(self, rows: QuerySet[_M], *, names: Sequence[str]) -> None:
        """Write `rows` down; `names` are those of its parameters, in the order of the SQL."""
        compiler = rows.query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        assert len(params) == len(names), f"{params} have not as many names"
        shown = compiler.klass_info["select_fields"]
        columns: list[Any] = [expression for expression, *_ in compiler.select]
        assert all(_is_read_as_it_comes(column.target) for column in columns)
        self._sql = cast("LiteralString", sql % tuple(f"%({name})s" for name in names))
        self._model = rows.model
        self._shown = slice(shown[0], shown[-1] + 1)
        self._attributes = [column.target.attname for column in columns[self._shown]]
        self._related = get_related_populators(  # type: ignore[call-arg]  # stubs: Django 6.1
            compiler.klass_info, compiler.select, DEFAULT_DB_ALIAS
        )

    def one(self, params: wire.Named) -> _M | None:
        """Return the one row that there is with these parameters, or None."""
        rows = wire.fetch(self._sql, params)
        assert len(rows) <= 1, "asked for one row"
        return self._read(rows[0]) if rows else None

    def _read(self, row: wire.Row) -> _M:
        found = self._model.from_db(DEFAULT_DB_ALIAS, self._attributes, row[self._shown])
        for related in self._related:
            related.populate(row, found)
        return found


def _is_read_as_it_comes(field: Any) -> bool:
    # JSON is read already: `fetch` asks for it in binary form, which the ORM leaves as text.
    return isinstance(field, JSONField) or not hasattr(field, "from_db_value")
