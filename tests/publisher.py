"""A process that writes numbered notes, whatever happens meanwhile.

A line on its input names a stream and starts it; the next line stops it, and it answers
how many notes are certainly committed. The event ids say each number once, so an ambiguous
commit may be repeated.
"""

import select
import sys
import time

import django

django.setup()

from django.db import InterfaceError, OperationalError, connection, transaction  # noqa: E402

from events import recorder  # noqa: E402
from tests import trips  # noqa: E402

PAUSE_S = 0.005


def publish(name: str) -> int:
    """Write notes into a stream until there is another line to read."""
    number = 0
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        number += 1
        while not _is_written(name, number):
            time.sleep(0.05)
    return number


def _is_written(name: str, number: int) -> bool:
    try:
        with transaction.atomic():
            recorder.emit(
                "note.written",
                {"number": number},
                stream=("note", name),
                event_id=f"evt_{name}_{number}",
            )
    except (OperationalError, InterfaceError):
        connection.close()
        return False
    return True


if __name__ == "__main__":
    trips.declare()
    # Not `for line in sys.stdin`: its read-ahead would hide the next line from select.
    while line := sys.stdin.readline():
        written = publish(line.strip())
        sys.stdin.readline()
        print(written, flush=True)  # noqa: T201
