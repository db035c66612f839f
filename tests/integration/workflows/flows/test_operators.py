"""What operators do to flows and steps: an event, an entry with proof, and what follows."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User

from events import context, selectors
from events.domain.envelope import Envelope
from events.domain.principal import Principal, PrincipalKind
from ledger.access.principals import human_of
from ledger.models import Entry
from ledger.preconditions import VersionMoved
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.support.step_server import StepServer
from workflows.flows import services
from workflows.flows.domain import ids
from workflows.flows.domain.errors import FlowExists, FlowInvalid
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.explanations import explain
from workflows.flows.steps import callables
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture(autouse=True)
def _ada_acts(ada: User) -> Iterator[None]:
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


def register(id_: str, **definition: Any) -> None:
    services.register_step(step=step_from_json({"id": id_, "name": id_, **definition}))


def start(flow_id: str, *goals: str, **init: Any) -> None:
    values = {name: [value] for name, value in init.items()}
    services.start_flow(flow_id=flow_id, goals=goals, init=values)


def waiting(flow_id: str = "trip") -> None:
    """Start a flow that waits for an event that never comes."""
    register("wait", type="wait", wait={"event": "booking.completed"})
    start(flow_id, "wait")


def entry(name: str) -> Entry:
    return Entry.objects.select_related("mutation").get(action_name=name)


def events_of(flow_id: str) -> list[Envelope]:
    return list(selectors.stream_events(("flow", flow_id)))


def names(flow_id: str) -> list[str]:
    return [event.name for event in events_of(flow_id)]


class TestOnRecord:
    def test_pause_and_resume_name_the_flow_and_say_why(self, ada: User) -> None:
        waiting()

        services.pause_flow(flow_id="trip", reason="storm")
        services.resume_flow(flow_id="trip", reason="calm")

        paused, resumed = entry("flow.pause"), entry("flow.resume")
        assert (paused.target_type, paused.target_id, paused.reason) == ("flow", "trip", "storm")
        assert (paused.workflow_run_id, paused.workflow_step_id) == ("trip", "")
        assert (resumed.capability_id, resumed.reason) == ("flow.pause", "calm")
        assert paused.principal_id == str(ada.pk)
        [event] = [one for one in events_of("trip") if one.name == "flow_paused"]
        assert event.data["reason"] == "by an operator"
        assert event.data["entry_id"] == str(paused.pk)

    def test_what_changes_nothing_is_not(self) -> None:
        waiting()
        services.pause_flow(flow_id="trip", reason="storm")

        services.pause_flow(flow_id="trip", reason="storm")

        assert Entry.objects.filter(action_name="flow.pause").count() == 1

    def test_cancelling_says_whether_it_undoes(self) -> None:
        waiting()

        services.cancel_flow(flow_id="trip", reason="no wind", compensates=True)

        assert entry("flow.cancel").mutation.summary == "Undoing what it did."
        assert entry("flow.cancel").evaluated_risk == "high"

    def test_a_forced_step_is_an_event_and_names_what_it_gave(self) -> None:
        register(
            "wait",
            type="wait",
            wait={"event": "booking.completed"},
            attributes={"gale": {"role": "output"}},
        )
        start("trip", "wait")

        services.force_step(flow_id="trip", step_id="wait", outputs={"gale": 9}, reason="by phone")

        found = entry("flow.force_step")
        assert (found.workflow_run_id, found.workflow_step_id) == ("trip", "wait")
        assert found.mutation.summary == "Gave gale."
        assert names("trip")[-6:] == [
            "step_forced",
            "attribute_set",
            "step_completed",
            "flow_completed",
            "work_failed",
            "flow_deactivated",
        ]

    def test_a_skipped_step(self) -> None:
        waiting()

        services.skip_step(flow_id="trip", step_id="wait", reason="no need")

        assert entry("flow.skip_step").workflow_step_id == "wait"
        assert "step_skipped" in names("trip")

    def test_a_retry_at_once_is_an_event_too(self, peer: StepServer) -> None:
        peer.says["/hold"] = (503, {})
        register("hold", type="sync", http={"endpoint": peer.url("/hold")})
        start("trip", "hold")
        work_off()
        token = flow("trip").executions["hold"].order[0]

        services.retry_now(flow_id="trip", step_id="hold", token=token, reason="it is up")
        work_off()

        assert entry("flow.retry_work").reason == "it is up"
        assert names("trip").count("work_retry_requested") == 1
        assert len(peer.calls("/hold")) == 2

    def test_registering_changing_and_removing_a_step(self) -> None:
        register("add", type="script", script={"language": "ale", "script": "1"})
        register("add", type="script", script={"language": "ale", "script": "1"})
        changed = {
            "id": "add",
            "name": "Add",
            "type": "script",
            "script": {"language": "ale", "script": "2"},
        }
        services.update_step(step=step_from_json(changed))
        services.unregister_step(step_id="add")

        entries = Entry.objects.filter(target_type="step", target_id="add")
        assert list(entries.order_by("id").values_list("action_name", "action_kind")) == [
            ("step.register", "create"),
            ("step.update", "update"),
            ("step.unregister", "delete"),
        ]

    def test_a_refused_command_leaves_neither(self) -> None:
        waiting()

        with pytest.raises(VersionMoved):
            services.pause_flow(flow_id="trip", reason="late", expected_version=1)

        assert "flow_paused" not in names("trip")
        assert not Entry.objects.filter(action_name="flow.pause").exists()

    def test_names_of_any_length_find_room(self) -> None:
        long = "t" * ids.FLOW_ID_BYTES_MAX
        waiting(long)

        services.pause_flow(flow_id=long, reason="storm")

        assert entry("flow.pause").target_id == ids.recorded_as(long)


class TestWhy:
    def test_a_forced_step_says_who_forced_it(self, ada: User) -> None:
        waiting()
        services.force_step(flow_id="trip", step_id="wait", outputs={}, reason="by phone")

        [cause] = explain.why("trip", "wait").causes

        assert (cause.name, cause.data["entry_id"]) == (
            "step_forced",
            str(entry("flow.force_step").pk),
        )
        assert entry("flow.force_step").reason == "by phone"
        assert cause.principal.id == str(ada.pk)

    def test_a_step_that_waited_went_with_its_cancelled_flow(self) -> None:
        waiting()
        services.cancel_flow(flow_id="trip", reason="no wind", compensates=False)

        found = explain.why("trip", "wait")

        assert found.status == "failed"
        assert [one.name for one in found.causes] == ["flow_cancelled", "flow_failed"]


class TestWhoActs:
    def test_what_a_flow_does_it_does_as_itself_for_its_starter(
        self, ada: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []

        def look(_inputs: Mapping[str, Any]) -> None:
            seen.append(context.current())

        monkeypatch.setitem(callables._registered, "look", look)
        register("look", type="python", python={"callable": "look"})
        start("trip", "look")
        work_off()

        [found] = seen
        assert str(found.principal) == "workflow:trip"
        assert (found.workflow_run_id, found.workflow_step_id) == ("trip", "look")
        assert human_of(found.principal) == str(ada.pk)
        assert set(Work.objects.values_list("principal", flat=True)) == {"workflow:trip"}

    def test_the_human_is_seen_through_children_and_long_names(self, ada: User) -> None:
        register("inner", type="wait", wait={"event": "booking.completed"})
        register("outer", type="flow", flow={"goals": ["inner"]})
        long = "t" * ids.FLOW_ID_BYTES_MAX
        start(long, "outer")
        start("t" * 200, "outer")
        work_off()

        token = flow(long).executions["outer"].order[0]
        child = ids.child_flow_id(parent=long, step="outer", token=token)
        assert human_of(ids.principal_of(child)) == str(ada.pk)

    def test_nobody_stands_behind_a_flow_that_never_was(self) -> None:
        assert human_of(ids.principal_of("never")) is None


class TestForks:
    def registered(self, peer: StepServer) -> None:
        """Hold and price, then pay for both."""
        peer.says["/hold"] = (200, {"held": 7})
        peer.says["/price"] = (200, {"price": 3})
        peer.says["/pay"] = lambda call: (200, {}) if call.body["card"] == "b" else (402, {})
        for id_, takes, gives, extra in (
            ("hold", ["seat"], ["held"], {"compensate": peer.url("/release")}),
            ("price", ["day"], ["price"], {}),
            ("pay", ["held", "price", "card"], [], {}),
        ):
            register(
                id_,
                type="sync",
                http={"endpoint": peer.url(f"/{id_}"), **extra},
                attributes={
                    **{name: {"role": "required"} for name in takes},
                    **{name: {"role": "output"} for name in gives},
                },
            )

    def failed(self, peer: StepServer, **options: Any) -> None:
        self.registered(peer)
        services.start_flow(
            flow_id="trip",
            goals=["pay"],
            init={"seat": [1], "day": ["may"], "card": ["a"]},
            options=options,
        )
        work_off()
        assert flow("trip").error.startswith("step pay failed")

    def fork(self, from_step: str = "pay", **edited: Any) -> None:
        services.fork_flow(
            flow_id="trip",
            new_flow_id="trip-2",
            from_step=from_step,
            init={name: [value] for name, value in edited.items()},
            reason="another card",
        )
        work_off()

    def test_are_on_record_with_what_was_edited(self, peer: StepServer) -> None:
        self.failed(peer)

        self.fork(card="b")

        found = entry("flow.fork")
        assert (found.target_id, found.workflow_run_id, found.workflow_step_id) == (
            "trip-2",
            "trip",
            "pay",
        )
        assert found.mutation.summary == "Forked from trip at pay, with card edited."
        assert flow("trip-2").status == "completed"
        assert (len(peer.calls("/hold")), len(peer.calls("/price"))) == (1, 1)

    def test_run_again_what_an_edit_touches(self, peer: StepServer) -> None:
        self.failed(peer)

        self.fork(card="b", seat=2)

        assert [call.body["seat"] for call in peer.calls("/hold")] == [1, 2]
        assert len(peer.calls("/price")) == 1

    def test_let_an_edit_stand_in_for_what_a_kept_step_gave(self, peer: StepServer) -> None:
        self.failed(peer)

        self.fork(card="b", price=1)

        assert peer.calls("/pay")[-1].body["price"] == 1
        assert [value.value for value in flow("trip-2").values("price")] == [1]

    def test_run_again_what_was_undone(self, peer: StepServer) -> None:
        self.failed(peer, compensate=True)
        assert len(peer.calls("/release")) == 1

        self.fork(card="b")

        assert len(peer.calls("/hold")) == 2
        assert flow("trip-2").status == "completed"

    def test_from_the_first_step_run_all_that_follows_from_it(self, peer: StepServer) -> None:
        self.failed(peer)

        self.fork(from_step="hold", card="b")

        assert (len(peer.calls("/hold")), len(peer.calls("/price"))) == (2, 1)

    def test_can_be_forked_again(self, peer: StepServer) -> None:
        self.failed(peer)
        self.fork(card="c")

        services.fork_flow(
            flow_id="trip-2", new_flow_id="trip-3", from_step="pay", init={"card": ["b"]}
        )
        work_off()

        assert flow("trip-3").status == "completed"
        assert len(peer.calls("/hold")) == 1

    def test_asked_for_again_are_the_same_flow(self, peer: StepServer) -> None:
        self.failed(peer)

        self.fork(card="b")
        self.fork(card="b")

        assert names("trip-2").count("flow_started") == 1
        with pytest.raises(FlowExists):
            self.fork(from_step="hold", card="b")

    @pytest.mark.parametrize(
        ("new_id", "step", "edited", "pointer"),
        [
            ("", "pay", {}, "/id"),
            ("a:b", "pay", {}, "/id"),
            ("trip-2", "fly", {}, "/from_step"),
            ("trip-2", "pay", {"colour": ["red"]}, "/init/colour"),
        ],
    )
    def test_are_refused_where_they_mean_nothing(
        self, peer: StepServer, new_id: str, step: str, edited: Any, pointer: str
    ) -> None:
        self.failed(peer)

        with pytest.raises(FlowInvalid) as refusal:
            services.fork_flow(flow_id="trip", new_flow_id=new_id, from_step=step, init=edited)

        assert refusal.value.pointer == pointer

    def test_of_a_flow_under_way_leave_it_alone(self, peer: StepServer) -> None:
        self.registered(peer)
        peer.says["/pay"] = (503, {})
        start("trip", "pay", seat=1, day="may", card="a")
        work_off()
        before = flow("trip")

        peer.says["/pay"] = (200, {})
        self.fork()

        assert flow("trip") == before
        assert flow("trip-2").status == "completed"
        later(seconds=2)
        work_off()
        assert flow("trip").status == "completed"
