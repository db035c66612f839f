"""Checks that a Celery worker makes before it takes any work."""

import sys
from typing import Any

from django.db import OperationalError, connection


def check_schema(**_signal: Any) -> None:
    """Return if the database has the schema of this code, and end the worker if it has not.

    :raises SystemExit: if it has not, as Celery lets nothing else through.
    """
    # Not above: Celery loads its app before Django is set up.
    from events import migration_status  # noqa: PLC0415

    try:
        migration_status.check()
    except OperationalError:
        return  # Work waits until the database is there, and so does the worker.
    except migration_status.SchemaDiffers as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    finally:
        # It forks next, and a connection is nothing to share.
        connection.close()
