from functools import partial
from threading import Barrier, local
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DatabaseError, transaction
from pytest_django import DjangoAssertNumQueries

from events import bus, invariants, recorder, selectors, store, wire
from events.domain.aggregate import Projection
from events.domain.envelope import Category, Envelope, Source
from events.models import Snapshot, StoredEvent
from events.sourcing import executor, states
from events.sourcing.executor import StreamBusy, execute, execute_in_transaction
from tests import tally
from tests.integration.events.conftest import STREAM, AtOnce, somebody_else_adds
from tests.live import PATIENCE_S
from tests.tally import LISTED, TALLY, Add, Close, Tally, TallyIsClosed

pytestmark = pytest.mark.django_db(transaction=True)


class TestExecute:
    def test_records_what_was_decided_and_returns_the_state(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("*", heard.append)

        outcome = execute(TALLY, STREAM, Add(number=2, times=2))

        assert outcome.state == Tally(total=4, latest=(2, 2))
        assert outcome.sequence == 2
        assert heard == list(outcome.envelopes) == selectors.stream_events(STREAM)

    def test_makes_envelopes_only_for_who_asks(
        self, monkeypatch: pytest.MonkeyPatch, no_hooks: None
    ) -> None:
        sealed = Mock(wraps=store.sealed_at)
        monkeypatch.setattr(store, "sealed_at", sealed)

        outcome = execute(TALLY, STREAM, Add(number=2, times=2))

        assert not sealed.called
        assert list(outcome.envelopes) == selectors.stream_events(STREAM)

    def test_is_one_statement_when_the_state_is_known_and_nothing_else_is_to_be_written(
        self, django_assert_num_queries: DjangoAssertNumQueries, no_hooks: None
    ) -> None:
        execute(TALLY, STREAM, Add(number=1))

        with django_assert_num_queries(1):
            execute(TALLY, STREAM, Add(number=1, times=3))

    def test_refuses_and_leaves_nothing(self) -> None:
        execute(TALLY, STREAM, Close())

        with pytest.raises(TallyIsClosed):
            execute(TALLY, STREAM, Add(number=1))

        assert [each.name for each in selectors.stream_events(STREAM)] == ["tally.closed"]

    def test_does_nothing_when_there_is_nothing_to_do(self) -> None:
        execute(TALLY, STREAM, Close())
        called: list[int] = []

        outcome = execute(TALLY, STREAM, Close(), on_success=[lambda: called.append(1)])

        assert (outcome.sequence, outcome.envelopes, called) == (1, (), [1])

    def test_decides_again_on_the_latest_state_when_the_stream_has_moved(self) -> None:
        execute(TALLY, STREAM, Add(number=1))
        somebody_else_adds(10)

        outcome = execute(TALLY, STREAM, Add(number=100))

        assert outcome.state == Tally(total=111, latest=(1, 10, 100))
        assert outcome.sequence == 3

    def test_refuses_on_the_latest_state_only(self) -> None:
        execute(TALLY, STREAM, Add(number=1))
        drafts = [recorder.draft("tally.closed", {}, default=Category.DOMAIN)]
        store.append(STREAM, drafts, recorder.provenance_now(Source.SERVICE))

        with pytest.raises(TallyIsClosed):
            execute(TALLY, STREAM, Add(number=1))

    def test_a_refusal_on_a_stale_state_is_no_refusal(self) -> None:
        """The cache says closed; the log, restored to an earlier day, says open."""
        execute(TALLY, STREAM, Add(number=1))
        open_state = states.cached(TALLY, STREAM)
        assert open_state
        execute(TALLY, STREAM, Close())
        closed = states.cached(TALLY, STREAM)
        assert closed
        with transaction.atomic():
            wire.run("SET LOCAL session_replication_role = replica")
            wire.run("DELETE FROM events_event WHERE sequence = 2")

        outcome = execute(TALLY, STREAM, Add(number=1))

        assert outcome.state == Tally(total=2, latest=(1, 1))

    def test_runs_callbacks_once_after_commit_however_often_it_decides(self) -> None:
        execute(TALLY, STREAM, Add(number=1))
        somebody_else_adds(10)
        decisions: list[int] = []
        called: list[str] = []

        def decide(state: Tally, command: tally.Command) -> Any:
            decisions.append(state.total)
            return tally.decide(state, command)

        def note(text: str) -> None:
            assert not wire.connection().in_atomic_block
            called.append(text)

        thoughtful = tally.aggregate(decide=decide)
        states.remember(thoughtful, STREAM, states.fresh(TALLY, STREAM))
        somebody_else_adds(20)
        execute(thoughtful, STREAM, Add(number=5), on_success=[partial(note, "given")])

        assert decisions == [11, 31]
        assert called == ["given"]

    def test_queues_before_deciding_where_it_lost_a_race_lately(self) -> None:
        decisions: list[int] = []

        def decide(state: Tally, command: tally.Command) -> Any:
            decisions.append(state.total)
            return tally.decide(state, command)

        thoughtful = tally.aggregate(decide=decide)
        execute(thoughtful, STREAM, Add(number=1))
        for _ in range(2):
            somebody_else_adds(10)
            execute(thoughtful, STREAM, Add(number=1))

        assert decisions == [0, 1, 11, 22]

    def test_threads_that_lose_to_each_other_take_turns_and_see_no_rival_elsewhere(
        self, at_once: AtOnce, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = ("tally", "nobody wrote it lately")
        everybody, first = Barrier(16), local()
        queued = Mock(wraps=executor._queued)
        monkeypatch.setattr(executor, "_queued", queued)

        def decide(state: Tally, command: tally.Command) -> Any:
            if not hasattr(first, "decision"):
                first.decision = True
                everybody.wait(PATIENCE_S)
            return tally.decide(state, command)

        thoughtful = tally.aggregate(decide=decide)
        at_once(16, lambda _: execute(thoughtful, stream, Add(number=1)))

        assert states.fresh(TALLY, stream).state.total == 16
        assert not queued.called

    def test_a_failing_callback_harms_neither_the_caller_nor_the_next(self) -> None:
        called: list[str] = []

        def fail(_: str) -> None:
            raise ZeroDivisionError

        execute(
            TALLY,
            STREAM,
            Add(number=1),
            on_success=[partial(fail, "first"), partial(called.append, "second")],
        )

        assert called == ["second"]
        assert len(selectors.stream_events(STREAM)) == 1

    def test_refuses_to_be_nested_in_a_transaction(self) -> None:
        with (
            pytest.raises(RuntimeError, match="durable"),
            transaction.atomic(),
        ):
            execute(TALLY, STREAM, Add(number=1))

        assert not StoredEvent.objects.exists()

    def test_gives_up_after_a_bounded_number_of_lost_races(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        attempts: list[int] = []

        def deadlock(*_: Any, **__: Any) -> None:
            attempts.append(1)
            wire.run("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")

        monkeypatch.setattr(executor, "JITTER_SECONDS", 0)
        bus.before_commit("tally.added", deadlock)

        with pytest.raises(StreamBusy):
            execute(TALLY, STREAM, Add(number=1))

        assert len(attempts) == executor.ATTEMPTS_MAX
        assert not StoredEvent.objects.exists()

    def test_retries_a_serialization_failure_and_no_other_error(self) -> None:
        codes = iter(["40001", "22012"])

        def fail(_: Envelope) -> None:
            code = next(codes)
            wire.run(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")

        bus.before_commit("tally.added", fail)

        with pytest.raises(DatabaseError):
            execute(TALLY, STREAM, Add(number=1))

        assert next(codes, None) is None

    def test_many_writers_of_one_stream_all_succeed_and_leave_no_gap(self, at_once: AtOnce) -> None:
        called: list[int] = []

        def add(number: int) -> None:
            for _ in range(4):
                command = Add(number=1, times=2)
                execute(TALLY, STREAM, command, on_success=[partial(called.append, number)])

        at_once(16, add)

        assert states.fresh(TALLY, STREAM).state.total == 128
        assert invariants.streams_are_gapless() == []
        assert len(called) == 64


@pytest.mark.usefixtures("tally_table")
class TestProjection:
    def test_writes_list_rows_with_the_events_or_not_at_all(self) -> None:
        execute(LISTED, STREAM, Add(number=3))
        failing = tally.aggregate(project=_project_and_fail, rows=tally.rows, clear=tally.clear)

        with pytest.raises(ZeroDivisionError):
            execute(failing, STREAM, Add(number=4))

        assert tally.rows(STREAM) == [["t1", 3]]
        assert len(selectors.stream_events(STREAM)) == 1

    def test_sees_the_change_and_may_ask_to_be_called_after_commit(self) -> None:
        seen: list[Projection[Tally]] = []
        called: list[bool] = []

        def project(projection: Projection[Tally]) -> None:
            seen.append(projection)
            projection.on_success(lambda: called.append(wire.connection().in_atomic_block))

        listed = tally.aggregate(project=project, rows=tally.rows, clear=tally.clear)
        outcome = execute(listed, STREAM, Add(number=3, times=2))

        [projection] = seen
        assert (projection.before.total, projection.after.total) == (0, 6)
        assert projection.envelopes == outcome.envelopes
        assert called == [False]

    def test_writers_at_the_same_instant_leave_the_rows_a_replay_leaves(
        self, at_once: AtOnce
    ) -> None:
        executor.register(LISTED)

        at_once(8, lambda number: execute(LISTED, STREAM, Add(number=number + 1)))

        assert tally.rows(STREAM) == [["t1", 36]]
        assert invariants.projections_equal_replay() == []


class TestExecuteInTransaction:
    def test_shares_the_fate_of_the_transaction_of_its_caller(self) -> None:
        called: list[int] = []

        with transaction.atomic():
            execute_in_transaction(
                TALLY, STREAM, Add(number=1), on_success=[lambda: called.append(1)]
            )
            second = execute_in_transaction(TALLY, STREAM, Add(number=2))
            transaction.set_rollback(True)

        assert second.state.total == 3
        assert called == []
        assert selectors.stream_events(STREAM) == []
        assert execute(TALLY, STREAM, Add(number=5)).state.total == 5

    def test_believes_no_cached_state_of_another_past(self) -> None:
        execute(TALLY, STREAM, Add(number=1))
        stray = states.Reached(state=Tally(total=99), sequence=1, event_id="evt_of_another_past")
        states.remember(TALLY, STREAM, stray)

        with transaction.atomic():
            outcome = execute_in_transaction(TALLY, STREAM, Add(number=2))
        assert outcome.state.total == 3

    def test_refuses_without_a_transaction(self) -> None:
        with pytest.raises(recorder.NoTransaction):
            execute_in_transaction(TALLY, STREAM, Add(number=1))


class TestSnapshots:
    def test_are_taken_every_so_many_events_and_spare_the_replay(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(6):
            execute(TALLY, STREAM, Add(number=1, times=2))
        states.forget_all()
        assert Snapshot.objects.get().sequence == 10

        # The snapshot and what came after it, in one; a state known to be as of 10 is trusted.
        with django_assert_num_queries(1):
            reached = states.fresh(TALLY, STREAM)

        assert (reached.state.total, reached.sequence) == (12, 12)
        Snapshot.objects.update(state='{"total": 90, "latest": [], "is_closed": false}')
        states.forget_all()
        assert states.fresh(TALLY, STREAM).state.total == 92

    def test_are_taken_less_often_of_a_state_of_many_parts(self) -> None:
        large = tally.aggregate(weigh=lambda _state: 40)
        for _ in range(13):
            execute(large, STREAM, Add(number=1, times=2))

        assert Snapshot.objects.get().sequence == 20

    @pytest.mark.parametrize("chunk", [1, 2, 3, 4])
    def test_are_followed_by_all_that_came_after(
        self, chunk: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(6):
            execute(TALLY, STREAM, Add(number=1, times=2))
        states.forget_all()
        monkeypatch.setattr(store, "CHUNK_EVENTS", chunk)

        reached = states.fresh(TALLY, STREAM)

        assert (reached.state.total, reached.sequence) == (12, 12)

    def test_that_are_not_there_cost_no_question(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        execute(TALLY, STREAM, Add(number=1, times=3))
        states.forget_all()

        with django_assert_num_queries(1):
            reached = states.fresh(TALLY, STREAM)

        assert (reached.state.total, reached.sequence) == (3, 3)

    @pytest.mark.parametrize("chunk", [1, 2, 3])
    def test_that_are_not_there_leave_out_no_event(
        self, chunk: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        execute(TALLY, STREAM, Add(number=1, times=3))
        states.forget_all()
        monkeypatch.setattr(store, "CHUNK_EVENTS", chunk)

        assert states.fresh(TALLY, STREAM).state.total == 3

    def test_of_other_code_do_not_count(self) -> None:
        execute(TALLY, STREAM, Add(number=1, times=5))
        Snapshot.objects.update(code="of yesterday", state='{"total": 99}')
        states.forget_all()

        assert states.fresh(TALLY, STREAM).state.total == 5

    def test_of_another_past_do_not_count(self) -> None:
        other = '{"total": 99, "latest": [], "is_closed": false}'
        execute(TALLY, STREAM, Add(number=1, times=5))
        Snapshot.objects.update(event_id="evt_of_another_past", state=other)
        states.forget_all()

        assert states.fresh(TALLY, STREAM).state.total == 5

    def test_may_be_dropped_at_any_time(self) -> None:
        execute(TALLY, STREAM, Add(number=1, times=5))
        Snapshot.objects.all().delete()
        states.forget_all()

        assert execute(TALLY, STREAM, Add(number=1)).state.total == 6


class TestStreamMoved:
    def test_says_where_the_stream_is(self) -> None:
        somebody_else_adds(1)
        drafts = [recorder.draft("tally.closed", {}, default=Category.DOMAIN)]

        with pytest.raises(store.StreamMoved) as refusal:
            store.append(STREAM, drafts, recorder.provenance_now(Source.SERVICE), expected=7)

        assert str(refusal.value) == "Stream tally/t1/ is at 1, not at 7."
        assert refusal.value.facts == {"stream": ["tally", "t1"], "expected": 7, "actual": 1}


def _project_and_fail(projection: Projection[Tally]) -> None:
    tally.project(projection)
    raise ZeroDivisionError
