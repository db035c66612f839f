"""Readers by position miss nothing, whatever writers and sequencers do."""

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from config.testing import fork_server
from config.testing.fork_server import Forked
from events import doorbell, invariants, recorder, selectors, sequencer
from events.domain.envelope import Envelope
from events.explore import lag
from events.models import Position, StoredEvent, Unsequenced
from tests.integration.events.test_doorbell import await_subscriber
from tests.live import PATIENCE_S, environment_of_the_tests, eventually

WRITERS = 16
COMMITS = 15
EVENTS = WRITERS * COMMITS * 3 // 2
POLL_S = 20.0
"""When the sequencer would look by itself: longer than anybody waits who need not."""

AtOnce = Callable[[int, Callable[[int], None]], list[None]]

pytestmark = pytest.mark.django_db(transaction=True)


def emit(number: int, *, tally: str = "t1") -> Envelope:
    with transaction.atomic():
        return recorder.emit("tally.added", {"number": number}, stream=("tally", tally))


def emit_several(count: int, *, tally: str = "t1") -> list[Envelope]:
    with transaction.atomic():
        facts = [("tally.added", {"number": number}) for number in range(count)]
        return recorder.emit_many(facts, stream=("tally", tally))


def read_by_position(after: int) -> tuple[list[str], int]:
    page = selectors.feed(after=after, limit=50)
    return [each.event_id for each in page], page[-1].position or 0 if page else after


def read_by_id(after: int) -> tuple[list[str], int]:
    page = list(StoredEvent.objects.filter(id__gt=after).order_by("id")[:50])
    return [each.event_id for each in page], page[-1].id if page else after


class TestSequenceOnce:
    def test_gives_committed_events_dense_positions_in_order(self) -> None:
        emitted = [emit(number) for number in range(3)]

        assert sequencer.sequence_once() == 3

        feed = selectors.feed(after=0)
        assert [each.event_id for each in feed] == [each.event_id for each in emitted]
        assert [each.position for each in feed] == [1, 2, 3]
        assert selectors.head_position() == 3
        assert not Unsequenced.objects.exists()

    def test_goes_on_where_it_stopped(self) -> None:
        for number in range(3):
            emit(number)

        assert [sequencer.sequence_once(limit=2) for _ in range(3)] == [2, 1, 0]
        assert [each.position for each in selectors.feed(after=0)] == [1, 2, 3]

    def test_events_of_one_append_wait_in_one_row_and_are_placed_together(self) -> None:
        several, one, more = emit_several(3), emit(9, tally="t2"), emit_several(2)

        assert Unsequenced.objects.count() == 3
        assert lag().events == 6
        assert invariants.every_event_has_its_place() == []
        assert [sequencer.sequence_once(limit=2) for _ in range(3)] == [3, 3, 0]

        feed = [each.event_id for each in selectors.feed(after=0)]
        assert feed == [each.event_id for each in [*several, one, *more]]
        assert invariants.every_event_has_its_place() == []

    def test_leaves_the_work_to_a_sequencer_that_is_at_it(self) -> None:
        emit(1)
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(2, 0)")
                held.set()
                done.wait(PATIENCE_S)
            connection.close()

        other = threading.Thread(target=hold)
        other.start()
        assert held.wait(PATIENCE_S)
        assert sequencer.sequence_once() == 0
        done.set()
        other.join()
        assert sequencer.sequence_once() == 1

    def test_an_event_that_commits_late_is_placed_after_those_already_read(self) -> None:
        drawn, go = threading.Event(), threading.Event()

        def commit_late() -> None:
            with transaction.atomic():
                recorder.emit("tally.added", {"number": 1}, stream=("tally", "late"))
                drawn.set()
                go.wait(PATIENCE_S)
            connection.close()

        late = threading.Thread(target=commit_late)
        late.start()
        assert drawn.wait(PATIENCE_S)
        emit(2, tally="early")
        sequencer.sequence_once()
        ids, seen = read_by_position(0)
        go.set()
        late.join()
        sequencer.sequence_once()

        first, second = StoredEvent.objects.order_by("id")
        assert ids == [second.event_id]
        assert read_by_position(seen) == ([first.event_id], 2)


