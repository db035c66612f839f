"""Statements whose caller was interrupted: PostgreSQL would go on with them for nobody.

It notices that a client is gone when the statement is done. Until then it keeps its locks and its
snapshot, and what it changes outside a transaction is committed after all.
"""

from contextlib import suppress

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from events import wire

CANCEL_S = 2.0
"""How long to try. PostgreSQL's own limit of a statement ends it at some time."""


def cancel_statement(db: BaseDatabaseWrapper | None = None) -> None:
    """Have PostgreSQL stop what it is doing for this thread, or over the connection `db`.

    The connection is of no use then: its answer is still to come.
    """
    raw = (db or wire.connection()).connection
    if raw is None or raw.closed or raw.pgconn.transaction_status != TransactionStatus.ACTIVE:
        return
    with suppress(psycopg.Error, OSError):
        raw.cancel_safe(timeout=CANCEL_S)
