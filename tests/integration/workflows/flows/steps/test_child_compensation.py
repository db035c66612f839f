"""Child flows of a flow that asks for compensation, on the real to-do list."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from events import context, doctor, selectors
from events.domain.principal import Principal, PrincipalKind
from events.sourcing import rebuilding
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.support.step_server import StepServer
from workflows.flows import services
from workflows.flows.domain import commands as asked
from workflows.flows.domain.errors import FlowBusy
from workflows.flows.domain.flow import Flow
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.execution.aggregates import FLOWS
from workflows.flows.explanations import why_waiting
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)

OUT: dict[str, Any] = {"role": "output"}
NEEDED: dict[str, Any] = {"role": "required"}
EACH: dict[str, Any] = {"role": "required", "required": {"for_each": True}}


@pytest.fixture(autouse=True)
def _ada_acts() -> Iterator[None]:
    ada = User.objects.create_user("ada")
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


def register(id_: str, **definition: Any) -> None:
    services.register_step(step=step_from_json({"id": id_, "name": id_, **definition}))


@pytest.fixture
def tour(peer: StepServer) -> StepServer:
    """A room and a car for every guest, by child flows; then a ticket, which takes its time."""
    for id_, attributes in (
        ("room", {"guest": NEEDED, "room": OUT}),
        ("car", {"guest": NEEDED, "room": NEEDED, "car": OUT}),
    ):
        http = {"endpoint": peer.url(f"/{id_}"), "compensate": peer.url(f"/undo-{id_}")}
        register(id_, type="sync", http=http, attributes=attributes)
        peer.says[f"/{id_}"] = (200, {id_: 1})
    register(
        "travel",
        type="flow",
        flow={"goals": ["car"]},
        attributes={"guest": EACH, "away": {**OUT, "output": {"mapping": {"name": "car"}}}},
        work_config={"parallelism": 2},
    )
    register(
        "ticket",
        type="async",
        http={"endpoint": peer.url("/ticket")},
        attributes={"away": NEEDED},
    )
    return peer


def start(*guests: str, **options: Any) -> None:
    options = {"compensate": True, **options}
    services.start_flow(
        flow_id="trip", goals=["ticket"], init={"guest": [[*guests]]}, options=options
    )
    work_off()


def children() -> list[Flow]:
    rows = FlowSummary.objects.filter(parent_flow_id="trip").order_by("started_at", "flow_id")
    return [flow(row.flow_id) for row in rows]


def names(flow_id: str) -> list[str]:
    return [event.name for event in selectors.stream_events(("flow", flow_id))]


def settle_ticket(*, fails: bool) -> None:
    at: dict[str, Any] = {"step_id": "ticket", "token": flow("trip").executions["ticket"].order[0]}
    failed, done = asked.FailWork(**at, error="sold out"), asked.SucceedWork(**at, outputs={})
    engine.handle("trip", failed if fails else done)
    work_off()


def undone(peer: StepServer) -> list[str]:
    calls = [call for call in peer.heard if call.path.startswith("/undo-")]
    return [f"{call.path.removeprefix('/undo-')} {call.body['input']['guest']}" for call in calls]


def is_sound() -> bool:
    found = [doctor.examine(one) for one in doctor.checks() if one.id.startswith(("I5", "I11"))]
    assert not [violation for one in found for violation in one.violations]
    assert not list(rebuilding.verify(FLOWS))
    return True


class TestACompletedChild:
    def test_is_listed_as_active_and_says_what_it_waits_for(self, tour: StepServer) -> None:
        start("ada", "bob")

        rows = FlowSummary.objects.filter(parent_flow_id="trip")
        assert [(row.status, row.outcome) for row in rows] == [("active", "completed")] * 2
        waits = why_waiting.waiting(children()[0])
        assert waits is not None
        assert waits.sentence == "It has completed; it ends once trip cannot have it undone."
        assert flow("trip").executions["travel"].status == "completed"
        assert is_sound()

    def test_ends_before_its_parent_which_holds_its_key_until_then(self, tour: StepServer) -> None:
        start("ada", concurrency_key="tour")
        at: dict[str, Any] = {
            "step_id": "ticket",
            "token": flow("trip").executions["ticket"].order[0],
        }
        engine.handle("trip", asked.SucceedWork(**at, outputs={}))
        other: dict[str, Any] = {"flow_id": "other", "goals": ["room"], "init": {"guest": ["bob"]}}

        waits = why_waiting.waiting(flow("trip"))
        assert waits is not None
        assert waits.sentence == "It has completed; its child flows end before it."
        with pytest.raises(FlowBusy):
            services.start_flow(**other, options={"concurrency_key": "tour"})
        work_off()
        services.start_flow(**other, options={"concurrency_key": "tour"})

        assert names("trip")[-3:] == ["child_released", "child_deactivated", "flow_deactivated"]
        assert names(children()[0].id)[-3:] == [
            "flow_completed",
            "flow_released",
            "flow_deactivated",
        ]
        assert undone(tour) == []
        assert is_sound()


class TestUndoing:
    def test_every_child_is_undone_in_reverse_order_and_ends_before_its_parent(
        self, tour: StepServer
    ) -> None:
        start("ada", "bob")
        settle_ticket(fails=True)

        assert sorted(undone(tour)) == ["car ada", "car bob", "room ada", "room bob"]
        for guest in ("ada", "bob"):
            assert undone(tour).index(f"car {guest}") < undone(tour).index(f"room {guest}")
        assert [child.is_undone for child in children()] == [True, True]
        assert names("trip")[-1] == "flow_deactivated"
        rows = FlowSummary.objects.exclude(parent_flow_id="")
        assert {(row.status, row.outcome, row.is_undone) for row in rows} == {
            ("completed", "completed", True)
        }
        assert is_sound()

    def test_that_has_to_be_tried_again_is_what_the_parent_waits_for(
        self, tour: StepServer
    ) -> None:
        start("ada")
        tour.says["/undo-car"] = (503, {"detail": "busy"})
        settle_ticket(fails=True)

        waits = why_waiting.waiting(flow("trip"))
        assert waits is not None
        assert waits.sentence.startswith(
            "What step travel did is being undone: what step car did is being undone, again at"
        )
        assert waits.next_at is not None
        assert is_sound()

        tour.says["/undo-car"] = (200, {})
        later(60)
        work_off()
        assert flow("trip").is_over

    def test_that_fails_is_told_by_the_child_and_by_all_above(self, tour: StepServer) -> None:
        tour.says["/undo-car"] = lambda heard: (
            (409, {"detail": "gone"}) if heard.body["input"]["guest"] == "bob" else (200, {})
        )
        start("ada", "bob")
        settle_ticket(fails=True)

        ada, bob = sorted(children(), key=lambda child: str(child.init["guest"]))
        assert {
            row.flow_id: (row.is_undone, row.is_partly_undone) for row in FlowSummary.objects.all()
        } == {"trip": (False, True), ada.id: (True, False), bob.id: (True, True)}
        items = {one.error: one.status for one in flow("trip").executions["travel"].in_order()}
        assert items == {"": "compensated", "not undone: car": "compensation_failed"}
        assert is_sound()

    def test_a_sibling_that_failed_has_the_others_undone(self, tour: StepServer) -> None:
        tour.says["/car"] = lambda heard: (
            (422, {"detail": "no car"}) if heard.body["guest"] == "bob" else (200, {"car": 1})
        )
        start("ada", "bob")

        assert sorted(undone(tour)) == ["car ada", "room ada", "room bob"]
        assert flow("trip").is_over
        assert is_sound()


class TestCancelling:
    @pytest.mark.parametrize("compensates", [True, False])
    def test_a_flow_stops_the_child_that_is_under_way(
        self, tour: StepServer, *, compensates: bool
    ) -> None:
        register(
            "hold", type="wait", wait={"event": "booking.completed"}, attributes={"room": NEEDED}
        )
        register(
            "stay",
            type="flow",
            flow={"goals": ["hold"]},
            attributes={"guest": NEEDED},
        )
        services.start_flow(
            flow_id="trip", goals=["stay"], init={"guest": ["ada"]}, options={"compensate": True}
        )
        work_off()
        [child] = children()
        assert not child.is_terminal

        services.cancel_flow(flow_id="trip", reason="enough", compensates=compensates)
        work_off()

        assert undone(tour) == (["room ada"] if compensates else [])
        assert names(child.id)[-1] == "flow_deactivated"
        assert flow("trip").is_over
        assert is_sound()
