"""The start of a transaction: BEGIN shares the round trip of the first statement, the ORM's too.

What goes through `wire.fetch` does so by itself. Django's cursors have psycopg wait for the answer
to BEGIN first: a round trip costs two context switches.
"""

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from django.db.backends.postgresql.base import Cursor
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


class joined:  # noqa: N801 - used as a function. No generator: every service enters it.
    """Within this block, in a transaction that has not begun, save the round trip of BEGIN.

    Whatever is executed first begins it, and fails as ever.
    """

    __slots__ = ("_before", "_raw")

    def __enter__(self) -> None:
        raw: psycopg.Connection[Any] = wire.connection().connection
        self._raw, self._before = raw, raw.cursor_factory
        raw.cursor_factory = _FACTORIES.get(self._before, self._before)

    def __exit__(self, *_how: object) -> None:
        self._raw.cursor_factory = self._before
