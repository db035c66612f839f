import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries, Settings

from events import bus, context, explore, recorder, selectors, store, wire
from events.domain.catalogue import EventDataInvalid, EventNotDeclared
from events.domain.envelope import Category, Envelope, Source
from events.domain.event_filter import EventFilter
from events.domain.payload import INLINE_BYTES_MAX, EventDataNotJson
from events.domain.principal import Principal, PrincipalKind
from events.models import Payload, StoredEvent, Unsequenced

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
STREAM = ("tally", "t1")
ALICE = Principal(kind=PrincipalKind.USER, id="7")

AtOnce = Callable[[int, Callable[[int], Envelope]], list[Envelope]]


@pytest.mark.django_db(transaction=True)
class TestEmit:
    def test_records_the_fact_with_its_context_and_tells_the_bus_after_commit(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("tally.added", heard.append)

        with (
            context.acting(ALICE, correlation_id="cor_1", causation_id="act_1"),
            transaction.atomic(),
        ):
            emitted = recorder.emit("tally.added", {"number": 3}, stream=STREAM, at=NOON)
            assert heard == []

        assert heard == [emitted] == selectors.stream_events(STREAM)
        assert emitted.as_json() == {
            "name": "tally.added",
            "data": {"number": 3},
            "metadata": {
                "category": "domain",
                "source": "service",
                "eventId": emitted.event_id,
                "version": 1,
                "correlationId": "cor_1",
                "causationId": "act_1",
                "principal": {"kind": "user", "id": "7"},
                "stream": ["tally", "t1"],
                "sequence": 1,
            },
            "emittedAt": "2026-08-22T12:00:00Z",
        }

    def test_is_one_statement(
        self, django_assert_num_queries: DjangoAssertNumQueries, no_hooks: None
    ) -> None:
        with transaction.atomic(), django_assert_num_queries(1):
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)

    def test_records_many_facts_in_order_with_one_statement(
        self, django_assert_num_queries: DjangoAssertNumQueries, no_hooks: None
    ) -> None:
        heard: list[Envelope] = []
        bus.subscribe("tally.added", heard.append)
        facts = [("tally.added", {"number": number}) for number in (3, 1, 2)]

        with transaction.atomic(), django_assert_num_queries(1):
            emitted = recorder.emit_many(facts, stream=STREAM)
            assert heard == []

        assert heard == emitted == selectors.stream_events(STREAM)
        assert [(one.sequence, one.data["number"]) for one in emitted] == [(1, 3), (2, 1), (3, 2)]

    def test_records_none_of_many_when_one_is_wrong(self, no_hooks: None) -> None:
        numbers: list[Any] = [1, "one"]
        facts = [("tally.added", {"number": number}) for number in numbers]

        with transaction.atomic():
            with pytest.raises(EventDataInvalid):
                recorder.emit_many(facts, stream=STREAM)
            assert recorder.emit_many([], stream=STREAM) == []

        assert selectors.stream_events(STREAM) == []

    def test_leaves_and_tells_nothing_after_a_rollback(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("*", heard.append)

        with transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)
            transaction.set_rollback(True)

        assert heard == []
        assert selectors.stream_events(STREAM) == []
        assert not Unsequenced.objects.exists()

    def test_leaves_and_tells_nothing_of_a_rolled_back_savepoint(self) -> None:
        heard: list[int] = []
        bus.subscribe("*", lambda envelope: heard.append(envelope.data["number"]))

        with transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)
            with transaction.atomic():
                recorder.emit("tally.added", {"number": 2}, stream=STREAM)
                transaction.set_rollback(True)
            recorder.emit("tally.added", {"number": 3}, stream=STREAM)

        assert heard == [1, 3]
        assert [e.sequence for e in selectors.stream_events(STREAM)] == [1, 2]

    def test_refuses_outside_a_transaction(self) -> None:
        with pytest.raises(recorder.NoTransaction) as refusal:
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)
        with pytest.raises(recorder.NoTransaction):
            recorder.emit_many([("tally.added", {"number": 1})], stream=STREAM)

        assert "there is emit_now" in str(refusal.value)
        assert not StoredEvent.objects.exists()

    def test_refuses_a_source_that_is_none_and_a_time_without_a_zone(self) -> None:
        with transaction.atomic():
            with pytest.raises(ValueError, match="gossip"):
                recorder.emit("tally.closed", {}, stream=STREAM, source="gossip")  # type: ignore[arg-type]
            with pytest.raises(AssertionError, match="needs a zone"):
                recorder.emit("tally.closed", {}, stream=STREAM, at=NOON.replace(tzinfo=None))

        assert not StoredEvent.objects.exists()

    def test_says_a_deterministic_fact_once(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("*", heard.append)

        with transaction.atomic():
            first = recorder.emit("tally.added", {"number": 1}, stream=STREAM, event_id="evt_t1")
        with transaction.atomic():
            again = recorder.emit("tally.added", {"number": 9}, stream=STREAM, event_id="evt_t1")

        assert again == first
        assert heard == [first]
        assert selectors.stream_events(STREAM) == [first]

    def test_says_a_deterministic_fact_once_to_writers_at_the_same_instant(
        self, at_once: AtOnce
    ) -> None:
        def emit(number: int) -> Envelope:
            with transaction.atomic():
                return recorder.emit(
                    "tally.added", {"number": number}, stream=STREAM, event_id="evt_t1"
                )

        emitted = at_once(8, emit)

        assert selectors.stream_events(STREAM) == [emitted[0]]
        assert all(envelope == emitted[0] for envelope in emitted)

    @pytest.mark.parametrize(
        ("name", "stream"), [("tally.closed", STREAM), ("tally.added", ("tally", "t2"))]
    )
    def test_refuses_an_event_id_that_names_another_fact(
        self, name: str, stream: tuple[str, ...]
    ) -> None:
        with transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM, event_id="evt_t1")

        with pytest.raises(recorder.EventIdTaken), transaction.atomic():
            recorder.emit(name, {"number": 1}, stream=stream, event_id="evt_t1")

    def test_runs_hooks_in_the_transaction_whose_fate_they_share(self) -> None:
        def hook(envelope: Envelope) -> None:
            assert envelope.sequence == 1
            raise ZeroDivisionError

        bus.before_commit("tally.*", hook)

        with pytest.raises(ZeroDivisionError), transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)

        assert not StoredEvent.objects.exists()

    @pytest.mark.parametrize("is_one", [True, False], ids=["one", "many"])
    def test_tells_a_hook_the_rows_that_it_asked_for(self, is_one: bool) -> None:  # noqa: FBT001
        published: list[tuple[str, list[wire.Row]]] = []

        def asks(name: str) -> wire.Statement:
            return "SELECT %(name)s::text", {"name": name}

        def note(envelope: Envelope, rows: list[wire.Row]) -> None:
            published.append((envelope.name, rows))

        bus.before_commit_asking("tally.*", note, asks=asks)
        with transaction.atomic():
            if is_one:
                first: wire.Statement = ("SELECT 'not for the hook'", {})
                recorder.emit("tally.added", {"number": 1}, stream=STREAM, first=[first])
            else:
                recorder.emit_many([("tally.added", {"number": 1})], stream=STREAM)

        assert published == [("tally.added", [("tally.added",)])]

    def test_says_before_it_what_it_reports(self) -> None:
        with transaction.atomic():
            wire.run("CREATE TEMPORARY TABLE written ON COMMIT DROP AS SELECT 1 AS number")
            write: wire.Statement = ("INSERT INTO written VALUES (%(number)s::int)", {"number": 2})
            recorder.emit("tally.added", {"number": 1}, stream=STREAM, first=[write])

            assert wire.run("SELECT number FROM written").fetchall() == [(1,), (2,)]

    def test_is_not_recorded_if_what_it_reports_is_refused(self) -> None:
        refused: wire.Statement = ("SELECT 1 / %(n)s::int", {"n": 0})

        with pytest.raises(DataError), transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM, first=[refused])

        assert not StoredEvent.objects.exists()

    def test_announces_an_internal_fact_without_a_stream_and_records_nothing(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("*", heard.append)

        with transaction.atomic():
            emitted = recorder.emit("tally.looked_at", {}, source=Source.ROUTE)

        assert heard == [emitted]
        assert (emitted.category, emitted.sequence) == (Category.INTERNAL, None)
        assert not StoredEvent.objects.exists()

    def test_refuses_a_domain_event_without_a_stream(self) -> None:
        with pytest.raises(recorder.DomainEventWithoutStream), transaction.atomic():
            recorder.emit("tally.added", {"number": 1})

    def test_puts_a_large_payload_aside_once_and_reads_it_back(self) -> None:
        text = "ü" * INLINE_BYTES_MAX
        data = {"number": 1, "text": text}
        recorded = StoredEvent.objects.order_by("sequence")

        with transaction.atomic():
            recorder.emit("tally.closed", data, stream=STREAM)
            recorder.emit("tally.closed", data, stream=STREAM)

        assert Payload.objects.count() == 1
        assert [row.data for row in recorded] == [None, None]
        assert [e.data for e in selectors.stream_events(STREAM)] == [data, data]
        with transaction.atomic():
            stored = [*store.history(STREAM), *store.history(STREAM, queued=True)]
        assert [json.loads(text) for *_, text, _ in stored] == [data] * 4
        assert [sequence for sequence, *_ in store.history(STREAM, limit=1)] == [1]
        sought = EventFilter(("tally.closed",), "text", [text])
        assert [e.data for e in explore.picked(STREAM, [sought], after=1, limit=9)] == [data]

    @pytest.mark.parametrize(("beyond", "payloads"), [(0, 0), (1, 1)])
    def test_puts_a_payload_aside_that_is_larger_than_64_kib(
        self, beyond: int, payloads: int
    ) -> None:
        fills_it = 64 * 1024 - len('{"text":""}')

        with transaction.atomic():
            recorder.emit("tally.closed", {"text": "x" * (fills_it + beyond)}, stream=STREAM)

        assert Payload.objects.count() == payloads

    def test_tells_what_a_reader_of_the_log_will_read(self) -> None:
        with transaction.atomic():
            emitted = recorder.emit("tally.closed", {"pair": (1, Category.DOMAIN)}, stream=STREAM)

        assert emitted.data == {"pair": [1, "domain"]}


@pytest.mark.django_db(transaction=True)
class TestTheCatalogue:
    def test_refuses_what_is_not_declared(self) -> None:
        with pytest.raises(EventNotDeclared), transaction.atomic():
            recorder.emit("tally.burnt", {}, stream=STREAM)

    def test_refuses_wrong_data(self) -> None:
        with pytest.raises(EventDataInvalid) as refusal, transaction.atomic():
            recorder.emit("tally.added", {"number": "three"}, stream=STREAM)

        assert str(refusal.value) == "tally.added/number: 'three' is not of type 'integer'"
        assert refusal.value.pointer == "/number"

    @pytest.mark.parametrize(("name", "data"), [("tally.burnt", {}), ("tally.added", {"n": 1})])
    def test_loses_no_fact_in_production_and_logs_an_error(
        self, name: str, data: dict[str, int], settings: Settings,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        settings.EVENTS_STRICT = False

        with transaction.atomic():
            emitted = recorder.emit(name, data, stream=STREAM)

        assert selectors.stream_events(STREAM) == [emitted]
        assert [record.levelname for record in caplog.records] == ["ERROR"]

    def test_refuses_even_there_what_no_log_could_hold(self, settings: Settings) -> None:
        settings.EVENTS_STRICT = False

        with pytest.raises(EventDataNotJson), transaction.atomic():
            recorder.emit("tally.added", {"number": float("nan")}, stream=STREAM)


@pytest.mark.django_db(transaction=True)
class TestEmitNow:
    def test_tells_at_once_and_records_nothing(self) -> None:
        heard: list[Envelope] = []
        bus.subscribe("*", heard.append)

        emitted = recorder.emit_now("tally.looked_at", {"by": "me"})

        assert heard == [emitted]
        assert not StoredEvent.objects.exists()

    def test_refuses_a_domain_event(self) -> None:
        with pytest.raises(recorder.DomainEventWithoutStream):
            recorder.emit_now("tally.added", {"number": 1})


@pytest.mark.django_db
class TestTheTable:
    """What the table refuses, whoever writes to it."""

    @pytest.mark.parametrize(
        ("change", "constraint"),
        [
            ({"sequence": 0}, "events_sequence_starts_at_one"),
            ({"version": 0}, "events_version_starts_at_one"),
            ({"name": "Tally Added"}, "events_name_is_an_event_name"),
            ({"category": "gossip"}, "events_category_is_known"),
            ({"source": "rumour"}, "events_source_is_known"),
            ({"data": None}, "events_data_is_inline_or_by_hash"),
            ({"data": None, "payload_id": "0" * 64}, "there is no payload 0000"),
        ],
    )
    def test_refuses(self, change: dict[str, object], constraint: str) -> None:
        sound = {
            "stream": "tally/t1/", "sequence": 1, "event_id": "evt_1", "name": "tally.added",
            "version": 1, "category": "domain", "source": "service", "principal": "system:x",
            "correlation_id": "cor_1", "data": "{}", "emitted_at": NOON,
        }  # fmt: skip
        StoredEvent.objects.create(**{**sound, "stream": "tally/t0/", "event_id": "evt_0"})

        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            StoredEvent.objects.create(**{**sound, **change})

    def test_keeps_a_sequence_number_for_one_event(self) -> None:
        with transaction.atomic():
            recorder.emit("tally.added", {"number": 1}, stream=STREAM)

        with (
            pytest.raises(IntegrityError, match="events_one_event_per_sequence"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "INSERT INTO events_event (stream, sequence, event_id, name, version, category, "
                "source, principal, correlation_id, data, emitted_at) SELECT stream, sequence, "
                "'evt_2', name, version, category, source, principal, correlation_id, data, "
                "emitted_at FROM events_event"
            )
