"""What becomes of an occasion: by whose right a flow starts, and where a chain of starts ends."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from events import context, recorder, selectors
from events.domain.envelope import Envelope
from events.domain.principal import SYSTEM, Principal, PrincipalKind
from ledger import recording
from ledger.access import grants
from ledger.access.principals import human_of
from ledger.domain.delegation import OutOfReach
from ledger.models import ApiKey, Delegation, Entry
from ledger.services import api_keys, delegations
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.conftest import grant, issue
from tests.integration.workflows.flows.clients import client_of
from tests.integration.workflows.flows.conftest import flow, follow, wind, work_off
from tests.integration.workflows.flows.steps.test_waiting import somebody_waits_for_a_lock
from tests.live import eventually
from tests.support.checkup import violations
from workflows.flows import actions, conf, services
from workflows.flows.domain import ids
from workflows.flows.domain.step import Script
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.steps import callables
from workflows.flows.triggers import firing, starts
from workflows.work import schedules
from workflows.work.models import Schedule

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("weather")]

NEEDED = ("flow.start", "flow_start.manage")


@pytest.fixture
def ada() -> User:
    grants.provision()
    return grant(User.objects.create_user("ada"), *NEEDED)


@pytest.fixture(autouse=True)
def _nothing_to_do(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "rest", lambda _inputs: None)


def register(
    monkeypatch: pytest.MonkeyPatch, name: str, function: Callable[[Mapping[str, Any]], None]
) -> None:
    """Register a step that calls this function."""
    monkeypatch.setitem(callables._registered, name, function)
    step = {"id": name, "name": name, "type": "python", "python": {"callable": name}}
    services.register_step(step=step_from_json(step))


def person(user: User) -> Principal:
    return Principal(kind=PrincipalKind.USER, id=str(user.pk))


def declared_by(principal: Principal, name: str = "gusts", **changes: Any) -> None:
    with context.acting(principal):
        starts.declare_start(name=name, **{"goals": ["rest"], "event": "wind.rose", **changes})


def fire() -> Envelope:
    event = wind()
    follow()
    work_off()
    return event


def latest_event(name: str = "gusts") -> Envelope:
    """Return what was last told of a start."""
    return selectors.stream_events(("flow_start", name))[-1]


def started() -> list[str]:
    return list(FlowSummary.objects.order_by("started_at").values_list("flow_id", flat=True))


def assert_paused(reason: str) -> None:
    start = FlowStart.objects.get()
    assert started() == []
    assert (start.enabled, start.version) == (False, 2)
    assert reason in start.paused_because
    assert (latest_event().name, latest_event().data["reason"]) == (
        "flow_start.paused",
        start.paused_because,
    )
    [denied] = Entry.objects.filter(status="denied", action_name="flow.start")
    assert (denied.action_name, denied.target_type) == ("flow.start", "flow")
    assert (denied.principal_type, denied.principal_id) == ("system", "flow-start")
    declarer = Principal.parse(start.declared_by)
    assert (denied.delegated_by_type, denied.delegated_by_id) == (declarer.kind, declarer.id)
    assert denied.reason == start.paused_because
    [paused] = Entry.objects.filter(action_name="flow_start.pause")
    assert paused.transaction_id == denied.transaction_id


class TestWhoLetItStart:
    def test_is_on_record_as_who_the_system_did_it_for(self, ada: User) -> None:
        declared_by(person(ada))
        event = fire()

        [entry] = Entry.objects.filter(action_name="flow.start")
        assert (entry.principal_type, entry.principal_id) == ("system", "flow-start")
        assert (entry.delegated_by_type, entry.delegated_by_id) == ("user", str(ada.pk))
        assert (entry.delegation_id, entry.caller_type) == (None, "internal")
        assert entry.target_id == f"gusts-{event.event_id}"
        assert entry.correlation_id == event.correlation_id
        assert entry.mutation.summary == "Started by gusts for rest."
        assert human_of(ids.principal_of(entry.target_id)) == str(ada.pk)

    def test_may_be_the_system(self) -> None:
        declared_by(SYSTEM)
        fire()

        assert len(started()) == 1

    def test_may_be_an_agent_whose_budget_is_not_touched(self, ada: User) -> None:
        delegation = delegated(an_agent(ada), *NEEDED, actions_max=1)
        declared_by(delegation.principal)
        fire()

        assert len(started()) == 1
        entry = Entry.objects.get(action_name="flow.start")
        assert (entry.delegated_by_type, entry.delegated_by_id) == (
            "agent",
            str(delegation.agent_id),
        )
        assert Delegation.objects.get(pk=delegation.pk).actions_used == 0


class TestWithoutTheRights:
    """Nothing starts, and an operator sees why."""

    def test_of_a_person_who_may_not_log_in_any_more(self, ada: User) -> None:
        declared_by(person(ada))
        User.objects.filter(pk=ada.pk).update(is_active=False)

        fire()

        assert_paused(f"user:{ada.pk} may no longer act.")

    @pytest.mark.parametrize("lost", NEEDED)
    def test_that_were_taken_away(self, ada: User, lost: str) -> None:
        declared_by(person(ada))
        ada.user_permissions.remove(ada.user_permissions.get(codename=lost))

        fire()

        assert_paused(f"This needs the capability {lost}.")

    def test_of_a_key_that_was_revoked(self, ada: User) -> None:
        _, key_id = issue(ada, ["*"])
        key = ApiKey.objects.get(pk=key_id)
        declared_by(key.principal)
        with context.acting(SYSTEM):
            api_keys.revoke_api_key(key_id=key.pk)

        fire()

        assert_paused(f"{key.principal} may no longer act.")

    def test_of_a_delegation_that_was_revoked(self, ada: User) -> None:
        delegation = delegated(an_agent(ada), *NEEDED)
        declared_by(delegation.principal)
        with context.acting(SYSTEM):
            delegations.revoke_delegation(delegation_id=delegation.pk, reason="a test")

        fire()

        assert_paused("The delegation under which this agent acts is not in force.")

    def test_beyond_a_delegation(self, ada: User) -> None:
        agent = delegated(an_agent(ada), "flow_start.manage").principal
        with pytest.raises(OutOfReach, match=r"does not include flow\.start"):
            declared_by(agent)
        # As a release declared it that did not ask for as much.
        declared_by(person(ada))
        declaring = actions.on_start("declare", "gusts")
        with transaction.atomic(), recording.recorded_in_transaction(declaring):
            FlowStart.objects.update(declared_by=str(agent))

        fire()

        assert_paused("does not include flow.start")

    def test_of_the_owner_behind_an_agent(self, ada: User) -> None:
        declared_by(delegated(an_agent(ada), *NEEDED).principal)
        ada.user_permissions.clear()

        fire()

        assert_paused("This needs the capability flow_start.manage.")

    def test_by_the_clock_there_are_no_more_slots(self, ada: User) -> None:
        declared_by(person(ada), event="", cron="0 * * * *", missed="merge")
        User.objects.filter(pk=ada.pk).update(is_active=False)
        slot = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
        Schedule.objects.update(next_at=slot)

        schedules.fire_due(limit=10)
        work_off()

        assert_paused("may no longer act")
        assert not Schedule.objects.get().enabled

    def test_many_events_at_once_pause_it_once(self, ada: User) -> None:
        declared_by(person(ada))
        User.objects.filter(pk=ada.pk).update(is_active=False)
        wind()
        wind()

        fire()

        assert_paused("may no longer act")

    def test_that_it_does_not_need_any_more_it_is_not_paused_for(self, ada: User) -> None:
        declared_by(person(ada))
        User.objects.filter(pk=ada.pk).update(is_active=False)
        event = wind()

        with ThreadPoolExecutor(1) as pool:
            with transaction.atomic(), context.acting(SYSTEM):
                with recording.recorded_in_transaction(actions.on_start("declare", "gusts")):
                    FlowStart.objects.update(declared_by=str(SYSTEM), version=2)
                firing_now = pool.submit(_fire_alone, event)
                eventually(somebody_waits_for_a_lock)
            outcome = firing_now.result()

        assert outcome == {"skipped": "it was declared anew meanwhile"}
        assert FlowStart.objects.get().enabled
        assert not Entry.objects.filter(status="denied").exists()

    def test_outside_the_hours_of_a_delegation_this_one_does_not_start(
        self, ada: User, clock: time_machine.Traveller
    ) -> None:
        hour = timezone.now().hour
        hours = (hour, min(hour + 2, 24))  # Also when the next one begins meanwhile.
        declared_by(delegated(an_agent(ada), *NEEDED, hours=hours).principal)

        clock.shift(timedelta(hours=3))
        fire()

        assert started() == []
        assert FlowStart.objects.get().enabled
        assert latest_event().name == "flow_start.refused"
        assert Entry.objects.filter(status="denied", action_name="flow.start").count() == 1

    def test_somebody_else_lets_it_go_on_in_their_own_name(self, ada: User) -> None:
        declared_by(person(ada))
        User.objects.filter(pk=ada.pk).update(is_active=False)
        fire()
        client = client_of("bob", *NEEDED, "flow.read")
        shown = client.get("/api/v1/flow-starts/gusts").json()
        assert shown["paused_because"] == f"user:{ada.pk} may no longer act."
        found = client.get("/api/v1/flow-starts", {"paused": "true"}).json()["results"]
        assert [one["name"] for one in found] == ["gusts"]

        again = client.post("/api/v1/flow-starts/gusts/enable").json()
        fire()

        assert (again["enabled"], again["paused_because"], again["refused"]) == (True, "", None)
        assert client.get("/api/v1/flow-starts", {"paused": "true"}).json()["results"] == []
        assert len(started()) == 1


class TestAChainOfStarts:
    """Flow A makes an event that starts B, whose event starts A: detected, and ended."""

    @pytest.fixture
    def blow(self, ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two flows, each of which makes the event that the other starts on."""
        for name, makes in (("ping", "pong"), ("pong", "ping")):
            register(monkeypatch, name, partial(blow_for, makes))
            only = Script(language="jpath", text=f"$[?@ == '{name}']")
            declared_by(person(ada), name, goals=[name], filter=only)

    def test_ends_where_it_is_taken_for_a_loop(self, blow: None, settings: Settings) -> None:
        settings.FLOWS_START_CHAIN_MAX = 4
        wind_of("ping")
        for _ in range(8):
            follow()
            work_off()

        assert [one.partition("-")[0] for one in started()] == ["ping", "pong", "ping", "pong"]
        assert flow(started()[-1]).metadata == {"start_chain": ["ping", "pong", "ping", "pong"]}
        refused = latest_event("ping")
        assert refused.name == "flow_start.refused"
        assert refused.data["reason"] == (
            "4 starts led to each other: it may go on for ever: ping → pong → ping → pong → ping"
        )
        [denied] = Entry.objects.filter(status="denied")
        assert (denied.action_name, denied.reason) == ("flow.start", refused.data["reason"])
        shown = client_of("bob", "flow.read").get("/api/v1/flow-starts/ping").json()
        assert shown["refused"]["reason"] == denied.reason
        # Only this occasion is refused: the next event from outside starts a chain of its own.
        assert FlowStart.objects.get(name="ping").enabled

    def test_needs_room_for_one(self, settings: Settings) -> None:
        settings.FLOWS_START_CHAIN_MAX = 0
        with pytest.raises(ImproperlyConfigured, match="DAYBOOK_FLOW_START_CHAIN_MAX"):
            conf.current()

    def test_goes_on_through_children_and_flows_that_code_starts(
        self, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def start_another(_inputs: Mapping[str, Any]) -> None:
            services.start_flow(flow_id="by-code", goals=["blow"], init={})

        register(monkeypatch, "blow", lambda _inputs: wind_of("again"))
        register(monkeypatch, "code", start_another)
        outer = {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["code"]}}
        services.register_step(step=step_from_json(outer))
        declared_by(person(ada), goals=["outer"])
        wind()
        for _ in range(4):
            follow()
            work_off()

        # The flow, its child, and what the child's step started; its event starts nothing.
        assert len(started()) == 3
        assert flow("by-code").metadata == {"start_chain": ["gusts"]}
        assert "it would go on for ever: gusts → gusts" in latest_event().data["reason"]

    def test_begins_anew_with_an_event_from_outside(self, ada: User) -> None:
        declared_by(person(ada))
        for _ in range(3):
            fire()

        assert {tuple(flow(one).metadata["start_chain"]) for one in started()} == {("gusts",)}


def _fire_alone(event: Envelope) -> dict[str, str]:
    try:
        return firing.start_now(name="gusts", occasion=event.event_id, envelope=event)
    finally:
        connection.close()


def blow_for(name: str, _inputs: Mapping[str, Any]) -> None:
    wind_of(name)


def wind_of(name: str) -> None:
    """Let the wind rise for one of two flows."""
    with transaction.atomic():
        recorder.emit("wind.rose", {"of": name}, stream=("wind", "north"))


def test_the_doctor_is_content_with_starts_that_were_paused_and_refused(ada: User) -> None:
    declared_by(person(ada))
    fire()
    declared_by(SYSTEM, "squalls", takes={"speed": "$.gust"})
    User.objects.filter(pk=ada.pk).update(is_active=False)
    fire()

    assert violations() == {}
