import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import FrameType

import pytest

from events.sourcing import turns
from tests.live import eventually

STREAM, OTHER = ("hot", "1"), ("hot", "2")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    turns._rivals_until.clear()
    assert turns._waiting == {}


def test_those_who_come_have_their_turns_in_that_order() -> None:
    had: list[int] = []

    def write(number: int) -> None:
        with turns.turn(STREAM):
            had.append(number)

    threads = [threading.Thread(target=write, args=[number]) for number in range(5)]
    with turns.turn(STREAM):
        for thread in threads:
            waiting = len(turns._waiting[STREAM])
            thread.start()
            eventually(partial(has_more, waiting))
        assert had == []
    for thread in threads:
        thread.join(timeout=60)

    assert had == [0, 1, 2, 3, 4]


def has_more(waiting: int) -> bool:
    return len(turns._waiting[STREAM]) > waiting


def test_a_stream_is_taken_as_long_as_somebody_has_a_turn_at_it() -> None:
    with turns.turn(STREAM):
        assert (turns.is_taken(STREAM), turns.is_taken(OTHER)) == (True, False)

    assert not turns.is_taken(STREAM)


def test_a_turn_begins_when_those_who_write_without_one_are_through() -> None:
    had: list[str] = []
    rushed, go = threading.Event(), threading.Event()

    def rush() -> None:
        with suppress(ZeroDivisionError), turns.Rush(STREAM):
            rushed.set()
            go.wait(60)
            had.append("rush")
            raise ZeroDivisionError

    def write() -> None:
        with turns.turn(STREAM):
            had.append("turn")

    threads = [threading.Thread(target=rush), threading.Thread(target=write)]
    threads[0].start()
    assert rushed.wait(60)
    threads[1].start()
    eventually(lambda: turns.is_taken(STREAM))
    go.set()
    for thread in threads:
        thread.join(timeout=60)

    assert had == ["rush", "turn"]


def test_who_writes_without_a_turn_waits_for_none_either() -> None:
    with turns.Rush(STREAM), turns.turn(STREAM), turns.turn(OTHER):
        assert not turns.is_taken(STREAM)


def test_who_has_a_turn_waits_for_no_other() -> None:
    with turns.turn(STREAM), turns.turn(OTHER), turns.turn(STREAM):
        assert not turns.is_taken(OTHER)


def test_whoever_waits_in_vain_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0)
    went_on = threading.Event()

    def write() -> None:
        with turns.turn(STREAM):
            went_on.set()

    thread = threading.Thread(target=write)
    with turns.turn(STREAM):
        thread.start()
        assert went_on.wait(timeout=60)
        thread.join(timeout=60)


def test_a_failure_gives_the_turn_to_the_next() -> None:
    with pytest.raises(ZeroDivisionError), turns.turn(STREAM):
        raise ZeroDivisionError

    with turns.turn(STREAM):
        pass


class Interrupted(Exception):
    """As a handler is, when its time is up."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


def test_who_is_interrupted_while_waiting_leaves_no_place() -> None:
    before = signal.signal(signal.SIGALRM, _interrupt)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn(STREAM):
            held.set()
            eventually(partial(has_more, 1))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)
            go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    with pytest.raises(Interrupted), turns.turn(STREAM):
        pytest.fail("it is somebody else's turn")
    signal.signal(signal.SIGALRM, before)

    assert not has_more(1)
    go.set()
    holder.join(timeout=60)


def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn(STREAM), turns._lock:
            held.set()
            go.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    if (child := os.fork()) == 0:
        signal.alarm(20)  # Which ends it.
        with turns.turn(STREAM):
            os._exit(len(turns._waiting[STREAM]))
    _, status = os.waitpid(child, 0)
    go.set()
    holder.join(timeout=60)

    assert os.waitstatus_to_exitcode(status) == 1


def test_a_rival_elsewhere_is_expected_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    turns.note_rival(STREAM)
    assert (turns.has_rivals_elsewhere(STREAM), turns.has_rivals_elsewhere(OTHER)) == (True, False)

    monkeypatch.setattr(turns, "RIVALS_SECONDS", 0)
    turns.note_rival(STREAM)

    assert not turns.has_rivals_elsewhere(STREAM)
