"""Lay down again the rows that services have written once.

Half the tests of commerce begin with a booking or an invoice, and to come there by services took
longer than most of what they test. What a step of such a beginning changes is kept, row by row,
beside the tables; a test that begins with it has exactly these rows, put there by one statement.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from config.testing import flush

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

T = TypeVar("T")
KEPT = "told_once"


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What one call changed in the database, and what it returned."""

    name: str
    returned: T

    def tell(self) -> T:
        """Change the same rows in the same way, and return the same.

        :raises django.db.Error: if a row that it changed is not there as it was then, or a row
            that it added is there already.
        """
        with flush.keeper().cursor() as cursor:
            cursor.execute(f"SELECT {KEPT}.{self.name}()")
        return deepcopy(self.returned)


def record(name: str, call: Callable[[], T]) -> Step[T]:
    """Call it, and keep what it changes. Nobody else may write meanwhile."""
    keeper = flush.keeper()
    found = keeper.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [keeper.ops.quote_name(table) for table in found]
    with keeper.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {KEPT}")
        filled = _copy(cursor, tables, "before")
        returned = call()
        filled |= _copy(cursor, tables, "after")
        changes = [
            change
            for number in sorted(filled)
            for change in _changes(cursor, name, number, tables[number])
        ]
        cursor.execute(_FUNCTION.format(name=name, body="".join(changes)))
    return Step(name, returned)


def _copy(cursor: "CursorWrapper", tables: list[str], when: str) -> set[int]:
    """Copy the tables that have rows, and return their numbers."""
    cursor.execute(f"SELECT {', '.join(f'EXISTS (SELECT FROM {name})' for name in tables)}")  # noqa: S608
    [found] = cursor.fetchall()
    filled = {number for number, has_rows in enumerate(found) if has_rows}
    for number in filled:
        cursor.execute(f"CREATE TEMP TABLE {when}_{number} AS TABLE {tables[number]}")
    return filled


def _changes(cursor: "CursorWrapper", name: str, number: int, table: str) -> list[str]:
    """Keep the rows of a table that are gone and those that are new; return what does it again."""
    changes = []
    for when in ("before", "after"):  # A table without rows was not copied.
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {when}_{number} AS TABLE {table} WITH NO DATA"
        )
    for kind, these, others in (("gone", "before", "after"), ("new", "after", "before")):
        kept = f"{KEPT}.{name}_{number}_{kind}"
        cursor.execute(f"""
CREATE TABLE {kept} AS SELECT * FROM {these}_{number} one
 WHERE one::text NOT IN (SELECT other::text FROM {others}_{number} other)""")  # noqa: S608
        if count := cursor.rowcount:
            changes.append(_AGAIN[kind].format(table=table, kept=kept, count=count))
    return changes


_AGAIN = {
    "gone": """
DELETE FROM {table} one WHERE one::text IN (SELECT kept::text FROM {kept} kept);
GET DIAGNOSTICS changed = ROW_COUNT;
IF changed <> {count} THEN RAISE EXCEPTION 'rows of {table} have changed since'; END IF;""",
    "new": """
INSERT INTO {table} SELECT * FROM {kept};""",
}
_FUNCTION = f"""
CREATE FUNCTION {KEPT}.{{name}}() RETURNS void LANGUAGE plpgsql AS $body$
DECLARE changed bigint;
BEGIN {{body}}
END $body$;
DISCARD TEMP"""
