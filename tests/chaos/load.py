"""An integrator who does not give up: every job is asked for until it is acknowledged."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from config.jobs import CHECK, CHECKED
from config.processes.stack import Stack

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.03
_AGAIN = frozenset({409, 500, 502, 503, 504})


def eventually(what: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Return what `what()` returns as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(PAUSE_SECONDS)
    return found


@contextmanager
def people_at_work(work: Callable[[threading.Event, int], None], *, count: int) -> Iterator[None]:
    """Run `work` in threads within the block, each with its number, until told to stop."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(stop, number)
        except BaseException as error:  # noqa: BLE001 (shown by the test's own thread)
            errors.append(error)

    people = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for person in people:
        person.start()
    try:
        yield
    finally:
        stop.set()
        for person in people:
            person.join()
    assert errors == []


@dataclass(slots=True)
class Integrator:
    """Asks for jobs over HTTP with an Idempotency-Key, and repeats what was not answered."""

    stack: Stack
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Nonce of each job that was acknowledged, and the id that it was given."""
    failures: int = 0

    def ask(self, client: httpx2.Client, nonce: str | None = None) -> str:
        """Have one job taken on, however often that must be asked; return its nonce."""
        nonce = nonce or secrets.token_hex(8)
        answer = eventually(lambda: self._try(client, nonce))
        assert answer.status_code in {200, 201}, answer.text
        self.acknowledged[nonce] = answer.json()["id"]
        return nonce

    def _try(self, client: httpx2.Client, nonce: str) -> httpx2.Response | None:
        try:
            answer = client.post(
                "/api/v1/jobs",
                json={"name": CHECK, "input": {"nonce": nonce}},
                headers={"Idempotency-Key": nonce},
            )
        except httpx2.HTTPError:
            self.failures += 1
            return None
        if answer.status_code in _AGAIN:
            self.failures += 1
            return None
        return answer

    def ask_for(self, count: int) -> None:
        """Have so many jobs taken on."""
        with self.stack.client() as client:
            for _ in range(count):
                self.ask(client)

    @contextmanager
    def at_work(self, *, threads: int = 4) -> Iterator[None]:
        """Ask for jobs without a pause from several threads within the block."""

        def work(stop: threading.Event, _number: int) -> None:
            with self.stack.client() as client:
                while not stop.is_set():
                    self.ask(client)

        with people_at_work(work, count=threads):
            yield

    def so_far(self, count: int) -> None:
        """Return when `count` more jobs are acknowledged than were when it was called."""
        wanted = len(self.acknowledged) + count
        eventually(lambda: len(self.acknowledged) >= wanted)


def settled(stack: Stack, nonces: set[str]) -> bool:
    """Whether every one of these jobs is done, its effect on record and in its place."""
    [(open_,)] = stack.sql("SELECT count(*) FROM work WHERE kind = %s AND status <> 'done'", CHECK)
    [(unsequenced,)] = stack.sql("SELECT count(*) FROM events_unsequenced")
    return not open_ and not unsequenced and nonces <= set(effects(stack))


def effects(stack: Stack) -> dict[str, int]:
    """Return how often the effect of each job is on record."""
    rows = stack.sql(
        "SELECT data::jsonb ->> 'nonce', count(*) FROM events_event WHERE name = %s GROUP BY 1",
        CHECKED,
    )
    return dict(rows)


def jobs_of(stack: Stack, nonce: str) -> list[tuple[str, str, int]]:
    """Return id, status and number of attempts of the jobs that this nonce made."""
    return stack.sql(
        "SELECT id::text, status, attempt FROM work WHERE kind = %s AND input LIKE %s",
        CHECK,
        f"%{nonce}%",
    )
