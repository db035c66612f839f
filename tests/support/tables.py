"""What a transaction has done to the tables of the database."""

from django.db import connection


def written() -> dict[str, int]:
    """Return how many rows of each table this transaction has tried to write.

    Those that a savepoint took back count too: compare digests to know.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables"
            " WHERE n_tup_ins + n_tup_upd + n_tup_del > 0"
        )
        return dict(cursor.fetchall())


def digest(table: str) -> str:
    """Return a digest of all rows of a table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t")
        return str(cursor.fetchone())
