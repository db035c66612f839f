"""Wait steps and the feed: no event is missed, none is taken twice, nobody else pays."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.integration.workflows.flows.conftest import flow, follow, later, wind, work_off
from tests.live import eventually, sequence
from workflows.flows import following, services
from workflows.flows.domain.errors import StepInvalid
from workflows.flows.domain.step import Script
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.languages import allowance
from workflows.flows.models import AwaitedEvent, FeedCursor
from workflows.flows.steps import feed_cursor, waiting
from workflows.work.models import Work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("weather")]

ROSE = {"speed": {"role": "output"}}


def register(**wait: Any) -> None:
    definition = {"id": "wait", "name": "Wait", "type": "wait", "attributes": ROSE, "wait": wait}
    services.register_step(step=step_from_json(definition))


def start(flow_id: str = "trip") -> None:
    services.start_flow(flow_id=flow_id, goals=["wait"], init={})


def speed_of(flow_id: str = "trip") -> Any:
    return (flow(flow_id).executions["wait"].outputs or {}).get("speed")


def test_is_for_an_event_that_somebody_declares() -> None:
    with pytest.raises(StepInvalid) as refused:
        register(event="wind.rise")

    assert str(refused.value).startswith(
        "No event called wind.rise is declared; did you mean wind.rose"
    )
    assert refused.value.pointer == "/wait/event"
    assert engine.catalog().steps == {}


def test_ends_with_the_first_event_after_it_began() -> None:
    register(event="wind.rose")
    wind(1)
    start()
    work_off()
    wind(2)
    wind(3)

    follow()
    work_off()

    assert speed_of() == 2
    assert not AwaitedEvent.objects.exists()


def test_misses_no_event_that_comes_before_a_worker_has_begun() -> None:
    register(event="wind.rose")
    start("first")
    work_off()  # So that somebody waits, and the feed is read.
    start()
    wind(2)
    follow()

    work_off()

    assert speed_of() == 2


def test_misses_no_event_that_has_no_position_yet() -> None:
    register(event="wind.rose")
    start()
    wind(2)
    work_off()
    assert speed_of() is None

    follow()
    work_off()

    assert speed_of() == 2


def test_nobody_reads_past_who_is_just_beginning_to_wait() -> None:
    register(event="wind.rose")
    start("first")
    work_off()
    start()
    sequence()
    [begin] = Work.objects.filter(subject="flow/trip", kind="flow.invoke")
    wind(2)
    sequence()
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            feed_cursor.lock_shared()
            reading = pool.submit(_follow_alone)
            eventually(somebody_waits_for_a_lock)
            assert not reading.done()
        reading.result()
    assert begin.status == "ready"

    work_off()

    assert (speed_of("first"), speed_of()) == (2, 2)


def _follow_alone() -> None:
    try:
        while following.follow():
            pass
    finally:
        connection.close()


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        # Within a transaction the view stays as it was first seen.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        # Of those who work on this database: others have theirs on the same server.
        cursor.execute(
            "SELECT count(*) FROM pg_locks wanted WHERE NOT granted AND EXISTS ("
            "  SELECT FROM pg_locks JOIN pg_database d ON d.oid = database"
            "   WHERE pid = wanted.pid AND d.datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def test_two_readers_offer_an_event_once() -> None:
    register(event="wind.rose")
    start()
    work_off()
    wind(2)
    sequence()

    with ThreadPoolExecutor(2) as pool:
        for reading in [pool.submit(_follow_alone) for _ in range(2)]:
            reading.result()

    assert Work.objects.filter(kind="flow.waited").count() == 1


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("jpath", "$[?@ > 5]"),
        ("ale", "(> (:speed value) 5)"),
        ("lua", "return value.speed > 5"),
    ],
)
def test_takes_only_what_its_filter_accepts(language: str, text: str) -> None:
    register(event="wind.rose", filter={"language": language, "script": text})
    start()
    work_off()

    for speed in (3, 7):
        wind(speed)
        follow()
        work_off()

    assert speed_of() == 7


def test_goes_by_its_time_when_no_event_comes() -> None:
    register(event="wind.rose", for_ms=1000)
    start()
    work_off()

    later(seconds=1.1)
    work_off()

    assert flow("trip").status == "completed"
    assert not AwaitedEvent.objects.exists()


def test_counts_its_time_from_its_start_however_late_a_worker_comes() -> None:
    register(for_ms=60_000)
    start()
    began = flow("trip").executions["wait"].started_at
    later(seconds=40)

    work_off()

    [timer] = Work.objects.filter(kind="flow.waited")
    assert began is not None
    assert timer.due_at == began + timedelta(seconds=60)


def test_is_offered_with_all_others_by_one_look_at_when_they_began() -> None:
    register(event="wind.rose")
    for number in range(5):
        start(f"trip-{number}")
    work_off()
    for speed in range(3):
        wind(speed)
    sequence()

    with CaptureQueriesContext(connection) as reading:
        follow()

    looks = [one for one in reading.captured_queries if "AS w (stream, sequence" in one["sql"]]
    assert len(looks) == 1
    assert Work.objects.filter(kind="flow.waited").count() == 5
    work_off()
    assert [speed_of(f"trip-{number}") for number in range(5)] == [0] * 5


def test_forgets_what_nobody_waits_for_any_more() -> None:
    register(event="wind.rose")
    start()
    work_off()

    services.cancel_flow(flow_id="trip", reason="no wind", compensates=False)

    assert flow("trip").is_over
    assert not AwaitedEvent.objects.exists()


def test_costs_the_emitter_nothing() -> None:
    register(event="wind.rose")
    start()
    work_off()

    with CaptureQueriesContext(connection) as emitting:
        wind()

    assert not [one["sql"] for one in emitting.captured_queries if "flows_" in one["sql"]]


def test_the_feed_is_not_read_while_nobody_waits(django_assert_num_queries: Any) -> None:
    register(event="wind.rose")
    start()
    work_off()
    wind()
    follow()
    work_off()
    place = FeedCursor.objects.get().position
    wind()
    sequence()

    with django_assert_num_queries(1):
        assert following.follow() == 0

    assert FeedCursor.objects.get().position == place


def test_leaves_filters_to_the_work_once_those_of_a_batch_have_taken_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "BATCH_SECONDS_MAX", allowance.CONDITION_SECONDS_MAX)
    takes_some_time = Script(language="ale", text="(eq (length (range 1000)) 1)")
    filters = waiting.BatchFilters()

    answers = [filters.accepts(takes_some_time, {}) for _ in range(3)]

    assert answers == [False, None, None]


def test_takes_only_what_its_filter_accepts_also_when_it_is_left_to_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "BATCH_SECONDS_MAX", 0.0)
    register(event="wind.rose", filter={"language": "ale", "script": "(> (:speed value) 5)"})
    start()
    work_off()

    for speed in (3, 7):
        wind(speed)
        follow()

    assert Work.objects.filter(kind="flow.waited").count() == 2
    work_off()
    assert speed_of() == 7
