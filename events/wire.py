"""The short way to PostgreSQL for the few statements that run all the time.

Prepared, bound by the server, in the transaction of Django's own connection, and shown in
its query log like any other statement: `assertNumQueries` counts them.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]
Params = Sequence[object] | Mapping[str, object]
Statement = tuple[LiteralString, Params]

PREPARE_THRESHOLD: Final = 5
"""What psycopg has by itself; Django turns it off for old poolers, and never prepares anyway."""


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection, without the detour through the proxy."""
    return connections["default"]


def in_transaction() -> bool:
    """Say whether the caller has a transaction: the one around a test case is not its own."""
    blocks = connection().atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def run(
    sql: LiteralString,
    params: Params = (),
    *,
    binary: bool = False,
) -> psycopg.Cursor[Row]:
    """Run one statement, and return the cursor with its rows.

    :raises django.db.Error: in the flavour that fits, its cause being psycopg's.
    """
    db = connection()
    db.ensure_connection()
    if db.needs_rollback:
        db.validate_no_broken_transaction()
    raw: psycopg.Connection[Row] = db.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARE_THRESHOLD
    started = time.monotonic()
    with db.wrap_database_errors:
        cursor = psycopg.Cursor(raw)
        cursor.execute(sql, params, prepare=True, binary=binary)
    note(db, sql, started)
    return cursor


def note(db: BaseDatabaseWrapper, sql: LiteralString, started: float) -> None:
    """Show a statement that began at `started` (time.monotonic) in the query log."""
    if db.queries_logged:
        duration = f"{time.monotonic() - started:.3f}"
        db.queries_log.append({"sql": sql, "time": duration})
