"""What the planner of PostgreSQL is asked under, so that the same question has the same plan."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction
from psycopg.errors import Diagnostic

from events import wire

PLANNED_EACH_TIME = 5
"""What PostgreSQL tries before it asks itself whether one plan would do."""


def forget_statistics() -> None:
    """Let the planner take every table for one that nobody has counted yet.

    Tests before this one leave pages, and autovacuum counts their rows when it comes by. Of a
    table with one row the planner may look at no index at all: its condition selects everything.

    The tables are locked against autovacuum until the transaction ends. Otherwise autovacuum, once
    it had begun with a table, would wait for the rows removed here, and an ANALYZE in the same
    transaction would wait for autovacuum: a deadlock.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(oid::regclass::text, ', ') FROM pg_class"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        )
        [(tables,)] = cursor.fetchall()
        cursor.execute(f"LOCK TABLE {tables} IN SHARE UPDATE EXCLUSIVE MODE")
        cursor.execute(
            "UPDATE pg_class SET relpages = 0, reltuples = -1"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i')"
        )
        cursor.execute("DELETE FROM pg_statistic")


@contextmanager
def plans_made() -> Iterator[list[str]]:
    """Collect what PostgreSQL tells of each plan that it makes meanwhile."""
    plans: list[str] = []

    def note(message: Diagnostic) -> None:
        if message.message_primary == "PLANNER STATISTICS":
            plans.append(message.message_detail or "")

    raw = wire.connection().connection
    wire.run("SET LOCAL client_min_messages = 'log'")
    wire.run("SET LOCAL log_planner_stats = on")
    raw.add_notice_handler(note)
    try:
        yield plans
    finally:
        raw.remove_notice_handler(note)