class TestReadersUnderLoad:
    """Sixteen writers commit while one reader follows; what has the first id comes late."""

    def follow(
        self,
        at_once: AtOnce,
        read: Callable[[int], tuple[list[str], int]],
    ) -> list[str]:
        seen: list[str] = []
        finished = threading.Barrier(WRITERS + 1)
        drawn, has_read = threading.Event(), threading.Event()

        def write(writer: int) -> None:
            if writer:
                drawn.wait(PATIENCE_S)
            for number in range(COMMITS):
                with transaction.atomic():
                    stream = ("tally", f"t{(writer + number) % 5}")
                    fact = ("tally.added", {"number": number})
                    # Every other one appends two, which wait in one row.
                    recorder.emit_many([fact] * (1 + writer % 2), stream=stream)
                    with connection.cursor() as cursor:  # Some commits take longer.
                        cursor.execute("SELECT pg_sleep(%s)", [0.001 * (writer % 4)])
                    if not drawn.is_set():
                        drawn.set()
                        has_read.wait(PATIENCE_S)

        def party(number: int) -> None:
            if number == WRITERS:
                self.read_until_done(seen, read, has_read, finished)
            else:
                write(number)
                finished.wait()

        at_once(WRITERS + 1, party)
        return seen

    def read_until_done(
        self,
        seen: list[str],
        read: Callable[[int], tuple[list[str], int]],
        has_read: threading.Event,
        finished: threading.Barrier,
    ) -> None:
        after = 0
        while True:
            is_last_round = finished.n_waiting == WRITERS
            sequencer.sequence_once()
            page, after = read(after)
            seen += page
            if page:
                has_read.set()
            if is_last_round and not page:
                finished.wait()
                return

    def test_a_reader_by_position_misses_nothing(self, at_once: AtOnce) -> None:
        seen = self.follow(at_once, read_by_position)

        assert len(seen) == len(set(seen)) == EVENTS
        assert invariants.every_event_has_its_place() == []
        assert invariants.streams_are_gapless() == []

    def test_negative_control_a_reader_by_id_misses_events(self, at_once: AtOnce) -> None:
        seen = self.follow(at_once, read_by_id)

        assert len(set(seen)) < EVENTS


class TestTheProcess:
    """`manage.py sequencer`, a real one."""

    def start(self, **environment: str) -> Forked:
        return fork_server.start(
            "django", "sequencer", environment={**environment_of_the_tests(), **environment}
        )

    def wait_for_head(self, position: int) -> None:
        eventually(lambda: selectors.head_position() >= position)

    def test_follows_commits_and_stops_at_once(self) -> None:
        process = self.start()
        try:
            for number in range(5):
                emit(number)
            self.wait_for_head(5)
        finally:
            process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == 0

    def test_looks_again_unasked_for_those_who_left_out_their_ring(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sequencer, "POLL_SECONDS", POLL_S)
        monkeypatch.setattr(doorbell._committed, "_interval_seconds", 60)
        stop, rounds = threading.Event(), iter([1, 2, 3])
        once = sequencer.sequence_once

        def sequence_once() -> int:
            count = once()
            if next(rounds) == 1:
                emit(2)  # Its ring is left out: emit(1) rang just now.
            elif count:
                stop.set()
            return count

        monkeypatch.setattr(sequencer, "sequence_once", sequence_once)
        emit(1)
        began = time.monotonic()
        sequencer.run_forever(stop)

        assert selectors.head_position() == 2
        assert time.monotonic() - began < POLL_S

    def test_looks_again_after_a_ring_whose_event_it_has_seen_before(
        self, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        monkeypatch.setattr(sequencer, "POLL_SECONDS", POLL_S)
        bell = doorbell._Publisher(interval_seconds=60)
        monkeypatch.setattr(doorbell, "_committed", bell)
        stop, rounds = threading.Event(), iter([1, 2, 3])
        once = sequencer.sequence_once

        def sequence_once() -> int:
            count = once()
            if next(rounds) == 2:
                emit(1)  # Its ring is left out: somebody rang just now.
            elif count:
                stop.set()
            return count

        def ring_late() -> None:
            await_subscriber(settings.REDIS_URL, "committed")
            assert bell.send("committed", "")

        monkeypatch.setattr(sequencer, "sequence_once", sequence_once)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as somebody:
            ringing = somebody.submit(ring_late)
            sequencer.run_forever(stop)

        ringing.result()
        assert selectors.head_position() == 1
        assert time.monotonic() - began < POLL_S

    def test_goes_on_once_its_database_takes_writes_again(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop, once = threading.Event(), sequencer.sequence_once

        def sequence_once() -> int:
            if count := once():
                stop.set()
            return count

        monkeypatch.setattr(sequencer, "sequence_once", sequence_once)
        emit(1)
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")  # Until it connects anew.
        sequencer.run_forever(stop)

        assert selectors.head_position() == 1

    def test_killed_before_its_commit_it_leaves_everything_to_the_next(self) -> None:
        for number in range(30):
            emit(number, tally=f"t{number % 3}")

        killed = self.start(FAILPOINTS="sequencer.before_commit:kill")
        assert killed.wait(PATIENCE_S) == -signal.SIGKILL
        assert not Position.objects.exists()

        killed = self.start(FAILPOINTS="sequencer.after_commit:kill")
        assert killed.wait(PATIENCE_S) == -signal.SIGKILL
        emit(30)
        sequencer.sequence_once()

        assert [each.position for each in selectors.feed(after=0)] == list(range(1, 32))
        assert invariants.every_event_has_its_place() == []

    def test_comes_back_when_its_connection_is_cut(self) -> None:
        process = self.start()
        try:
            emit(1)
            self.wait_for_head(1)
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                assert cursor.rowcount >= 1
            emit(2)
            self.wait_for_head(2)
        finally:
            process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == 0
