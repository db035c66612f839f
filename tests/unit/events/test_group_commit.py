import threading
from collections.abc import Mapping
from functools import partial
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


class NoDatabase:
    def close_if_unusable_or_obsolete(self) -> None:
        pass


def write(group: Group, name: str) -> None:
    with group.turn(name, SQL, partial(part, name)):
        pass


def part(name: str) -> Joint:
    return Joint(parts={"every": name}, keys=[name])


def has(group: Group, waiting: int) -> bool:
    return len(group._waiting) == waiting
