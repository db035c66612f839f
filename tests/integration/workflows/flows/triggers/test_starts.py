"""Flows that start by themselves: by the clock, and on events; once per occasion."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from events import context, selectors
from events.domain.errors import DomainError
from events.domain.principal import Principal, PrincipalKind
from ledger.access import grants
from ledger.access.principals import human_of
from ledger.models import Entry
from ledger.preconditions import VersionMoved
from tests.integration.ledger.conftest import grant
from tests.integration.workflows.flows.clients import script
from tests.integration.workflows.flows.conftest import flow, follow, wind, work_off
from workflows.flows import services
from workflows.flows.domain import ids
from workflows.flows.domain.errors import GoalsUnknown, InputsMissing
from workflows.flows.domain.start import StartInvalid, StartUnknown
from workflows.flows.domain.step import Script
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.steps import callables, feed_cursor
from workflows.flows.triggers import occasions, starts
from workflows.work import schedules
from workflows.work.domain.timing import ScheduleInvalid
from workflows.work.models import Schedule, Work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("weather")]

DOUBLE = script("double", "{:twice (* speed 2)}", speed="required", twice="output")


@pytest.fixture
def ada() -> User:
    grants.provision()
    return grant(User.objects.create_user("ada"), "flow.start", "flow_start.manage")


@pytest.fixture(autouse=True)
def _ada_acts(ada: User) -> Iterator[None]:
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        services.register_step(step=step_from_json(DOUBLE))
        yield


def on_wind(name: str = "gusts", **changes: Any) -> FlowStart:
    stated = {"goals": ["double"], "event": "wind.rose", "takes": {"speed": "$.speed"}, **changes}
    return starts.declare_start(name=name, **stated)


def hourly(name: str = "hourly", **changes: Any) -> FlowStart:
    # Half an hour from any slot: none comes while the test runs.
    minute = (timezone.now().minute + 30) % 60
    stated = {"goals": ["double"], "init": {"speed": [4]}, "cron": f"{minute} * * * *", **changes}
    return starts.declare_start(name=name, **stated)


def started() -> list[str]:
    return list(FlowSummary.objects.order_by("started_at").values_list("flow_id", flat=True))


def make_due(name: str, *, hours: int = 0) -> datetime:
    """Set the clock of an hourly schedule back: its slot has come, and `hours` of them before.

    Returns the first of them.
    """
    schedule = Schedule.objects.get(name=starts.schedule_of(name))
    assert schedule.next_at is not None
    schedule.next_at -= timedelta(hours=1 + hours)
    schedule.save(update_fields=["next_at"])
    return schedule.next_at


class TestOnEvents:
    def test_each_starts_one_flow_with_what_it_takes(self, ada: User) -> None:
        on_wind()
        events = [wind(3), wind(8)]
        follow()
        work_off()

        assert started() == [f"gusts-{event.event_id}" for event in events]
        flow_id = started()[1]
        assert flow(flow_id).executions["double"].outputs == {"twice": 16}
        assert human_of(ids.principal_of(flow_id)) == str(ada.pk)
        [first] = selectors.stream_events(("flow", flow_id), limit=1)
        assert (first.causation_id, first.correlation_id) == (
            events[1].event_id,
            events[1].correlation_id,
        )

    def test_reading_again_starts_nothing_again(self) -> None:
        on_wind()
        event = wind()
        follow()
        # As after a restore of an older cursor.
        with transaction.atomic():
            feed_cursor.lock_exclusive()
            feed_cursor.move_to(0)
        follow()
        work_off()

        assert started() == [f"gusts-{event.event_id}"]
        assert Work.objects.filter(kind="flow.start").count() == 1

    def test_what_happened_before_does_not_count(self) -> None:
        wind()
        follow()
        on_wind()
        follow()

        assert not Work.objects.filter(kind="flow.start").exists()

    @pytest.mark.parametrize("language", ["ale", "lua"])
    def test_only_if_the_filter_accepts_it(self, language: str) -> None:
        text = "(> (:speed value) 5)" if language == "ale" else "return value.speed > 5"
        on_wind(filter=Script(language=language, text=text))
        wind(3)
        strong = wind(8)
        follow()
        work_off()

        assert started() == [f"gusts-{strong.event_id}"]

    def test_an_event_without_what_is_taken_is_refused_on_record(self) -> None:
        on_wind(takes={"speed": "$.gust"})
        wind()
        follow()
        work_off()

        assert started() == []
        [refused] = selectors.stream_events(("flow_start", "gusts"))[-1:]
        assert refused.name == "flow_start.refused"
        assert refused.data["reason"] == "speed: jpath produced no matches"

    def test_a_flow_that_makes_the_event_does_not_start_itself(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def blow(_inputs: Mapping[str, Any]) -> None:
            wind()

        monkeypatch.setitem(callables._registered, "blow", blow)
        step = {"id": "blow", "name": "b", "type": "python", "python": {"callable": "blow"}}
        services.register_step(step=step_from_json(step))
        on_wind(goals=["blow"], takes={})
        wind()
        for _ in range(3):
            follow()
            work_off()

        assert len(started()) == 1
        [refused] = selectors.stream_events(("flow_start", "gusts"))[-1:]
        assert "would go on for ever" in refused.data["reason"]

    def test_switched_off_they_start_nothing_and_make_up_for_nothing(self) -> None:
        on_wind()
        starts.set_start_enabled(name="gusts", enabled=False)
        wind()
        follow()
        starts.set_start_enabled(name="gusts", enabled=True)
        follow()
        later_one = wind()
        follow()
        work_off()

        assert started() == [f"gusts-{later_one.event_id}"]


class TestByTheClock:
    def test_each_slot_starts_one_flow(self, ada: User) -> None:
        hourly(missed="merge")
        slot = make_due("hourly")

        schedules.fire_due(limit=10)
        schedules.fire_due(limit=10)
        work_off()

        assert started() == [f"hourly-{slot:%Y%m%dt%H%M00z}"]
        assert human_of(ids.principal_of(started()[0])) == str(ada.pk)

    @pytest.mark.parametrize(("missed", "count"), [("skip", 0), ("merge", 1), ("all", 3)])
    def test_missed_slots_are_made_up_for_as_declared(self, missed: str, count: int) -> None:
        hourly(missed=missed)
        make_due("hourly", hours=2)

        for _ in range(4):
            schedules.fire_due(limit=10)
            work_off()

        fired = Schedule.objects.get().slots.filter(fate="fired").count()
        assert len(started()) == count == fired

    def test_a_slot_that_was_fired_tells_of_those_before_it(self) -> None:
        hourly(missed="merge")
        make_due("hourly", hours=2)

        schedules.fire_due(limit=10)
        work_off()

        told = {one.what: one.says for one in occasions.occasions("hourly").lines}
        assert told == {
            "declared": "",
            "fired": "",
            "missed": "Slots before it could not be fired in time; it was. It stands for 3 slots.",
        }

    def test_the_time_zone_counts(self) -> None:
        hourly(cron="30 9 * * *", tz="Asia/Kathmandu")

        next_at = Schedule.objects.get().next_at
        assert next_at is not None
        assert (next_at.hour, next_at.minute) == (3, 45)

    def test_one_that_holds_the_key_keeps_the_next_one_out(self) -> None:
        waits = {"id": "wait", "name": "wait", "type": "wait", "wait": {"event": "wind.rose"}}
        services.register_step(step=step_from_json(waits))
        hourly(goals=["wait"], options={"concurrency_key": "hourly"}, missed="all")
        make_due("hourly", hours=1)

        for _ in range(3):
            schedules.fire_due(limit=10)
            work_off()

        assert len(started()) == 1
        [refused] = selectors.stream_events(("flow_start", "hourly"))[-1:]
        assert "is active" in refused.data["reason"]
        assert occasions.start_states([FlowStart.objects.get()])["hourly"].state == "on"

    def test_removed_they_fire_no_more_and_can_be_declared_again(self) -> None:
        hourly()
        starts.remove_start(name="hourly")
        make_due("hourly")
        assert not schedules.fire_due(limit=10)
        assert not FlowStart.objects.exists()

        hourly()

        assert Schedule.objects.get().enabled

    def test_made_an_event_start_it_has_no_clock_any_more(self) -> None:
        hourly()
        on_wind("hourly")

        assert not Schedule.objects.get().enabled


class TestDeclaring:
    def test_is_an_event_and_an_entry_and_once_for_equal_ones(self, ada: User) -> None:
        assert (on_wind().version, on_wind().version) == (1, 1)
        assert on_wind(labels={"a": "b"}).version == 2
        assert on_wind(labels={"a": "b"}, init={"calm": [0]}).version == 3
        # Python takes them for equal.
        assert on_wind(labels={"a": "b"}, init={"calm": [False]}).version == 4
        starts.remove_start(name="gusts")

        entries = Entry.objects.filter(target_type="flow_start").order_by("id")
        assert [one.action_name for one in entries] == [
            *["flow_start.declare"] * 4,
            "flow_start.remove",
        ]
        assert {one.principal_id for one in entries} == {str(ada.pk)}
        events = selectors.stream_events(("flow_start", "gusts"))
        assert [one.name for one in events] == [
            *["flow_start.declared"] * 4,
            "flow_start.removed",
        ]

    def test_the_database_refuses_a_change_off_the_record(self) -> None:
        on_wind()
        with pytest.raises(IntegrityError, match="not on record"):
            FlowStart.objects.update(goals=["other"])

    def test_a_change_of_another_version_is_refused(self) -> None:
        on_wind()
        with pytest.raises(VersionMoved):
            on_wind(labels={"a": "b"}, expected_version=7)
        with pytest.raises(VersionMoved):
            starts.remove_start(name="gusts", expected_version=7)

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [
            ({"name": "Not Clean"}, StartInvalid),
            ({"name": ""}, StartInvalid),
            ({"cron": "0 * * * *"}, StartInvalid),
            ({"event": ""}, StartInvalid),
            ({"event": "flow_started"}, StartInvalid),
            ({"event": "nobody.declared_it"}, StartInvalid),
            ({"event": "", "takes": {}, "cron": "at noon"}, ScheduleInvalid),
            ({"missed": "perhaps"}, ScheduleInvalid),
            ({"takes": {"speed": "$["}}, StartInvalid),
            ({"filter": Script(language="ale", text="(")}, StartInvalid),
            ({"goals": ["fly"]}, GoalsUnknown),
            ({"takes": {}}, InputsMissing),
        ],
    )
    def test_nonsense_is_refused(self, changes: Any, refusal: type[DomainError]) -> None:
        with pytest.raises(refusal):
            on_wind(**{"init": {"speed": [1]} if "cron" in changes else {}, **changes})
        assert not FlowStart.objects.exists()

    def test_one_is_declared_whatever_would_give_what_the_event_does(self) -> None:
        services.register_step(
            step=step_from_json(script("ask", "{:speed place}", place="required", speed="output"))
        )

        assert on_wind().goals == ["double"]

    def test_what_is_not_there_is_not_found(self) -> None:
        with pytest.raises(StartUnknown):
            starts.remove_start(name="never")
        with pytest.raises(StartUnknown):
            starts.set_start_enabled(name="never", enabled=True)
