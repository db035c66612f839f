"""The triggers that the migrations create, and which of them are missing or disabled.

A dropped trigger leaves no trace in the database, so the expected ones are read from the
migrations. A separate list would have to be kept up to date by hand.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddIndex, RunSQL

from events.tables.schema import Tables

Trigger = tuple[str, str]
"""Table and name."""

_STATEMENT: Final = re.compile(
    r"CREATE\s+(?:CONSTRAINT\s+)?TRIGGER\s+(?P<made>\w+)\s[^;]*?\sON\s+\"?(?P<on>\w+)"
    r"|DROP\s+TRIGGER\s+(?:IF\s+EXISTS\s+)?(?P<dropped>\w+)\s+ON\s+\"?(?P<off>\w+)",
    re.IGNORECASE,
)
_ENABLED: Final = """
SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'
"""


class _Written:
    """Collects the SQL that an operation would run: it uses nothing else of its editor."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sql: object, params: object = ()) -> None:
        self.statements.append(str(sql))

    def quote_name(self, name: str) -> str:
        return name


def missing_or_disabled(prefix: str) -> list[Trigger]:
    """Return the triggers, of those whose names begin so, that do not fire as they should."""
    with connection.cursor() as cursor:
        cursor.execute(_ENABLED)
        enabled = {(table, name) for table, name in cursor.fetchall()}
    return sorted(each for each in made() - enabled if each[1].startswith(prefix))


@lru_cache(maxsize=1)
def made() -> frozenset[Trigger]:
    """Return every trigger that is there once all migrations have run."""
    found: set[Trigger] = set()
    for statement in _statements():
        for each in _STATEMENT.finditer(statement):
            if each["made"]:
                found.add((each["on"], each["made"]))
            else:
                found.discard((each["off"], each["dropped"]))
    return frozenset(found)


def _statements() -> Iterator[str]:
    loader = MigrationLoader(None)
    plan: dict[Any, None] = {}
    for leaf in loader.graph.leaf_nodes():
        plan |= dict.fromkeys(loader.graph.forwards_plan(leaf))
    for key in plan:
        for operation in loader.graph.nodes[key].operations:
            yield from _statements_of(operation, key[0])


def _statements_of(operation: Any, app_label: str) -> list[str]:
    if isinstance(operation, RunSQL):
        sql = operation.sql
        parts = [sql] if isinstance(sql, str) else list(sql)
        return [part if isinstance(part, str) else part[0] for part in parts]
    if isinstance(operation, Tables | AddIndex) or type(operation).__module__.startswith("django."):
        return []
    written = _Written()
    operation.database_forwards(app_label, written, None, None)
    return written.statements
