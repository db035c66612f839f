"""RabbitMQ as the doorbell: it rings, and when it is killed the work goes on without it."""

import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from config.embedded.process import dying_with_us
from config.processes.parts import WEBHOOK_WORKER
from config.processes.stack import Stack
from tests.chaos.load import Integrator, eventually, settled
from tests.peers import receiver

PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_SECONDS_MAX = 180
JOBS = 5

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not PROGRAM.exists(), reason="there is no RabbitMQ on this machine"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rabbit:
    """A broker of this test's own."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            try:
                probe.connect(("127.0.0.1", self.port))
                # Anything but its own protocol's greeting is answered with that greeting.
                probe.sendall(b"GET / HTTP")
                return probe.recv(4) == b"AMQP"
            except OSError:
                return False

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def rabbit(tmp_path: Path) -> Iterator[Rabbit]:
    port, distribution, mapper = _free_ports()
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "RABBITMQ_NODENAME": f"daybook{port}@localhost",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(tmp_path / "data"),
        "RABBITMQ_LOG_BASE": str(tmp_path / "logs"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path / "plugins"),
        # Its idle schedulers would spin, on cores that others wait for.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        # One port mapper more would be somebody else's process to clean up.
        "ERL_EPMD_PORT": str(mapper),
    }
    with (tmp_path / "rabbit.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=dying_with_us(signal.SIGTERM),  # noqa: PLW1509 (see there)
        )
    running = Rabbit(port=port, process=process)
    try:
        eventually(running.answers, seconds=START_SECONDS_MAX)
        yield running
    finally:
        if process.poll() is None:
            running.kill()


def test_rings_and_is_not_needed(rabbit: Rabbit, start_stack: Callable[..., Stack]) -> None:
    stack = start_stack(CELERY_BROKER_URL=rabbit.url, WORK_PATIENCE_S="0.5")
    integrator = Integrator(stack)

    integrator.ask_for(JOBS)
    eventually(lambda: settled(stack, set(integrator.acknowledged)))
    assert "Connected to amqp://" in stack.log("worker")
    with receiver() as peer, stack.client() as client:
        where = deliver(client, peer.url)
        eventually(lambda: client.get(where).json()["status"] == "delivered")
    assert taken_by(stack, where) == {WEBHOOK_WORKER}
    eventually(lambda: listeners(stack) == {"worker": ["default"], WEBHOOK_WORKER: ["webhooks"]})

    rabbit.kill()
    integrator.ask_for(JOBS)
    eventually(lambda: settled(stack, set(integrator.acknowledged)))
    assert len(integrator.acknowledged) == 2 * JOBS


def deliver(client: httpx2.Client, url: str) -> str:
    """Send a test message to a new subscription; return where its delivery is told."""
    [event, *_] = client.get("/api/v1/webhooks/subscriptions/events").json()
    made = client.post(
        "/api/v1/webhooks/subscriptions", json={"url": url, "events": [event["name"]]}
    )
    sent = client.post(f"/api/v1/webhooks/subscriptions/{made.json()['id']}/test", json={})
    return str(sent.headers["location"])


def taken_by(stack: Stack, delivery: str) -> set[str]:
    """Return the parts whose workers took the work of a delivery, which has its id."""
    id_ = delivery.rstrip("/").rpartition("/")[2]
    rows = stack.sql("SELECT worker FROM work_every_attempt WHERE work_id = %s", id_)
    return {worker.partition("@")[0] for (worker,) in rows}


def listeners(stack: Stack) -> dict[str, list[str]]:
    """Return from which queues each part has been rung for."""
    rows = stack.sql("SELECT name, queues FROM work_worker WHERE role = 'celery'")
    return {name.partition("@")[0]: queues for name, queues in rows}


def _free_ports() -> list[int]:
    """Return three ports that nobody gets who asks for any, as the other tests do."""
    given_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    untried = random.sample(range(given_from // 2, given_from), given_from // 2)
    ports: list[int] = []
    while len(ports) < 3:
        with suppress(OSError), socket.create_server(("127.0.0.1", port := untried.pop())):
            ports.append(port)
    return ports
