"""The health of steps: asked, derived, recorded when it changes, obeyed when work is given out."""

from typing import Any

import pytest
from pytest_django import Settings

from events import selectors as log
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.support.step_server import StepServer
from workflows.flows import selectors, services
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.cluster import Health, HealthStatus
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.plan import Plan
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.explanations import why_waiting
from workflows.flows.steps import health
from workflows.work import runner
from workflows.work import services as work
from workflows.work.models import Schedule

pytestmark = pytest.mark.django_db(transaction=True)

UNHEALTHY, HEALTHY, UNKNOWN = HealthStatus.UNHEALTHY, HealthStatus.HEALTHY, HealthStatus.UNKNOWN


def register(step_id: str, **members: Any) -> None:
    document = {"id": step_id, "name": step_id, "attributes": {}, **members}
    services.register_step(step=step_from_json(document))


def http(peer: StepServer, step_id: str = "fetch", **extra: Any) -> None:
    address = {"endpoint": peer.url("/work"), "health_check": peer.url("/health")}
    register(step_id, type="sync", http=address, **extra)


def script(step_id: str, text: str, **extra: Any) -> None:
    register(step_id, type="script", script={"language": "ale", "script": text}, **extra)


def changes() -> list[tuple[str, str]]:
    events = log.stream_events(("cluster",))
    return [(event.data["step_id"], event.data["status"]) for event in events]


def event_types(flow_id: str) -> list[str]:
    return [event.name for event in log.stream_events(("flow", flow_id))]


class TestChecking:
    def test_asks_the_address_and_records_only_changes(self, peer: StepServer) -> None:
        http(peer)
        peer.says["/health"] = (500, {})

        assert [health.check_all() for _ in range(3)] == [1, 0, 0]
        assert selectors.health_of("fetch") == Health(
            status=UNHEALTHY, error="node daybook-1: HTTP 500 Internal Server Error"
        )
        peer.says["/health"] = (204, b"")
        assert [health.check_all() for _ in range(2)] == [1, 0]
        assert selectors.health_of("fetch").status == HEALTHY
        assert changes() == [("fetch", "unknown"), ("fetch", "unhealthy"), ("fetch", "healthy")]
        assert {call.method for call in peer.calls("/health")} == {"GET"}

    def test_takes_silence_for_illness(self, peer: StepServer) -> None:
        address = {"endpoint": peer.url("/work"), "health_check": "http://127.0.0.1:9/health"}
        register("gone", type="sync", http=address)

        health.check_all()

        found = selectors.health_of("gone")
        assert found.status == UNHEALTHY
        assert found.error.startswith("node daybook-1: The call failed")

    def test_leaves_alone_what_has_no_address(self, peer: StepServer) -> None:
        register("plain", type="sync", http={"endpoint": peer.url("/work")})

        assert health.check_all() == 0
        assert selectors.health_of("plain").status == UNKNOWN
        assert peer.heard == []

    def test_compiles_a_script_and_forgives_a_run_that_failed(self) -> None:
        script("divide", "{:out (/ 1 n)}", attributes={"n": {"role": "required"}})
        services.start_flow(flow_id="f", goals=["divide"], init={"n": ["nothing"]})
        work_off()

        assert flow("f").status == FlowStatus.FAILED
        assert selectors.health_of("divide").status == HEALTHY
        assert health.check_all() == 0

    def test_begins_anew_with_another_definition_and_not_with_an_equal_one(
        self, peer: StepServer
    ) -> None:
        http(peer)
        health.check_all()
        http(peer)
        assert changes() == [("fetch", "unknown"), ("fetch", "healthy")]

        moved = {"endpoint": peer.url("/moved"), "health_check": peer.url("/health")}
        document = {"id": "fetch", "name": "fetch", "type": "sync", "http": moved}
        services.update_step(step=step_from_json(document))

        assert changes()[2:] == [("fetch", "unknown")]

    def test_is_remembered_of_a_step_that_is_gone(self, peer: StepServer) -> None:
        http(peer)
        health.check_all()

        services.unregister_step(step_id="fetch")

        assert engine.cluster().merged("fetch").status == HEALTHY
        assert len(changes()) == 2

    def test_is_what_the_scheduled_work_does(self, peer: StepServer) -> None:
        http(peer)
        work.enqueue(health.CHECK_HEALTH, {})

        assert runner.work_off(worker="test", kinds=[health.CHECK_HEALTH]) == 1
        assert changes()[-1] == ("fetch", "healthy")


