"""Flows of one process that are ready at the same time are written in one commit."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from events import context, group_commit, selectors
from events.domain.errors import DomainError
from events.domain.principal import SYSTEM
from events.domain.streams import key_of
from events.sourcing import states
from ledger.models import Entry
from tests.integration.ledger.test_statements import assert_columns_say_what_the_body_says
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.live import eventually
from tests.support.writing_together import NAMES, SHARED, all_writing_at_once, start_flows
from workflows.flows import services
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.execution import aggregates, engine
from workflows.flows.steps import callables
from workflows.work import runner
from workflows.work.models import Attempt, EveryAttempt, Work

pytestmark = pytest.mark.django_db(transaction=True)

FLOWS = [f"trip{number}" for number in range(5)]


@pytest.fixture(autouse=True)
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Callable[[], object]]]:
    """What happens while the first step of that flow is under way."""
    happens: dict[str, Callable[[], object]] = {}

    def first(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        happens.pop(inputs["flow"], lambda: None)()
        return {"first": 1}

    callables.step_function("first")(first)
    callables.step_function("second")(lambda _inputs: {"second": 2})
    # Only a test that says so is impatient.
    monkeypatch.setattr(group_commit, "PATIENCE_S", 30)
    yield happens
    for name in NAMES:
        callables._registered.pop(name)


@pytest.fixture
def flows() -> list[str]:
    """Five flows of two steps, of which nothing was done yet."""
    return start_flows(FLOWS)


def transactions_of(name: str) -> int:
    """Return how many transactions wrote the events of that name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(DISTINCT xmin::text) FROM events_event "
            "WHERE name = 'step_completed' AND data::json ->> 'step_id' = %s",
            [name],
        )
        return int(cursor.fetchone()[0])


def statuses() -> dict[str, str]:
    return {flow_id: flow(flow_id).status.value for flow_id in FLOWS}


class TestFlowsThatAreReadyTogether:
    def test_share_one_commit(self, flows: list[str]) -> None:
        with all_writing_at_once(flows):
            pass

        assert set(statuses().values()) == {"completed"}
        assert transactions_of("first") == 1
        assert list(EveryAttempt.objects.values_list("outcome", flat=True)) == ["done"] * 10
        assert not Attempt.objects.exists()

    def test_write_down_the_success_of_what_was_claimed_before(self, flows: list[str]) -> None:
        Work.objects.filter(subject="flow/trip3").update(attempt=1, fence=1)

        with all_writing_at_once(flows):
            pass

        [written] = Attempt.objects.all()
        assert (written.work.subject, written.attempt, written.fence) == ("flow/trip3", 2, 2)
        assert written.outcome == "done"

    def test_record_what_they_would_record_alone(self, flows: list[str]) -> None:
        runner.take([Work.objects.get(subject="flow/trip0").id], worker="w")

        with all_writing_at_once(flows[1:]):
            pass

        alone, *together = (story(flow_id) for flow_id in flows)
        assert together == [alone] * 4
        alone, *together = (rows(flow_id) for flow_id in flows)
        assert together == [alone] * 4

    def test_are_written_over_one_connection_whoever_writes(self, flows: list[str]) -> None:
        for some in (flows[:2], flows[2:]):
            with all_writing_at_once(some):
                pass

        assert set(statuses().values()) == {"completed"}
        [writer] = writers_for_several()
        assert writer != own_server_process()

    def test_are_written_together_again_after_the_connection_was_lost(
        self, flows: list[str]
    ) -> None:
        with all_writing_at_once(flows[:2]):
            pass
        [lost] = writers_for_several()
        end_server_process(lost)

        with all_writing_at_once(flows[2:4]):
            pass
        assert {flow(flow_id).status.value for flow_id in flows[:4]} == {"completed"}
        services.start_flow(flow_id="trip9", goals=["second"], init={})
        with all_writing_at_once([flows[4], "trip9"]):
            pass
        assert [one for one in writers_for_several() if one != lost]


