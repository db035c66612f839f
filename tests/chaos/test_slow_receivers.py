"""Receivers that hang hold up their own messages, and nobody's jobs (ADR 0185)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from socketserver import StreamRequestHandler, ThreadingTCPServer

import httpx2
import pytest
from django.conf import settings

from config.processes.parts import POOL_CHILDREN, WEBHOOK_THREADS, WEBHOOK_WORKER
from config.processes.stack import Stack
from config.testing.fixtures import migrated_state, started
from tests.chaos.load import Integrator, eventually, settled
from tests.peers import raw_peer

pytestmark = pytest.mark.chaos

STEPS_IN_S = 120
"""How long a message may take to its receiver on a machine that is busy with much else."""


@dataclass(slots=True)
class Hanging:
    """Receivers that say nothing until they are let go."""

    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    let_go: threading.Event = field(default_factory=threading.Event)
    urls: list[str] = field(default_factory=list)

    def all_are_called(self) -> None:
        for _ in self.urls:
            assert self.called.acquire(timeout=STEPS_IN_S)


@contextmanager
def hanging(count: int) -> Iterator[Hanging]:
    """Serve so many receivers within the block."""
    found = Hanging()

    def behave(connection: object) -> None:
        found.called.release()
        found.let_go.wait(STEPS_IN_S)

    with ExitStack() as peers:
        for _ in range(count):
            port = peers.enter_context(raw_peer(behave))
            found.urls.append(f"http://127.0.0.1:{port}/hook")
        peers.callback(found.let_go.set)
        yield found


def subscribe(client: httpx2.Client, url: str) -> str:
    """Make a subscription, and return where it is."""
    [event, *_] = client.get("/api/v1/webhooks/subscriptions/events").json()
    made = client.post(
        "/api/v1/webhooks/subscriptions", json={"url": url, "events": [event["name"]]}
    )
    assert made.status_code == 201, made.text
    return f"/api/v1/webhooks/subscriptions/{made.json()['id']}"


def send_to(client: httpx2.Client, url: str) -> str:
    """Send a test message to a new subscription; return its work."""
    return str(client.post(f"{subscribe(client, url)}/test", json={}).json()["id"])


@pytest.fixture(scope="module")
def daybook() -> Iterator[Stack]:
    """A Daybook whose receivers hang in every test, and are let go at its end."""
    with migrated_state() as state:
        running = started(state)
        yield running
        running.stop()


def test_hold_up_no_job(daybook: Stack) -> None:
    stack, integrator = daybook, Integrator(daybook)
    with hanging(POOL_CHILDREN + 1) as receivers, stack.client() as client:
        works = [send_to(client, url) for url in receivers.urls]
        receivers.all_are_called()

        integrator.ask_for(3)
        eventually(lambda: settled(stack, set(integrator.acknowledged)))

        assert holders(stack, works) == {WEBHOOK_WORKER}


def test_hold_up_jobs_that_wait_in_their_queue(one_queue: Stack) -> None:
    """Negative control: with all of it in one queue the same job begins after they let go."""
    stack, integrator = one_queue, Integrator(one_queue)
    with hanging(POOL_CHILDREN) as receivers, stack.client() as client:
        works = [send_to(client, url) for url in receivers.urls]
        receivers.all_are_called()

        integrator.ask_for(1)
        [(asked_at,)] = stack.sql("SELECT clock_timestamp()")
        assert holders(stack, works) == {"worker"}
        receivers.let_go.set()
        eventually(lambda: settled(stack, set(integrator.acknowledged)))

    [job] = integrator.acknowledged.values()
    [(began_at,)] = stack.sql(
        "SELECT min(started_at) FROM work_every_attempt WHERE work_id = %s", job
    )
    assert began_at > asked_at


def test_never_hold_all_threads(daybook: Stack) -> None:
    limit: int = settings.WEBHOOK_CALLS_PER_RECEIVER
    with busy() as slow, busy() as other, daybook.client() as client:
        fill(client, slow.url)
        slow.has_had(limit)

        send_to(client, other.url)

        other.has_had(1)
    assert slow.most == limit < WEBHOOK_THREADS


def test_hold_all_threads_without_a_limit(start_stack: Callable[..., Stack]) -> None:
    """Negative control: a receiver may have every thread."""
    no_limit = start_stack(WEBHOOK_CALLS_PER_RECEIVER="1000")
    with busy() as slow, no_limit.client() as client:
        fill(client, slow.url)
        slow.has_had(WEBHOOK_THREADS)


@dataclass(slots=True)
class Busy:
    """A receiver that keeps every caller waiting, and counts how many wait at a time."""

    url: str
    waiting: int = 0
    most: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def count(self, change: int) -> None:
        with self.changed:
            self.waiting += change
            self.most = max(self.most, self.waiting)
            self.changed.notify_all()

    def has_had(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.most >= count, timeout=STEPS_IN_S)


@contextmanager
def busy() -> Iterator[Busy]:
    """Serve such a receiver within the block."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            found.count(+1)
            try:
                while self.request.recv(4_096):
                    pass  # Until the caller has had enough.
            finally:
                found.count(-1)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Busy(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def fill(client: httpx2.Client, url: str) -> None:
    """Send a receiver more messages than there are threads to send them."""
    where = subscribe(client, url)
    for _ in range(WEBHOOK_THREADS + 2):
        assert client.post(f"{where}/test", json={}).is_success


@pytest.fixture
def one_queue() -> Iterator[Stack]:
    """A Daybook that delivers webhooks as any other work. It reads its settings by itself."""
    with migrated_state() as state:
        route = {"WORK_QUEUES": "webhook.deliver=default"}
        running = Stack.start(state, "--no-demo-data", environment=route)
        yield running
        running.stop()


def holders(stack: Stack, works: list[str]) -> set[str]:
    """Return the parts whose workers hold `works` now."""
    rows = stack.sql(
        "SELECT split_part(leased_by, '@', 1) FROM work WHERE id = ANY(%s::uuid[]) "
        "AND lease_until IS NOT NULL",
        works,
    )
    assert len(rows) == len(works)
    return {name for (name,) in rows}
