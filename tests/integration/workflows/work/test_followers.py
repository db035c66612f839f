"""The loop beside the sweeper that reads the feed for rooms above."""

import threading
from collections.abc import Iterator

import pytest

from tests.live import eventually
from workflows.work import followers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """No followers but those of the test, and what stops the loop."""
    monkeypatch.setattr(followers, "_followers", {})
    monkeypatch.setattr(followers, "POLL_SECONDS", 0.01)
    stop = threading.Event()
    yield stop
    stop.set()


def test_everybody_reads_to_the_end(alone: threading.Event) -> None:
    left = [3, 2, 1]
    followers.register("lab", lambda: left.pop() if left else 0)

    assert followers.follow_once() == 6


def test_a_failure_ends_neither_the_loop_nor_the_process(alone: threading.Event) -> None:
    read = []

    def follow() -> int:
        read.append(1)
        if len(read) == 1:
            raise ValueError("one bad row")
        return 0

    followers.register("lab", follow)
    thread = followers.started(alone)

    eventually(lambda: len(read) > 2)
    alone.set()
    thread.join(60)
    assert not thread.is_alive()
