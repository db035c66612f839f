"""The feed keeps its promise (I19) while what it stands on falls over.

A publisher commits without a pause; a client listens; something dies. In the end the
client has every committed note, in order, once.
"""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
import redis
from websockets.exceptions import ConnectionClosed

from config.embedded import process
from config.testing.fork_server import Forked
from tests.installation import Installation
from tests.live import PATIENCE_S, Client, Frame, Server, is_event, visiting

pytestmark = pytest.mark.chaos

NOTES_AROUND = 60
"""How many notes the client hears before and after the fault."""


class Scene:
    """Everything that can be made to die."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.server = Server(
            limits={"heartbeat_s": 0.3, "poll_s": 0.3}, environment=installation.environment
        )
        self.sequencer = self._sequencer()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            pipe = dict.fromkeys((0, 1), theirs.fileno())
            self.publisher = installation.start("tests.publisher", files=pipe)
            self._line = ours.makefile("rw")
        self._streams = (f"n{number}" for number in count(1))

    def publish(self) -> list[str]:
        """Begin to write into a stream of its own, and return that."""
        name = next(self._streams)
        self._tell(name)
        return ["note", name]

    def last_published(self) -> int:
        """Stop publishing; return the number of the last committed note."""
        self._tell("stop")
        return int(self._line.readline())

    def heal(self) -> None:
        """Start again what the last fault left dead."""
        if not self.installation.valkey.answers():
            self.installation.valkey.start()
            self.installation.valkey.wait_until_ready()
        if self.server.process.poll() is not None:
            self.server.restart()

    def flush_valkey(self) -> None:
        redis.Redis.from_url(self.installation.valkey.url).flushall()

    def kill_valkey(self) -> None:
        valkey = self.installation.valkey
        assert valkey.pid is not None
        process.send(valkey.pid, signal.SIGKILL)
        process.wait(valkey.pid, seconds=PATIENCE_S)

    def restart_valkey(self) -> None:
        self.kill_valkey()
        self.installation.valkey.start()
        self.installation.valkey.wait_until_ready()

    def restart_sequencer(self) -> None:
        self.sequencer.kill()
        self.sequencer.wait()
        self.sequencer = self._sequencer()

    def restart_postgres(self) -> None:
        postgres = self.installation.postgres
        assert postgres.pid is not None
        process.send(postgres.pid, signal.SIGQUIT)
        process.wait(postgres.pid, seconds=PATIENCE_S)
        postgres.start()
        postgres.wait_until_ready()

    def end(self) -> None:
        for child in (self.sequencer, self.publisher):
            child.kill()
            child.wait()
        self._line.close()
        self.server.stop()

    def _tell(self, line: str) -> None:
        self._line.write(f"{line}\n")
        self._line.flush()

    def _sequencer(self) -> Forked:
        return self.installation.start("django", "sequencer")


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as ends:
        installation = Installation(tmp_path_factory.mktemp("installation"))
        ends.callback(installation.stop)
        scene = Scene(installation)
        ends.callback(scene.end)
        yield scene


@pytest.fixture
def scene(shared_scene: Scene) -> Scene:
    shared_scene.heal()
    return shared_scene


@pytest.mark.parametrize(
    "fault",
    [
        Scene.flush_valkey,
        Scene.kill_valkey,
        Scene.restart_valkey,
        Scene.restart_sequencer,
        Scene.restart_postgres,
    ],
)
def test_a_socket_outlives_what_the_feed_stands_on(
    scene: Scene, fault: Callable[[Scene], None]
) -> None:
    notes = scene.publish()
    with visiting(scene.server, scene.installation.secret) as client:
        client.subscribe("a", aggregate_ids=[notes], after=0)
        client.hear_events(NOTES_AROUND)
        fault(scene)
        client.hear_events(NOTES_AROUND)
        last = scene.last_published()
        _hear_up_to(client, last)

    heard = [frame["data"]["number"] for frame in client.heard if is_event(frame)]
    assert heard == list(range(1, last + 1))


def test_a_client_that_comes_back_finds_all_of_it(scene: Scene) -> None:
    heard: list[Frame] = []
    notes = scene.publish()
    with visiting(scene.server, scene.installation.secret) as client:
        client.subscribe("a", aggregate_ids=[notes], after=0)
        client.hear_events(NOTES_AROUND)
        scene.server.kill()
        with pytest.raises(ConnectionClosed):
            client.hear(lambda _frame: False)
    heard += [frame for frame in client.heard if is_event(frame)]
    scene.server.restart()
    last = scene.last_published()
    with visiting(scene.server, scene.installation.secret) as client:
        client.subscribe("a", aggregate_ids=[notes], after=heard[-1]["position"])
        _hear_up_to(client, last)
    heard += [frame for frame in client.heard if is_event(frame)]

    assert [frame["data"]["number"] for frame in heard] == list(range(1, last + 1))


def test_a_server_that_ends_says_so(scene: Scene) -> None:
    with visiting(scene.server, scene.installation.secret) as client:
        client.subscribe("a")
        scene.server.process.send_signal(signal.SIGTERM)

        assert client.hear_the_end()[0] == 1012
    # uvicorn ends by the signal that asked it to.
    assert scene.server.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}


def test_every_process_of_the_server_reads_for_itself(scene: Scene) -> None:
    other = Server(environment=scene.installation.environment)
    notes = scene.publish()
    try:
        with (
            visiting(scene.server, scene.installation.secret) as one,
            visiting(other, scene.installation.secret) as two,
        ):
            for client in (one, two):
                client.subscribe("a", aggregate_ids=[notes], after=0)
            last = scene.last_published()
            for client in (one, two):
                _hear_up_to(client, last)
    finally:
        other.stop()

    for client in (one, two):
        heard = [frame["data"]["number"] for frame in client.heard if is_event(frame)]
        assert heard == list(range(1, last + 1))


def _hear_up_to(client: Client, number: int) -> None:
    if not any(is_event(frame) and frame["data"]["number"] == number for frame in client.heard):
        client.hear(lambda frame: is_event(frame) and frame["data"]["number"] == number)
