"""The end of a transaction: its last statements and COMMIT in one round trip.

Each round trip has two processes wake each other; what nobody decides on needs none of its own.
"""

import time
from collections.abc import Sequence
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from events import wire
from events.wire import Named, PreparedStatements, Row, Statement

SAVEPOINT: Final[LiteralString] = "SAVEPOINT daybook_last"
ROLLBACK_TO: Final[LiteralString] = "ROLLBACK TO SAVEPOINT daybook_last"


def can_commit() -> bool:
    """Say whether `commit_with` would end the transaction that the caller is in, and no other."""
    db = wire.connection()
    return len(db.atomic_blocks) == 1 and db.commit_on_exit and not db.needs_rollback


def commit_with(statements: Sequence[Statement], *, guarded: bool = False) -> None:
    """Run the last statements of the transaction, and commit, in one round trip if possible.

    Their values are what `wire.fetch` takes. Whoever opened the transaction ends it as ever, and
    may find it over. With `guarded`, what came before can be kept when one of them fails:
    `wire.run(ROLLBACK_TO)`.

    :raises django.db.Error: of the first that fails, or of the commit. Nothing is committed then.
    """
    db = wire.connection()
    raw: psycopg.Connection[Row] = db.connection
    if raw.pgconn.transaction_status != TransactionStatus.INTRANS:
        # Nothing was done yet, and psycopg would begin by itself; or all is lost already.
        for sql, params in [(SAVEPOINT, {}), *statements] if guarded else statements:
            wire.run(sql, params)
        return
    started = time.monotonic()
    with db.wrap_database_errors, raw.lock:
        known = wire.prepared_statements(raw)
        last = [_last(known, *each) for each in statements]
        raw.wait(_finishing(raw, last, guarded=guarded))
        known.prepared |= {each.sql: (each.name, each.names) for each in last}
    for sql, _ in statements:
        wire.note(db, sql, started)


class _Last(NamedTuple):
    """A statement on its way. `numbered` is what has to be prepared first, if anything."""

    sql: LiteralString
    name: bytes
    names: tuple[str, ...]
    numbered: bytes | None
    values: Sequence[bytes | None]


def _last(known: PreparedStatements, sql: LiteralString, params: Named) -> _Last:
    # psycopg has a pipeline too, which costs more than a round trip.
    numbered = None
    if sql in known.prepared:
        name, names = known.prepared[sql]
    else:
        name, numbered, names = wire.named(sql)
    return _Last(sql, name, names, numbered, wire.written(params, names))


def _finishing(
    raw: psycopg.Connection[Row], statements: Sequence[_Last], *, guarded: bool
) -> PQGen[None]:
    pgconn, results = raw.pgconn, list[PGresult]()
    pgconn.enter_pipeline_mode()
    try:
        if guarded:
            pgconn.send_query_params(SAVEPOINT.encode(), None)
        for each in statements:
            if each.numbered is not None:
                pgconn.send_prepare(each.name, each.numbered)
            pgconn.send_query_prepared(each.name, each.values)
        pgconn.send_query_params(b"COMMIT", None)
        pgconn.pipeline_sync()
        yield from generators.send(pgconn)
        while not (results and results[-1].status == ExecStatus.PIPELINE_SYNC):
            results += yield from generators.fetch_many(pgconn)
    except BaseException:
        # What was answered to whom nobody could tell any more.
        pgconn.finish()
        raise
    pgconn.exit_pipeline_mode()
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=raw.info.encoding)
