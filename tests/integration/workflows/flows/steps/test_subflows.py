"""Flows within flows, as Argyll's are, over its own HTTP surface."""

from typing import Any

import pytest

from tests.integration.workflows.flows.api.test_engine_api import ask
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.explanations import explain
from workflows.flows.models import FlowSummary

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

OUT: dict[str, Any] = {"role": "output"}
NEEDED: dict[str, Any] = {"role": "required"}


def inner(peer: StepServer, kind: str = "sync", path: str = "/inner", **extra: Any) -> None:
    step = {"id": "inner", "name": "inner", "type": kind, "http": {"endpoint": peer.url(path)}}
    attributes = {"a": NEEDED, "b": OUT}
    method = "PUT" if ask("GET", "/engine/step/inner")[0] == 200 else "POST"
    address = "/engine/step/inner" if method == "PUT" else "/engine/step"
    assert ask(method, address, {**step, "attributes": attributes, **extra})[0] in {200, 201}


def outer(**extra: Any) -> None:
    step = {"id": "outer", "name": "outer", "type": "flow", "flow": {"goals": ["inner"]}}
    assert (
        ask("POST", "/engine/step", {"attributes": {"a": NEEDED, "b": OUT}, **step, **extra})[0]
        == 201
    )


def start(**init: list[Any]) -> None:
    body = {"id": "trip", "goals": ["outer"], "init": init, "labels": {"env": "test"}}
    assert ask("POST", "/engine/flow", body)[0] == 201


def children() -> list[str]:
    found = FlowSummary.objects.filter(parent_flow_id="trip").order_by("started_at", "flow_id")
    return list(found.values_list("flow_id", flat=True))


def test_nests_no_deeper_than_children_can_be_named(peer: StepServer) -> None:
    inner(peer)
    for depth in range(12):
        goal = f"level-{depth - 1}" if depth else "inner"
        step = {"id": f"level-{depth}", "name": "n", "type": "flow", "flow": {"goals": [goal]}}
        assert ask("POST", "/engine/step", {**step, "attributes": {"a": NEEDED}})[0] == 201

    status, refused = ask(
        "POST", "/engine/flow", {"id": "deep", "goals": ["level-11"], "init": {"a": [1]}}
    )

    assert status == 400
    assert refused["error"] == (
        "child flows nest too deep: the id of the child of step level-0 would have "
        "546 characters: maximum is 506"
    )
    assert ask("GET", "/engine/flow/deep")[0] == 404
    with pytest.raises(FlowInvalid, match="child flows nest too deep"):
        explain.preview(["level-11"], {"a": [1]})
    assert ask("POST", "/engine/flow", {"id": "d", "goals": ["level-10"], "init": {"a": [1]}}) == (
        201,
        {"message": "", "flow_id": "d"},
    )
    work_off()
    assert flow("d").status == "completed"


class TestAChild:
    def test_is_a_flow_of_its_own_that_lists_do_not_show(self, peer: StepServer) -> None:
        peer.says["/inner"] = (200, {"b": 2})
        inner(peer)
        outer()
        start(a=[1])
        work_off()

        token = flow("trip").executions["outer"].order[0]
        [child_id] = children()
        child = ask("GET", f"/engine/flow/{child_id}")[1]
        assert child_id == f"trip:outer:{token}"
        assert child["metadata"] == {
            "parent_flow_id": "trip",
            "parent_step_id": "outer",
            "parent_work_item_token": token,
        }
        assert "labels" not in child
        assert [value["value"] for value in child["attributes"]["a"]] == [1]
        assert ask("GET", f"/engine/flow/{child_id}/status")[1]["status"] == "completed"
        assert [one["id"] for one in ask("GET", "/engine/flow")[1]] == ["trip"]
        assert ask("POST", "/engine/flow/query", {})[1]["total"] == 1

    def test_gives_all_its_values_of_which_the_declared_ones_count(self, peer: StepServer) -> None:
        peer.says["/inner"] = (200, {"b": 2})
        inner(peer)
        outer()
        start(a=[1])
        work_off()

        execution = flow("trip").executions["outer"]
        assert [item.outputs for item in execution.in_order()] == [{"a": 1, "b": 2}]
        assert execution.outputs == {"b": 2}

    def test_takes_and_gives_by_other_names(self, peer: StepServer) -> None:
        peer.says["/inner"] = (200, {"b": 2})
        inner(peer)
        outer(
            attributes={
                "given": {"role": "required", "required": {"mapping": {"name": "a"}}},
                "gained": {"role": "output", "output": {"mapping": {"name": "b"}}},
            }
        )
        start(given=[7])
        work_off()

        assert peer.calls("/inner")[0].body == {"a": 7}
        assert flow("trip").executions["outer"].outputs == {"gained": 2}

    def test_follows_the_plan_with_which_its_parent_began(self, peer: StepServer) -> None:
        peer.says["/inner"] = (200, {"b": 2})
        inner(peer)
        outer()
        start(a=[1])
        inner(peer, path="/elsewhere")
        ask("DELETE", "/engine/step/inner")

        work_off()

        assert len(peer.calls("/inner")) == 1
        assert peer.calls("/elsewhere") == []
        assert flow("trip").status == "completed"


