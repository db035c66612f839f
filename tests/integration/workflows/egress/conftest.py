import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from workflows.egress import client

Names = dict[str, list[list[str]]]


@pytest.fixture(autouse=True)
def _fresh_pools() -> Iterator[None]:
    # No connection of one test may serve another.
    client.forget_connections()
    yield
    client.forget_connections()


@pytest.fixture
def loopback_allowed(settings: Settings) -> None:
    settings.HTTP_ALLOW = ["127.0.0.0/8"]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """A DNS of our own: name -> the answers it gives, one after the other."""
    known: Names = {}
    ask = socket.getaddrinfo

    def answer(host: str, port: int, *rest: Any, **more: Any) -> Any:
        if host not in known:
            return ask(host, port, *rest, **more)
        answers = known[host]
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [entry for address in found for entry in ask(address, port, *rest, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return known


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every TCP connection that was attempted."""
    attempted: list[tuple[str, int]] = []
    connect: Callable[..., socket.socket] = socket.create_connection

    def watched(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        attempted.append(address)
        return connect(address, *rest, **more)

    monkeypatch.setattr(socket, "create_connection", watched)
    return attempted