def one_of(sql: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [value for (value,) in cursor.fetchall()]


def writers_for_several() -> list[int]:
    """Return the server processes whose last statement wrote for several."""
    return one_of(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND query LIKE %s AND pid <> pg_backend_pid()",
        SHARED,
    )


def own_server_process() -> int:
    [pid] = one_of("SELECT pg_backend_pid()")
    return int(pid)


def end_server_process(pid: int) -> None:
    assert one_of("SELECT pg_terminate_backend(%s, 5000)", pid) == [True]


class TestFlowsThatStartTogether:
    def test_share_one_commit_with_their_entries(self, flows: list[str]) -> None:
        start("alone")

        started = start_at_once(["a", "b", "c"])

        assert started == {"a": None, "b": None, "c": None}
        assert len(transactions_of_starts("a", "b", "c")) == 1
        alone, *together = (story(flow_id) for flow_id in ("alone", "a", "b", "c"))
        assert together == [alone] * 3
        alone, *together = (rows(flow_id) for flow_id in ("alone", "a", "b", "c"))
        assert together == [alone] * 3
        entries = Entry.objects.filter(action_name="flow.start", target_id__in=["a", "b", "c"])
        for entry in entries:
            assert_columns_say_what_the_body_says(entry.pk)
        assert sorted(entry.target_id for entry in entries) == ["a", "b", "c"]

    def test_are_written_with_results_of_others(self, flows: list[str]) -> None:
        with all_writing_at_once(flows[:2], beside=lambda: start("beside")):
            pass

        assert {flow(flow_id).status.value for flow_id in flows[:2]} == {"completed"}
        assert transactions_of_starts("beside") == one_of(
            "SELECT DISTINCT xmin::text FROM events_event WHERE name = 'step_completed' "
            "AND data::json ->> 'step_id' = %s",
            "first",
        )

    def test_harm_no_other_if_one_cannot(self, flows: list[str]) -> None:
        start("holder", concurrency_key="k")

        started = start_at_once(["a", "b", "c"], b={"concurrency_key": "k"})

        assert started == {"a": None, "b": "flow_busy", "c": None}
        assert engine.flow("b") is None
        assert Entry.objects.filter(target_id="b").count() == 0

    def test_are_planned_anew_if_the_catalog_was_changed_elsewhere(self, flows: list[str]) -> None:
        stream = aggregates.CATALOG_STREAM
        known = states.cached(aggregates.CATALOG, stream)
        assert known is not None
        services.unregister_step(step_id="second")
        states.remember(aggregates.CATALOG, stream, known)

        assert start_at_once(["a", "b"]) == {"a": "goals_not_found", "b": "goals_not_found"}

        assert engine.flow("a") is None
        assert Entry.objects.filter(target_id__in=["a", "b"]).count() == 0


def start(flow_id: str, **options: Any) -> None:
    services.start_flow(flow_id=flow_id, goals=["second"], init={}, options=options)


def start_at_once(flow_ids: list[str], **options: dict[str, Any]) -> dict[str, str | None]:
    """Start flows that all come to be written while this thread writes; return the refusals."""
    refused: dict[str, str | None] = dict.fromkeys(flow_ids)

    def do(flow_id: str) -> None:
        try:
            with context.acting(SYSTEM):
                start(flow_id, **options.get(flow_id, {}))
        except DomainError as why:
            refused[flow_id] = why.code
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=[flow_id]) for flow_id in flow_ids]
    with group_commit.group.turn("", "", lambda: group_commit.Joint(parts={})):
        for thread in threads:
            thread.start()
        eventually(lambda: len(group_commit.group._waiting) == len(threads))
    for thread in threads:
        thread.join(timeout=60)
    return refused


