"""Checks that a process makes before it takes any work: a Celery worker, a web server."""

import sys
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection


def check_settings(**_signal: Any) -> None:
    """Return if Django's system checks find no error, and end the worker if they do.

    :raises SystemExit: if they do: Celery makes these checks too, and drops what they find.
    """
    if errors := errors_of_settings():
        sys.stderr.write("".join(f"{error}\n" for error in errors))
        raise SystemExit(1)


def demand_sound_settings() -> None:
    """Return if Django's system checks find no error: for who is started without a command.

    :raises ImproperlyConfigured: if they do.
    """
    if errors := errors_of_settings():
        raise ImproperlyConfigured("\n".join(errors))


def errors_of_settings() -> list[str]:
    """Return what Django's system checks find that nothing should run with."""
    return [str(found) for found in checks.run_checks() if found.is_serious()]


def check_schema(**_signal: Any) -> None:
    """Return if the database has the schema of this code, and end the worker if it has not.

    :raises SystemExit: if it has not, as Celery lets nothing else through.
    """
    # Not above: Celery loads its app before Django is set up.
    from events.tables import migration_status  # noqa: PLC0415

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
