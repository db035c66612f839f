"""Whoever talks to the supervisor, it goes on."""

import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from config.processes import control
from config.processes.supervisor import Supervisor


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    """One that has no parts to look after."""
    numbers = (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    made = Supervisor([], logs=tmp_path, say=lambda _: None)
    yield made
    signal.set_wakeup_fd(-1)
    for end in (made._selector, made._alarm, made._wake_up):
        end.close()
    for let_go in made._let_go:
        let_go()
    for number, handler in before.items():
        signal.signal(number, handler)


def visit(path: Path, words: bytes) -> socket.socket:
    visitor = socket.socket(socket.AF_UNIX)
    visitor.connect(str(path))
    visitor.sendall(words)
    return visitor


def test_a_visitor_who_says_nothing_or_does_not_stay_harms_nobody(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "REQUEST_SECONDS_MAX", 0.01)
    path = tmp_path / "control"
    control.serve(supervisor, path)

    with visit(path, b""):
        supervisor.turn(60)
    visit(path, b'{"do": "status"}\n').close()
    supervisor.turn(60)

    monkeypatch.undo()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(control.ask, str(path), do="status")
        while not asked.done():
            supervisor.turn(0.1)
    assert asked.result() == {}


def test_who_was_sent_away_unheard_asks_again(tmp_path: Path) -> None:
    path = str(tmp_path / "control")
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(path)
        listener.listen()
        asked = pool.submit(control.ask, path, do="status")
        listener.accept()[0].close()
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as line:
            assert line.readline() == '{"do": "status"}\n'
            line.write('{"web": {}}\n')
            line.flush()

        assert asked.result() == {"web": {}}
