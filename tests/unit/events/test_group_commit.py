import os
import signal
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from types import FrameType
from typing import Any

import pytest
from django.db import Error

from events import group_commit, wire
from events.group_commit import Group, Joint
from tests.live import eventually

SQL = "SELECT everything_of_everybody"


class Called(threading.Event):
    """Notes whose turn it was to go on, in that order."""

    order: list[str] = []

    def __init__(self) -> None:
        super().__init__()
        self.whose = threading.current_thread().name

    def set(self) -> None:
        self.order.append(self.whose)
        super().set()


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(Called, "order", [])
    monkeypatch.setattr(group_commit, "PATIENCE_S", 60)
    return Called.order


@pytest.mark.parametrize("fails", [False, True])
def test_the_next_one_writes_before_those_who_were_written_go_on(
    order: list[str], monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    group, is_sent, is_answered = Group(), threading.Event(), threading.Event()

    def fetch(_sql: str, _params: Mapping[str, str], *, db: Any) -> list[tuple[str]]:
        is_sent.set()
        assert is_answered.wait(60)
        if fails:
            raise Error
        return [("second",), ("third",)]

    monkeypatch.setattr(wire, "fetch", fetch)
    monkeypatch.setattr(group, "_db", NoDatabase())
    threads = [
        threading.Thread(target=write, args=[group, name], name=name)
        for name in ("second", "third", "fourth")
    ]
    monkeypatch.setattr(threading, "Event", Called)
    with group.turn("first", SQL, partial(part, "first")):
        for number, thread in enumerate(threads[:2], start=1):
            thread.start()
            eventually(partial(has, group, number))
    assert is_sent.wait(60)
    threads[2].start()
    eventually(partial(has, group, 1))

    is_answered.set()
    for thread in threads:
        thread.join(timeout=60)

    assert order == ["second", "fourth", "third"]


class Interrupted(Exception):
    """As a handler is, when its time is up."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


@pytest.fixture
def _alarm() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _interrupt)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_alarm")
def test_who_is_interrupted_while_waiting_keeps_nobody_from_writing(order: list[str]) -> None:
    group, held = Group(), threading.Event()

    def hold() -> None:
        with group.turn("first", SQL, partial(part, "first")):
            held.set()
            eventually(partial(has, group, 1))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            eventually(partial(has, group, 0))

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with pytest.raises(Interrupted), group.turn("second", SQL, partial(part, "second")):
        pytest.fail("it is somebody else's turn")
    holder.join(timeout=60)

    assert not group._is_writing
    assert not holder.is_alive()


@pytest.mark.usefixtures("_alarm")
def test_who_is_interrupted_while_writing_for_others_lets_them_write_over_a_new_connection(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, database, held = Group(), NoDatabase(), threading.Event()

    def fetch(_sql: str, _params: Mapping[str, str], *, db: Any) -> list[tuple[str]]:
        signal.raise_signal(signal.SIGALRM)
        pytest.fail("it was interrupted")

    def hold() -> None:
        with group.turn("first", SQL, partial(part, "first")):
            held.set()
            eventually(partial(has, group, 2))

    def write_after() -> None:
        eventually(partial(has, group, 1))
        write(group, "third")

    monkeypatch.setattr(wire, "fetch", fetch)
    monkeypatch.setattr(group, "_db", database)
    threads = [threading.Thread(target=hold), threading.Thread(target=write_after)]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    with pytest.raises(Interrupted), group.turn("second", SQL, partial(part, "second")):
        pytest.fail("nothing was written")
    for thread in threads:
        thread.join(timeout=60)

    assert (group._is_writing, group._waiting, database.closed) == (False, [], 1)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.usefixtures("_alarm")
def test_who_is_interrupted_while_others_write_for_it_keeps_nobody_waiting(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group, held, is_gone = Group(), threading.Event(), threading.Event()

    def fetch(_sql: str, _params: Mapping[str, str], *, db: Any) -> list[tuple[str]]:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
        assert is_gone.wait(60)
        return []

    def hold() -> None:
        with group.turn("first", SQL, partial(part, "first")):
            held.set()
            eventually(partial(has, group, 3))

    def write_after(name: str, waiting: int) -> None:
        eventually(partial(has, group, waiting))
        write(group, name)

    monkeypatch.setattr(wire, "fetch", fetch)
    monkeypatch.setattr(group, "_db", NoDatabase())
    threads = [
        threading.Thread(target=hold, daemon=True),
        threading.Thread(target=write_after, args=["second", 0], daemon=True),
        threading.Thread(target=write_after, args=["fourth", 2], daemon=True),
    ]
    threads[0].start()
    assert held.wait(60)
    threads[1].start()
    eventually(partial(has, group, 1))
    threads[2].start()
    with pytest.raises(Interrupted), group.turn("third", SQL, partial(part, "third")):
        pytest.fail("it was interrupted")
    is_gone.set()

    eventually(lambda: not any(thread.is_alive() for thread in threads))


def test_a_forked_child_waits_for_no_thread_of_its_parent(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_S", 3_600)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with (
            group_commit.group.turn("first", SQL, partial(part, "first")),
            group_commit.group._lock,
        ):
            held.set()
            go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    if (child := os.fork()) == 0:
        signal.alarm(20)  # Which ends it.
        with group_commit.group.turn("second", SQL, partial(part, "second")):
            os._exit(7)
    _, status = os.waitpid(child, 0)
    go.set()
    holder.join(timeout=60)

    assert os.waitstatus_to_exitcode(status) == 7


class NoDatabase:
    closed = 0
    connection = None

    def close_if_unusable_or_obsolete(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


def write(group: Group, name: str) -> None:
    with group.turn(name, SQL, partial(part, name)):
        pass


def part(name: str) -> Joint:
    return Joint(parts={"every": name}, keys=[name])


def has(group: Group, waiting: int) -> bool:
    return len(group._waiting) == waiting