def transactions_of_starts(*flow_ids: str) -> list[Any]:
    """Return the transactions that wrote the first events of flows, and their entries."""
    streams = [key_of(aggregates.stream_of(flow_id)) for flow_id in flow_ids]
    return one_of(
        "SELECT xmin::text FROM events_event WHERE stream = ANY (%s) "
        "UNION SELECT xmin::text FROM ledger_entry WHERE target_id = ANY (%s)",
        streams,
        list(flow_ids),
    )


class TestOneThatCannotBeWritten:
    def test_because_its_claim_was_lost_harms_no_other(
        self, flows: list[str], meanwhile: dict[str, Callable[[], object]]
    ) -> None:
        with all_writing_at_once(flows):
            Work.objects.filter(subject="flow/trip3").update(fence=7)

        assert statuses() == {**dict.fromkeys(FLOWS, "completed"), "trip3": "active"}
        outcomes = EveryAttempt.objects.filter(work__subject="flow/trip3").values_list("outcome")
        assert list(outcomes) == [("stale",)]
        assert "work_succeeded" not in [event.name for event in events_of("trip3")]

    def test_because_its_flow_was_changed_elsewhere_is_decided_again(
        self, flows: list[str]
    ) -> None:
        with all_writing_at_once(flows):
            stream = aggregates.stream_of("trip2")
            known = states.cached(aggregates.FLOWS, stream)
            assert known is not None
            services.pause_flow(flow_id="trip2", reason="lunch")
            states.remember(aggregates.FLOWS, stream, known)

        assert statuses() == {**dict.fromkeys(FLOWS, "completed"), "trip2": "active"}
        services.resume_flow(flow_id="trip2")
        work_off()
        assert flow("trip2").status == FlowStatus.COMPLETED

    def test_because_somebody_holds_its_stream_holds_up_no_other(self, flows: list[str]) -> None:
        key = key_of(aggregates.stream_of("trip1"))
        settings = connection.get_connection_params()
        wanted = {name: settings[name] for name in ("host", "dbname", "user") if name in settings}
        with psycopg.connect(**wanted) as elsewhere:
            elsewhere.execute("SELECT pg_advisory_xact_lock(1, hashtext(%s))", [key])
            with all_writing_at_once(flows):
                release = threading.Thread(target=release_when_others_are_done, args=[elsewhere])
                release.start()
            release.join(timeout=60)

        assert set(statuses().values()) == {"completed"}


def release_when_others_are_done(elsewhere: psycopg.Connection[Any]) -> None:
    try:
        eventually(lambda: list(statuses().values()).count("completed") == len(FLOWS) - 1)
        assert statuses()["trip1"] == "active"
    finally:
        elsewhere.rollback()
        connections.close_all()


class TestWhoWaits:
    def test_writes_alone_when_the_other_takes_too_long(
        self, flows: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(group_commit, "PATIENCE_S", 0)
        with group_commit.group.turn("", "", lambda: group_commit.Joint(parts={})):
            thread = threading.Thread(target=work_off_and_leave)
            thread.start()
            thread.join(timeout=60)
            assert not thread.is_alive()

        assert set(statuses().values()) == {"completed"}


def work_off_and_leave() -> None:
    try:
        work_off()
    finally:
        connections.close_all()


_KEPT = ("kind", "queue", "status", "attempt", "fence", "failures", "crashes", "max_attempts",
         "crash_budget", "leased_by", "rings", "reason", "lease_until")  # fmt: skip


def rows(flow_id: str) -> list[tuple[Any, ...]]:
    return list(Work.objects.filter(subject=f"flow/{flow_id}").order_by("id").values_list(*_KEPT))


def events_of(flow_id: str) -> list[Any]:
    return list(selectors.stream_events(("flow", flow_id)))


def story(flow_id: str) -> list[tuple[Any, ...]]:
    """Return what was recorded of a flow, but for what is its own."""
    return [
        (one.sequence, one.name, one.category, one.source, one.version, sorted(one.data))
        for one in events_of(flow_id)
    ]
