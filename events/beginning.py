"""The start of a transaction: BEGIN shares the round trip of the first statement, the ORM's too.

What goes through `wire.fetch` does so by itself. Django's cursors have psycopg wait for the answer
to BEGIN first: a round trip costs two context switches.
"""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.base import Cursor
from django.db.transaction import Atomic
from psycopg import generators
from psycopg.abc import Params, PQGen, Query
from psycopg.adapt import Transformer
from psycopg.pq import TransactionStatus

from events import wire


class _Joining(psycopg.ClientCursor[Any]):
    """A cursor whose first statement in a transaction is sent together with BEGIN."""

    def _execute_gen(self, query: Query, params: Params | None = None, **how: Any) -> PQGen[None]:
        conn = self._conn
        begins = conn.pgconn.transaction_status == TransactionStatus.IDLE and not conn.autocommit
        if not begins or self.closed:
            yield from super()._execute_gen(query, params, **how)
            return
        # What psycopg does there, but for the BEGIN: pinned, as for events.wire.
        self._reset()
        self._tx = Transformer(self)
        self._query = pgq = self._convert_query(query, params)
        books = conn._prepared  # noqa: SLF001 - there is no other way in.
        prepare, name = self._get_prepared(pgq)
        begin = conn._get_tx_start_command()  # noqa: SLF001 - nor here.
        self._pgconn.send_query(b"%s;%s" % (begin, pgq.query))
        key = books.maybe_add_to_cache(pgq, prepare, name)
        results = yield from generators.execute(self._pgconn)
        # An error of syntax is found in all of it at once, before BEGIN is done.
        ours = results[1:]
        if key is not None:
            books.validate(key, prepare, name, ours)
        self._check_results(results)
        self._set_results(ours)
        self._last_query = query
        yield from books.maintain_gen(conn)


class _JoiningCursor(_Joining, Cursor):
    """Django's own, which is psycopg's."""


_FACTORIES: Final[Mapping[Any, Any]] = {Cursor: _JoiningCursor}


class durable(Atomic):  # noqa: N801 - used as a function.
    """What `transaction.atomic(durable=True)` opens, without a round trip for BEGIN.

    Whatever is executed first within the block begins it, and fails as ever. At either end Django
    makes twenty calls to find out what is known here, of a connection that has just answered and
    of one that has committed (`events.finishing`); of any other it is asked.
    """

    def __init__(self) -> None:
        super().__init__(None, savepoint=True, durable=True)

    def __enter__(self) -> None:
        db = wire.connection()
        # The log shows BEGIN and COMMIT, which Django writes there.
        self._is_logged = db.queries_logged
        if not self._is_logged and _is_ready(db):
            db.commit_on_exit, db.needs_rollback = True, False
            db.in_atomic_block, db.autocommit = True, False
            db.connection._autocommit = False  # noqa: SLF001 - what psycopg does there if idle.
            db.atomic_blocks.append(self)
        else:
            super().__enter__()
        raw: psycopg.Connection[Any] = db.connection
        self._raw, self._before = raw, raw.cursor_factory
        raw.cursor_factory = _FACTORIES.get(self._before, self._before)

    def __exit__(self, *how: Any) -> None:
        self._raw.cursor_factory = self._before
        db = wire.connection()
        if how[0] is not None or not self._is_over(db):
            super().__exit__(*how)
            return
        db.atomic_blocks.pop()
        db.in_atomic_block, db.autocommit, db.errors_occurred = False, True, False
        self._raw._autocommit = True  # noqa: SLF001 - as above.
        if db.run_on_commit:
            db.run_and_clear_commit_hooks()

    def _is_over(self, db: BaseDatabaseWrapper) -> bool:
        """Return whether this is the outermost block, and its transaction has committed."""
        return (
            not self._is_logged
            and db.atomic_blocks == [self]
            and db.connection is self._raw
            and self._raw.pgconn.transaction_status == TransactionStatus.IDLE
            and db.commit_on_exit
            and not db.needs_rollback
        )


def _is_ready(db: BaseDatabaseWrapper) -> bool:
    """Return whether nothing has to be asked before a transaction begins."""
    return (
        db.connection is not None
        and not db.in_atomic_block
        and db.autocommit
        and (db.health_check_done or not db.health_check_enabled)  # type: ignore[attr-defined]
        and db.connection.pgconn.transaction_status == TransactionStatus.IDLE
    )