class TestItsParent:
    def test_fails_for_good_without_what_the_child_requires(self, peer: StepServer) -> None:
        inner(peer, attributes={"a": NEEDED, "more": NEEDED, "b": OUT})
        outer()
        start(a=[1])
        work_off()

        assert flow("trip").error == "step outer failed: required inputs not provided: [more]"
        assert children() == []

    def test_fails_for_good_with_the_child(self, peer: StepServer) -> None:
        peer.says["/inner"] = (422, {"detail": "never"})
        inner(peer)
        outer(work_config={"max_retries": 5})
        start(a=[1])
        work_off()

        assert len(children()) == 1
        assert flow("trip").error == (
            "step outer failed: step inner failed: step returned HTTP error: status 422: never"
        )

    def test_fails_without_an_output_that_it_renames(self, peer: StepServer) -> None:
        inner(peer)
        outer(
            attributes={"a": NEEDED, "c": {"role": "output", "output": {"mapping": {"name": "b"}}}}
        )
        start(a=[1])
        work_off()

        assert flow("trip").error == "step outer failed: flow output missing: b"

    def test_does_without_an_output_of_the_same_name(self, peer: StepServer) -> None:
        inner(peer)
        outer()
        start(a=[1])
        work_off()

        execution = flow("trip").executions["outer"]
        assert (execution.status, execution.outputs) == ("completed", {})


class TestManyChildren:
    EACH = {"role": "required", "required": {"for_each": True}}

    def test_run_as_many_at_once_as_the_step_allows(self, peer: StepServer) -> None:
        inner(peer, kind="async")
        outer(attributes={"a": self.EACH, "b": OUT}, work_config={"parallelism": 2})
        start(a=[[1, 2, 3]])
        work_off()
        assert len(children()) == 2

        for _ in range(3):
            for child_id in children():
                finish(child_id, b=flow(child_id).values("a")[0].value * 10)
            work_off()

        assert len(children()) == 3
        outputs = flow("trip").executions["outer"].outputs
        assert outputs == {"b": [{"a": 1, "b": 10}, {"a": 2, "b": 20}, {"a": 3, "b": 30}]}

    def test_that_are_under_way_end_when_a_sibling_has_failed(self, peer: StepServer) -> None:
        inner(peer, kind="async")
        outer(attributes={"a": self.EACH, "b": OUT}, work_config={"parallelism": 2})
        start(a=[[1, 2]])
        work_off()
        first, second = children()

        finish(first, problem="lost")
        work_off()
        assert ask("GET", "/engine/flow/trip")[1]["status"] == "failed"
        assert ask("GET", "/engine/flow/trip/status")[1]["status"] == "active"

        finish(second, b=1)
        work_off()
        assert ask("GET", "/engine/flow/trip/status")[1]["status"] == "failed"
        events = ask("GET", "/engine/flow/trip/events")[1]["events"]
        assert [event["type"] for event in events][-1] == "flow_deactivated"


def finish(flow_id: str, *, problem: str = "", **outputs: Any) -> None:
    """Deliver the result of the step `inner` of a child, as its step server would."""
    token = flow(flow_id).executions["inner"].order[0]
    address = f"/webhook/{flow_id}/inner/{token}"
    body = {"detail": problem} if problem else outputs
    kind = "application/problem+json" if problem else "application/json"
    assert ask("POST", address, body, kind=kind)[0] == 200
