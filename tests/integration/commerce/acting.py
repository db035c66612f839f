"""Do what a worker does, in the test: claim what is due and run it; race several callers."""

import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connection

from events import context, selectors
from events.domain.errors import DomainError
from events.domain.principal import Principal, PrincipalKind
from workflows.work import registry, runner
from workflows.work.models import Work

CLERK = Principal(kind=PrincipalKind.USER, id="7")
DONE = "done"


def work_off() -> int:
    """Run one thing that is due now, as a worker would."""
    return runner.work_off(worker="test", kinds=registry.names())


def work_off_all(tries: int = 10) -> None:
    """Run everything, and at once again what wants another try."""
    for _ in range(tries):
        while work_off():
            pass
        make_due()


def make_due() -> None:
    """Let what waits for its next try be due at once."""
    waiting = Work.objects.filter(status__in=["retry", "scheduled"])
    waiting.update(due_at="2020-01-01T00:00:00Z")


def status_of(work_id: UUID | str | None) -> str:
    assert work_id is not None
    return Work.objects.get(pk=work_id).status


def names_in(kind: str, id_: object) -> list[str]:
    """Return the names of the events of a stream."""
    return [event.name for event in selectors.stream_events((kind, str(id_)))]


def race(*acts: Callable[[], Any]) -> list[str]:
    """Do `acts` at the same moment, each on a connection of its own.

    Return how each ended: "done", or the code of its refusal.
    """
    barrier = threading.Barrier(len(acts))
    ends: list[str] = ["lost"] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        try:
            with context.acting(CLERK):
                barrier.wait()
                act()
            ends[number] = DONE
        except DomainError as refusal:
            ends[number] = refusal.code
        except Exception as error:  # noqa: BLE001 - shown by the assertion on the ends.
            ends[number] = repr(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, act)) for number, act in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends
