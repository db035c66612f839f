"""The end of a transaction: its last statements and COMMIT in one round trip.

A round trip costs two context switches; a statement whose result is not needed can share one.
"""

import time
from collections.abc import Sequence
from typing import Final, LiteralString

import psycopg
from psycopg.pq import TransactionStatus

from events import wire
from events.wire import Row, Statement

SAVEPOINT: Final[LiteralString] = "SAVEPOINT daybook_last"
ROLLBACK_TO: Final[LiteralString] = "ROLLBACK TO SAVEPOINT daybook_last"


def can_commit() -> bool:
    """Return whether `commit_with` would end just the transaction that the caller is in."""
    db = wire.connection()
    return len(db.atomic_blocks) == 1 and db.commit_on_exit and not db.needs_rollback


def has_begun() -> bool:
    """Return whether anything was done in the transaction that the caller is in."""
    raw: psycopg.Connection[Row] = wire.connection().connection
    return raw.pgconn.transaction_status != TransactionStatus.IDLE


def commit_with(statements: Sequence[Statement], *, guarded: bool = False) -> list[list[Row]]:
    """Run the last statements of the transaction and commit, in one round trip if possible.

    Return the rows of each. Their values are what `wire.fetch` takes. Whoever opened the
    transaction ends it as ever, and may find it over. With `guarded`, what came before can be
    kept when one of them fails: `take_back`.

    :raises django.db.Error: of the first that fails, or of the commit. Nothing is committed then.
    """
    db = wire.connection()
    raw: psycopg.Connection[Row] = db.connection
    if raw.pgconn.transaction_status != TransactionStatus.INTRANS:
        # Nothing was done yet, and psycopg would begin by itself; or all is lost already.
        if guarded:
            wire.run(SAVEPOINT)
        return [wire.fetch(sql, params) for sql, params in statements]
    started = time.monotonic()
    with db.wrap_database_errors, raw.lock:
        known = wire.prepared_statements(raw)
        last = [wire.ready(known, *each) for each in statements]
        before = [SAVEPOINT.encode()] if guarded else []
        results = raw.wait(wire.together(raw, [*before, *last, b"COMMIT"]))
        for (sql, _), each in zip(statements, last, strict=True):
            known.prepared[sql] = each.name, each.names
        rows = [wire.rows_of(known, result) for result in results[len(before) : -1]]
    for sql, _ in statements:
        wire.note(db, sql, started)
    return rows


def take_back() -> None:
    """Undo what a `guarded` commit has failed to do, and keep what came before it."""
    if has_begun():
        wire.run(ROLLBACK_TO)
