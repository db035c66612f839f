"""Runs the constant statements of the hot path as prepared statements (ADR 0056).

They are bound by the server, run in the transaction of Django's own connection, and appear in
its query log like any other statement: `assertNumQueries` counts them.
"""

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import count
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import errors, generators
from psycopg._preparing import PrepareManager
from psycopg.abc import PQGen
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.types.json import Jsonb

logger = logging.getLogger(__name__)

Row = tuple[Any, ...]
Named = Mapping[str, object]
Params = Sequence[object] | Named
Statement = tuple[LiteralString, Named]


class JsonText(bytes):
    """JSON that is written already, in UTF-8: it goes as it is."""


PREPARE_THRESHOLD: Final = 5
"""What psycopg has by itself; Django turns it off for old poolers, and never prepares anyway."""

_Raw = psycopg.Connection[Row]


class _ThreadState(threading.local):
    """The connection of each thread: Django finds it in three steps, ten times per statement."""

    def __init__(self) -> None:
        self.db: BaseDatabaseWrapper = connections["default"]


_thread = _ThreadState()


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection, without Django's proxy."""
    return _thread.db


def in_transaction() -> bool:
    """Return whether the caller has a transaction: the one around a test case is not its own."""
    blocks = connection().atomic_blocks
    return any(not getattr(block, "_from_testcase", False) for block in blocks)


def after_commit(*calls: Callable[[], object]) -> None:
    """Make each of `calls` once the transaction has committed; now, if there is none.

    What one raises is logged, and harms nobody.
    """
    db = connection()
    for call in calls:
        if db.in_atomic_block:
            db.on_commit(_robust(call), robust=True)
        else:
            _call(call)


def _robust(call: Callable[[], object]) -> Callable[[], None]:
    # A def: a failing functools.partial defeats robust=True on Django 5.2.
    def robust() -> None:
        _call(call)

    return robust