class TestOfAFlowStep:
    def test_is_that_of_what_it_needs_at_this_moment(self, peer: StepServer) -> None:  # 25
        token = {"token": {"role": "output", "type": "string"}}
        needs = {"token": {"role": "required", "type": "string"}}
        http(peer, "login", attributes=token)
        script("first", "{:a 1}", attributes={"a": {"role": "output"}})
        script("second", "{:b 1}", attributes={**needs, "b": {"role": "output"}})
        register("both", type="flow", flow={"goals": ["first", "second"]})
        assert selectors.health_of("both").status == HEALTHY

        peer.says["/health"] = (503, {})
        health.check_all()

        found = selectors.health_of("both")
        assert found.status == UNHEALTHY
        assert found.error.startswith("step login: node daybook-1: HTTP 503")

    def test_is_unknown_with_a_reason_when_it_cannot_be_planned(self) -> None:
        script("goal", "{:a 1}")
        register("nest", type="flow", flow={"goals": ["goal"]})
        services.unregister_step(step_id="goal")

        found = selectors.health_of("nest")

        assert found.status == UNKNOWN
        assert found.error.startswith("flow preview failed for nest: ")

    def test_is_healthy_although_nothing_is_known_of_a_goal(self, peer: StepServer) -> None:
        register("plain", type="sync", http={"endpoint": peer.url("/work")})
        register("nest", type="flow", flow={"goals": ["plain"]})

        assert selectors.health_of("plain") == Health(status=UNKNOWN)
        assert selectors.health_of("nest") == Health(status=HEALTHY)

    def test_is_unknown_while_a_goal_is_and_says_why(self) -> None:
        script("goal", "{:a 1}")
        register("nest", type="flow", flow={"goals": ["goal"]})
        register("outer", type="flow", flow={"goals": ["nest"]})
        services.unregister_step(step_id="goal")

        assert selectors.health_of("outer") == Health(
            status=UNKNOWN,
            error="step nest: flow preview failed for nest: step not found: [goal]",
        )
        assert selectors.health_of("nobody") == Health(
            status=UNKNOWN, error="step not found: nobody"
        )

    def test_names_a_goal_that_is_unhealthy_without_a_word(self) -> None:
        script("goal", "{:a 1}")
        register("nest", type="flow", flow={"goals": ["goal"]})
        services.report_health(step_id="goal", health=Health(status=UNHEALTHY))

        assert selectors.health_of("nest") == Health(status=UNHEALTHY, error="step goal unhealthy")

    def test_of_many_in_one_another_is_derived_once_each(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script("goal", "{:a 1}")
        for depth in range(6):
            goal = f"nest-{depth - 1}" if depth else "goal"
            register(f"nest-{depth}", type="flow", flow={"goals": [goal]})
        services.report_health(step_id="goal", health=Health(status=UNHEALTHY))
        planned: list[tuple[str, ...]] = []

        def plan(catalog: Catalog, goals: tuple[str, ...], *asked: Any, **more: Any) -> Plan:
            planned.append(goals)
            return make_plan(catalog, goals, *asked, **more)

        monkeypatch.setattr(selectors, "make_plan", plan)

        found = selectors.health_of_all(engine.catalog().steps)

        assert {one.status for one in found.values()} == {UNHEALTHY}
        assert found["nest-1"].error == "step nest-0: step goal unhealthy"
        assert len(planned) == 6


class TestDispatch:
    def test_goes_on_within_a_second_of_recovery(self, peer: StepServer) -> None:
        http(peer)
        peer.says["/health"] = (500, {})
        health.check_all()
        services.start_flow(flow_id="f", goals=["fetch"], init={})
        work_off()
        assert peer.calls("/work") == []
        assert sentence().startswith("Step fetch waits for a healthy worker: node ")
        assert sentence().endswith(": HTTP 500 Internal Server Error.")

        peer.says["/health"] = (200, {})
        health.check_all()
        later(1)
        work_off()

        assert len(peer.calls("/work")) == 1
        assert flow("f").status == FlowStatus.COMPLETED

    def test_goes_on_with_a_step_that_is_not_registered_any_more(self, peer: StepServer) -> None:
        http(peer)
        peer.says["/health"] = (500, {})
        health.check_all()
        services.start_flow(flow_id="f", goals=["fetch"], init={})
        services.unregister_step(step_id="fetch")

        assert health.check_all() == 1
        later(1)
        work_off()

        assert len(peer.calls("/work")) == 1
        assert flow("f").status == FlowStatus.COMPLETED
        assert health.check_all() == 0

    def test_holds_a_retry_back_until_then(self, peer: StepServer, busy: None) -> None:
        self.fall_ill()

        assert len(peer.calls("/work")) == 2
        assert event_types("f").count("dispatch_deferred") == 1
        assert sentence() == (
            "Step fetch waits for a healthy worker to be tried again; 1 of 2 items are done."
        )
        peer.says["/work"] = (200, {})
        self.recover()
        assert len(peer.calls("/work")) == 3
        assert flow("f").status == FlowStatus.COMPLETED

    def test_holds_a_compensation_that_is_tried_again_back_until_then(
        self, peer: StepServer, busy: None
    ) -> None:
        peer.says["/work"], peer.says["/undo"] = (422, {}), (503, {})
        later(30)
        work_off()
        assert len(peer.calls("/undo")) == 1

        self.fall_ill()

        assert len(peer.calls("/undo")) == 1
        assert event_types("f").count("dispatch_deferred") == 1
        assert sentence() == (
            "What step fetch did is being undone, again once a worker is healthy."
        )
        peer.says["/undo"] = (200, {})
        self.recover()
        assert event_types("f")[-2:] == ["comp_succeeded", "flow_deactivated"]

    @pytest.fixture
    def busy(self, peer: StepServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second of two items waits for its retry, in 20 seconds."""
        monkeypatch.setattr(engine, "HEALTH_KNOWN_S", 0)
        peer.says["/work"] = lambda heard: (503 if heard.body["n"] == 2 else 200, {})
        register(
            "fetch",
            type="sync",
            http={"endpoint": peer.url("/work"), "compensate": peer.url("/undo")},
            attributes={"n": {"role": "required", "required": {"for_each": True}}},
            work_config={"init_backoff": 20_000, "max_backoff": 20_000, "parallelism": 2},
        )
        services.start_flow(flow_id="f", goals=["fetch"], init={"n": [[1, 2]]})
        work_off()

    def fall_ill(self) -> None:
        """Be unhealthy, long after everything was due."""
        services.report_health(step_id="fetch", health=Health(status=UNHEALTHY))
        for _ in range(3):
            later(30)
            work_off()

    def recover(self) -> None:
        services.report_health(step_id="fetch", health=Health(status=HEALTHY))
        later(30)
        work_off()


def sentence() -> str:
    waits = why_waiting.waiting(flow("f"))
    assert waits is not None
    return waits.sentence


class TestTimetable:
    def test_is_laid_down_once_and_then_the_operators(self, settings: Settings) -> None:
        settings.FLOWS_HEALTH_INTERVAL_S = 30
        health.install_defaults(plan=[])
        Schedule.objects.update(enabled=False)

        health.install_defaults(plan=[])
        settings.FLOWS_HEALTH_INTERVAL_S = 10
        health.install_defaults(plan=[])

        assert list(Schedule.objects.values_list("name", "every_s", "enabled")) == [
            (health.CHECK_HEALTH, 10, False)
        ]

    def test_has_nothing_for_an_interval_of_zero(self) -> None:
        health.install_defaults(plan=[])

        assert not Schedule.objects.exists()
