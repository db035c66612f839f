"""Questions that people ask of the log."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from events import catalogue, context, explore, recorder, sequencer
from events.domain.envelope import Category, Envelope, Stream
from events.domain.errors import DomainError
from events.domain.principal import SYSTEM
from events.explore import Window

pytestmark = pytest.mark.django_db(transaction=True)

_OPEN = {"type": "object"}


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_types", dict(catalogue._types))
    for name, category in (
        ("tale.begun", Category.DOMAIN),
        ("tale.ended", Category.DOMAIN),
        ("note.taken", Category.INTERNAL),
    ):
        catalogue.declare(name, category=category, meaning="For a test.", schema=_OPEN)


def tell(name: str, stream: Stream, **facts: object) -> Envelope:
    with transaction.atomic():
        return recorder.emit(name, facts, stream=stream)


def sequenced() -> None:
    while sequencer.sequence_once():
        pass


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [now] = cursor.fetchone()
    assert isinstance(now, datetime)
    return now


def set_recorded_at(event: Envelope, moment: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE events_event SET recorded_at = %s WHERE event_id = %s",
            [moment, event.event_id],
        )


def names(window: Window, *, limit: int = 50) -> list[str]:
    return [event.name for event in explore.latest(window, limit=limit)]


class TestLatest:
    def test_puts_the_newest_first_and_goes_back_by_position(self) -> None:
        for number in range(5):
            tell("tale.begun", ("tale", str(number)), number=number)
        sequenced()

        first = explore.latest(Window(), limit=3)
        rest = explore.latest(Window(before=first[-1].position), limit=3)

        assert [event.data["number"] for event in first + rest] == [4, 3, 2, 1, 0]

    def test_keeps_to_streams_names_and_category(self) -> None:
        tell("tale.begun", ("tale", "7"))
        tell("tale.begun", ("tale", "70"))
        tell("tale.ended", ("tale", "7"))
        tell("note.taken", ("note", "1"))
        sequenced()

        assert names(Window(streams=[("tale", "7")])) == ["tale.ended", "tale.begun"]
        assert names(Window(names=["tale.*"])) == ["tale.ended", "tale.begun", "tale.begun"]
        assert names(Window(names=["note.taken", "tale.ended"])) == ["note.taken", "tale.ended"]
        assert names(Window(category=Category.INTERNAL)) == ["note.taken"]
        assert names(Window(streams=[])) == []

    def test_keeps_to_the_time_of_recording(self) -> None:
        now = timezone.now()
        for hours in (5, 3, 1):
            event = tell("tale.begun", ("tale", "1"), hours=hours)
            set_recorded_at(event, now - timedelta(hours=hours))
        sequenced()
        window = Window(since=now - timedelta(hours=4), until=now - timedelta(hours=2))

        assert [event.data["hours"] for event in explore.latest(window)] == [3]

    def test_finds_what_was_committed_late(self) -> None:
        now = timezone.now()
        early = tell("tale.begun", ("tale", "1"))
        late = tell("tale.ended", ("tale", "2"))
        set_recorded_at(early, now - timedelta(minutes=10))
        set_recorded_at(late, now - timedelta(minutes=15))
        sequenced()

        window = Window(until=now - timedelta(minutes=12))

        assert [event.event_id for event in explore.latest(window)] == [late.event_id]

    def test_refuses_a_name_that_no_event_can_have(self) -> None:
        with pytest.raises(DomainError):
            explore.latest(Window(names=["No Event"]))


class TestOne:
    def test_has_no_position_until_the_sequencer_gives_one(self) -> None:
        event = tell("tale.begun", ("tale", "1"))

        before = explore.one(event.event_id)
        sequenced()
        after = explore.one(event.event_id)

        assert before is not None
        assert before.position is None
        assert after is not None
        assert after.position == 1
        assert explore.one("evt_unknown") is None


class TestStory:
    def test_is_what_shares_a_correlation_in_order(self) -> None:
        with context.acting(SYSTEM, correlation_id="cor_one"):
            first = tell("tale.begun", ("tale", "1"))
        with context.acting(SYSTEM, correlation_id="cor_two"):
            tell("tale.begun", ("tale", "2"))
        with context.acting(SYSTEM, correlation_id="cor_one", causation_id=first.event_id):
            second = tell("tale.ended", ("tale", "1"))

        story = explore.story("cor_one")

        assert [event.event_id for event in story] == [first.event_id, second.event_id]
        assert story[1].causation_id == first.event_id


class TestFigures:
    def test_count_events_by_the_minute(self) -> None:
        now = timezone.now()
        for seconds in (30, 30, 90):
            event = tell("tale.begun", ("tale", "1"))
            set_recorded_at(event, now - timedelta(seconds=seconds))
        sequenced()

        assert explore.per_minute(now=now, minutes=3) == [0, 1, 2]

    def test_tell_how_late_the_sequencer_is(self) -> None:
        event = tell("tale.begun", ("tale", "1"))
        set_recorded_at(event, database_now() - timedelta(seconds=9))

        with time_machine.travel(timezone.now() + timedelta(hours=1)):
            behind = explore.lag()
        sequenced()
        caught_up = explore.lag()

        assert (behind.events, round(behind.seconds)) == (1, 9)
        assert (caught_up.events, caught_up.seconds) == (0, 0.0)

    def test_tell_where_a_stream_ends(self) -> None:
        tell("tale.begun", ("tale", "1"))
        tell("tale.ended", ("tale", "1"))

        assert explore.head_sequence(("tale", "1")) == 2
        assert explore.head_sequence(("tale", "2")) == 0
