"""The end of a transaction: its last statements and COMMIT in one round trip.

Each round trip has two processes wake each other; what nobody decides on needs none of its own.
"""

import time
from collections.abc import Sequence
from typing import Final, LiteralString, NamedTuple

import psycopg
from psycopg import generators
from psycopg._preparing import Prepare
from psycopg._queries import PostgresQuery
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from events import wire
from events.wire import Params, Row, Statement

SAVEPOINT: Final[LiteralString] = "SAVEPOINT daybook_last"
ROLLBACK_TO: Final[LiteralString] = "ROLLBACK TO SAVEPOINT daybook_last"


def can_commit() -> bool:
    """Say whether `commit_with` would end the transaction that the caller is in, and no other."""
    db = wire.connection()
    return len(db.atomic_blocks) == 1 and db.commit_on_exit and not db.needs_rollback


def commit_with(statements: Sequence[Statement], *, guarded: bool = False) -> None:
    """Run the last statements of the transaction, and commit, in one round trip if possible.

    Whoever opened the transaction ends it as ever, and may find it over. With `guarded`, what
    came before can be kept when one of them fails: `wire.run(ROLLBACK_TO)`.

    :raises django.db.Error: of the first that fails, or of the commit. Nothing is committed then.
    """
    db = wire.connection()
    raw: psycopg.Connection[Row] = db.connection
    if raw.pgconn.transaction_status != TransactionStatus.INTRANS:
        # Nothing was done yet, and psycopg would begin by itself; or all is lost already.
        for sql, params in [(SAVEPOINT, ()), *statements] if guarded else statements:
            wire.run(sql, params)
        return
    if raw.prepare_threshold is None:
        raw.prepare_threshold = wire.PREPARE_THRESHOLD
    started = time.monotonic()
    with db.wrap_database_errors, raw.lock:
        last = [_noted(raw, *each) for each in statements]
        raw.wait(_finishing(raw, last, guarded=guarded))
    for sql, _ in statements:
        wire.note(db, sql, started)


class _Noted(NamedTuple):
    """A statement as psycopg's own books have it."""

    query: PostgresQuery
    prepare: Prepare
    name: bytes


def _noted(raw: psycopg.Connection[Row], sql: LiteralString, params: Params) -> _Noted:
    # psycopg has a pipeline too, which costs more than a round trip.
    query = PostgresQuery(Transformer(raw))
    query.convert(sql, params)
    return _Noted(query, *raw._prepared.get(query, prepare=True))  # noqa: SLF001


def _finishing(
    raw: psycopg.Connection[Row], statements: Sequence[_Noted], *, guarded: bool
) -> PQGen[None]:
    pgconn, results = raw.pgconn, list[PGresult]()
    pgconn.enter_pipeline_mode()
    try:
        if guarded:
            pgconn.send_query_params(SAVEPOINT.encode(), None)
        for query, prepare, name in statements:
            if prepare is Prepare.SHOULD:
                pgconn.send_prepare(name, query.query, param_types=query.types)
            pgconn.send_query_prepared(name, query.params, param_formats=query.formats)
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
    books = raw._prepared  # noqa: SLF001
    for query, prepare, name in statements:
        books.maybe_add_to_cache(query, prepare, name)
    books._rotate()  # noqa: SLF001