def _call(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        logger.exception("What follows a commit failed.")


def run(sql: LiteralString, params: Params = (), *, binary: bool = False) -> psycopg.Cursor[Row]:
    """Run one statement, and return the cursor with its rows.

    :raises django.db.Error: in the flavour that fits, its cause being psycopg's.
    """
    db = connection()
    raw = _opened(db)
    started = time.monotonic()
    with db.wrap_database_errors:
        cursor = psycopg.Cursor(raw)
        cursor.execute(sql, params, prepare=True, binary=binary)
    # Django would ask once more per request whether the connection is alive: it has answered.
    db.health_check_done = True  # type: ignore[attr-defined]
    note(db, sql, started)
    return cursor


def fetch(
    sql: LiteralString,
    params: Named,
    *,
    db: BaseDatabaseWrapper | None = None,
    begins: bool = True,
) -> list[Row]:
    """Run one constant statement as a prepared one, and return its rows. Raises as `run` does.

    Outside a transaction it may go over another connection than the thread's own: `db`. Unless it
    `begins` one that has not begun, it is a transaction of its own.

    Half of what `run` takes: no cursor is made, and values go as text of a type that the
    statement tells. They are texts, bytes, numbers, booleans, dates, times, UUIDs, lists of them,
    JSON (psycopg's Jsonb, JsonText), and None.
    """
    [rows] = fetch_all([(sql, params)], db=db, begins=begins)
    return rows


def fetch_all(
    statements: Sequence[Statement],
    *,
    db: BaseDatabaseWrapper | None = None,
    begins: bool = True,
) -> list[list[Row]]:
    """Run constant statements in one round trip, and return the rows of each. See `fetch`.

    Those after one that fails are not run.
    """
    db = db or connection()
    raw = _opened(db)
    started = time.monotonic()
    known = prepared_statements(raw)
    with db.wrap_database_errors, raw.lock:
        try:
            results = _executed(raw, known, statements, begins=begins)
        except errors.InvalidSqlStatementName:
            # Somebody else had the server forget it. A transaction is lost with that.
            known.prepared.clear()
            if raw.pgconn.transaction_status != TransactionStatus.IDLE:
                raise
            results = _executed(raw, known, statements, begins=begins)
        rows = [rows_of(known, result) for result in results]
    # As after `run`.
    db.health_check_done = True  # type: ignore[attr-defined]
    for sql, _ in statements:
        note(db, sql, started)
    return rows


def _opened(db: BaseDatabaseWrapper) -> _Raw:
    if db.connection is None:
        db.ensure_connection()
    if db.needs_rollback:
        db.validate_no_broken_transaction()
    raw: _Raw = db.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = PREPARE_THRESHOLD
    return raw


def note(db: BaseDatabaseWrapper, sql: LiteralString, started: float) -> None:
    """Show a statement that began at `started` (time.monotonic) in the query log."""
    if db.queries_logged:
        duration = f"{time.monotonic() - started:.3f}"
        db.queries_log.append({"sql": sql, "time": duration})


class PreparedStatements:
    """What is known of a connection: by statement its name there, and those of its parameters."""

    def __init__(self, raw: _Raw) -> None:
        self.transformer = Transformer(raw)
        self.prepared: dict[str, tuple[bytes, tuple[str, ...]]] = {}
        raw._prepared = _Books(raw._prepared, self)  # noqa: SLF001 - there is no other way in.


class _Books(PrepareManager):
    """psycopg's own bookkeeping: it discards every statement after a rollback or a DROP."""

    def __init__(self, before: PrepareManager, ours: PreparedStatements) -> None:
        super().__init__()
        self.__dict__.update(before.__dict__)
        self._ours = ours

    def clear(self) -> bool:
        is_to_forget = super().clear()
        if is_to_forget:
            self._ours.prepared.clear()
        return is_to_forget


def prepared_statements(raw: _Raw) -> PreparedStatements:
    """Return what is prepared on a connection under names of ours. They go when it goes."""
    known: PreparedStatements | None = raw.__dict__.get(_PREPARED)
    return known or raw.__dict__.setdefault(_PREPARED, PreparedStatements(raw))


_PREPARED = "daybook_prepared"


def rows_of(known: PreparedStatements, result: PGresult) -> list[Row]:
    """Return the rows of a result of `together`."""
    known.transformer.set_pgresult(result)
    rows: list[Row] = known.transformer.load_rows(0, result.ntuples, tuple)
    return rows


def _executed(
    raw: _Raw, known: PreparedStatements, statements: Sequence[Statement], *, begins: bool
) -> Sequence[PGresult]:
    is_idle = raw.pgconn.transaction_status == TransactionStatus.IDLE
    if is_idle and raw._prepared._to_flush:  # noqa: SLF001 - no other way in.
        # What psycopg has to forget: the next cursor would take what is prepared here along.
        raw.wait(raw._prepared.maintain_gen(raw))  # noqa: SLF001 - nor here.
    last, *others = sent = [ready(known, sql, params) for sql, params in statements]
    begins = begins and is_idle and not raw.autocommit
    if begins or others or last.numbered is not None:
        # As a cursor does it, which makes a round trip of its BEGIN.
        first = [raw._get_tx_start_command()] if begins else []  # noqa: SLF001 - nor here.
        results = raw.wait(together(raw, [*first, *sent]))
        for (sql, _), each in zip(statements, sent, strict=True):
            known.prepared[sql] = each.name, each.names
        return results[len(first) :]
    raw.pgconn.send_query_prepared(last.name, last.values, result_format=Format.BINARY)
    # Not libpq's own waiting: a signal must be able to interrupt whoever waits for a lock.
    [result] = raw.wait(generators.execute(raw.pgconn))
    if result.status == ExecStatus.FATAL_ERROR:
        raise errors.error_from_result(result, encoding=raw.info.encoding)
    return [result]


class Ready(NamedTuple):
    """A statement on its way. `numbered` is what has to be prepared first, if anything."""

    name: bytes
    names: tuple[str, ...]
    numbered: bytes | None
    values: Sequence[bytes | None]


def ready(known: PreparedStatements, sql: str, params: Named) -> Ready:
    """Return what there is to send of a statement; raises as `written` does."""
    numbered = None
    if sql in known.prepared:
        name, names = known.prepared[sql]
    else:
        name, numbered, names = named(sql)
    return Ready(name, names, numbered, written(params, names))


def together(raw: _Raw, commands: Sequence[bytes | Ready]) -> PQGen[list[PGresult]]:
    """Send commands in one round trip, and return the result of each.

    :raises psycopg.Error: of the first that fails; those after it were not run.
    """
    # psycopg has a pipeline too, which costs more than a round trip.
    pgconn, results = raw.pgconn, list[PGresult]()
    pgconn.enter_pipeline_mode()
    try:
        for each in commands:
            if isinstance(each, bytes):
                pgconn.send_query_params(each, None)
                continue
            if each.numbered is not None:
                pgconn.send_prepare(each.name, each.numbered)
            pgconn.send_query_prepared(each.name, each.values, result_format=Format.BINARY)
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
            raise errors.error_from_result(result, encoding=raw.info.encoding)
    return list(_of_commands(commands, results))


def _of_commands(
    commands: Sequence[bytes | Ready], results: Iterable[PGresult]
) -> Iterator[PGresult]:
    """Leave out what answers that a statement was prepared."""
    answers = iter(results)
    for each in commands:
        if isinstance(each, Ready) and each.numbered is not None:
            next(answers)
        yield next(answers)


def named(sql: str) -> tuple[bytes, bytes, tuple[str, ...]]:
    """Return a new name for a statement, how it is prepared, and the names of its parameters."""
    return b"daybook_%d" % next(_numbers), *_numbered(sql)


def written(params: Named, names: Sequence[str]) -> list[bytes | None]:
    """Return these values as PostgreSQL reads them.

    :raises TypeError: if one has a type that is not written here.
    :raises psycopg.DataError: if a text has a NUL.
    """
    values = [
        # Most are texts: a call for each took three times as long.
        value.encode() if type(value) is str else _WRITTEN[type(value)](value)
        for value in map(params.__getitem__, names)
    ]
    _check_no_nul(b"".join(filter(None, values)))
    return values


_numbers = count()

_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


@lru_cache(maxsize=1_024)
def _numbered(sql: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with `$1` for its first parameter, and the names of all in order."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return f"${numbers.setdefault(name, len(numbers) + 1)}" if name else "%"

    return _PLACEHOLDER.sub(number, sql).encode(), tuple(numbers)


def _text(value: str) -> bytes:
    written = value.encode()
    _check_no_nul(written)
    return written


def _check_no_nul(written: bytes) -> None:
    if b"\0" in written:
        # As psycopg refuses it. libpq would take it for the end of the text.
        raise errors.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")


def _array(values: Sequence[Any]) -> bytes:
    texts = [_WRITTEN[type(value)](value) for value in values]
    quoted = [
        b"NULL" if text is None else b'"%s"' % text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        for text in texts
    ]
    return b"{%s}" % b",".join(quoted)


def _json(value: Jsonb) -> bytes:
    text: str | bytes = (value.dumps or json.dumps)(value.obj)
    return text.encode() if isinstance(text, str) else text


class _Writers(dict[type, Callable[[Any], bytes | None]]):
    """What writes a value of a type as PostgreSQL reads it; a type is written as its base is."""

    def __missing__(self, type_: type) -> Callable[[Any], bytes | None]:
        known = [base for base in type_.__mro__ if base in self]
        if not known:
            raise TypeError(f"fetch() does not write {type_.__name__}: use run()")
        self[type_] = self[known[0]]
        return self[type_]


_WRITTEN = _Writers(
    {
        str: _text,
        bytes: lambda value: b"\\x" + value.hex().encode(),
        int: lambda value: b"%d" % value,
        float: lambda value: repr(value).encode(),
        bool: lambda value: b"t" if value else b"f",
        type(None): lambda _value: None,
        UUID: lambda value: str(value).encode(),
        list: _array,
        JsonText: bytes,
        Jsonb: _json,
        date: lambda value: value.isoformat().encode(),
        datetime: lambda value: value.isoformat().encode(),
    }
)
