import logging
from typing import Never

import pytest
from django.db import transaction
from pytest_django import Settings

from events import bus, context, recorder
from events.domain.envelope import Envelope
from events.domain.principal import Principal, PrincipalKind

STREAM = ("tally", "t1")
ALICE = Principal(kind=PrincipalKind.USER, id="7")

pytestmark = pytest.mark.django_db(transaction=True)


def emit(name: str = "tally.added") -> Envelope:
    with transaction.atomic():
        return recorder.emit(name, {"number": 1}, stream=STREAM)


class TestSubscribe:
    @pytest.mark.parametrize("pattern", ["tally.added", "tally.*", "*"])
    def test_hears_what_the_pattern_means(self, pattern: str) -> None:
        heard: list[Envelope] = []
        bus.subscribe(pattern, heard.append)

        assert heard == [emit()]

    @pytest.mark.parametrize("pattern", ["tally.closed", "tall.*", "tally"])
    def test_hears_nothing_else(self, pattern: str) -> None:
        heard: list[Envelope] = []
        bus.subscribe(pattern, heard.append)

        emit()

        assert heard == []

    def test_tells_of_whose_events_anybody_hears(self) -> None:
        names = {"tally.added", "tally.closed"}
        quiet = bus.heard(names)

        handler = bus.subscribe("tally.added", print)
        hook = bus.before_commit("tally.closed", print)
        both = bus.heard(names)
        handler.unsubscribe()

        assert (quiet, both, bus.heard(names)) == (set(), names, {"tally.closed"})
        hook.unsubscribe()

    def test_decorates(self) -> None:
        heard: list[Envelope] = []

        @bus.subscribe("tally.added", label="the kitchen")
        def listen(envelope: Envelope) -> None:
            heard.append(envelope)

        emitted = emit()

        assert heard == [emitted]
        listen(emitted)

    def test_counts_the_same_handler_of_the_same_pattern_once(self) -> None:
        heard: list[Envelope] = []

        assert bus.subscribe("tally.*", heard.append) is bus.subscribe("tally.*", heard.append)

        emit()
        assert len(heard) == 1

    def test_ends_with_unsubscribe(self) -> None:
        heard: list[Envelope] = []
        subscription = bus.subscribe("tally.*", heard.append)
        emit()

        subscription.unsubscribe()
        subscription.unsubscribe()

        emit()
        assert len(heard) == 1


class TestBeforeCommit:
    def test_asks_once_per_name_whether_an_event_is_meant(self) -> None:
        heard: list[str] = []
        asked: list[str] = []

        def only(name: str) -> bool:
            asked.append(name)
            return name == "tally.added"

        bus.before_commit("*", lambda envelope: heard.append(envelope.name), only=only)
        for name in ("tally.added", "tally.closed", "tally.added"):
            emit(name)

        assert heard == ["tally.added", "tally.added"]
        assert asked == ["tally.added", "tally.closed"]


class TestHandlers:
    def test_run_in_order_and_one_that_fails_harms_nobody(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        order: list[str] = []

        def spill(_: Envelope) -> Never:
            order.append("spill")
            raise ZeroDivisionError

        bus.subscribe("tally.*", spill, label="clumsy")
        bus.subscribe("tally.*", lambda _: order.append("drink"))

        emitted = emit()

        assert order == ["spill", "drink"]
        [record] = caplog.records
        assert record.getMessage() == "A handler of the bus failed."
        assert (record.__dict__["event_id"], record.__dict__["subscriber"]) == (
            emitted.event_id,
            "clumsy",
        )

    def test_that_are_slow_are_named_in_a_warning(
        self,
        caplog: pytest.LogCaptureFixture,
        settings: Settings,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        settings.BUS_SLOW_HANDLER_MS = 100
        seconds = [0.0]
        monkeypatch.setattr(bus, "_clock", lambda: sum(seconds))
        bus.subscribe("tally.*", lambda _: seconds.append(0.1), label="quick")
        bus.subscribe("tally.*", lambda _: seconds.append(0.2), label="dreamer")

        emit()

        [record] = caplog.records
        assert (record.levelno, record.__dict__["subscriber"]) == (logging.WARNING, "dreamer")

    def test_act_in_the_story_of_what_they_heard(self) -> None:
        emitted: list[Envelope] = []

        def answer(envelope: Envelope) -> None:
            if envelope.name == "tally.added":
                emitted.append(recorder.emit_now("tally.looked_at", {}))

        bus.subscribe("tally.*", answer)
        with context.acting(ALICE, correlation_id="cor_1"):
            heard = emit()

        [look] = emitted
        assert (look.principal, look.correlation_id) == (ALICE, "cor_1")
        assert look.causation_id == heard.event_id
        assert context.current().causation_id is None

    def test_may_act_for_somebody_else(self) -> None:
        emitted: list[Envelope] = []

        def answer(envelope: Envelope) -> None:
            if envelope.name == "tally.added":
                with context.acting(ALICE):
                    emitted.append(recorder.emit_now("tally.looked_at", {}))
                emitted.append(recorder.emit_now("tally.looked_at", {}))

        bus.subscribe("tally.*", answer)
        heard = emit()

        assert [each.causation_id for each in emitted] == [None, heard.event_id]
        assert emitted[0].principal == ALICE
