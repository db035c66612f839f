"""What the planner of PostgreSQL is asked under, so that the same question has the same plan."""

from django.db import connection, transaction


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
