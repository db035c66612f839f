"""Values that are good one by one, and more than one event carries together."""

from typing import Any

import pytest

from tests.integration.workflows.flows.api.test_engine_api import ask
from tests.integration.workflows.flows.api.test_engine_edges import called, started
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

NEVER = {"language": "ale", "script": "false"}


class TestAnswersOfSteps:
    def test_that_are_more_than_one_event_carries_together_fail_their_step(
        self, peer: StepServer
    ) -> None:
        called(
            peer,
            {"out": "x" * 400_000},
            attributes={
                "each": {"role": "required", "required": {"for_each": True}},
                "out": {"role": "output"},
            },
        )
        started("much", "call", each=[[1, 2, 3]])

        work_off()

        assert flow("much").is_over
        assert flow("much").error.startswith("step call failed: values cannot be recorded\n")

    @pytest.mark.parametrize(
        ("condition", "error"),
        [
            ({"predicate": NEVER}, ""),
            (
                {"predicate": {"language": "lua", "script": "error('no')"}},
                "step both failed: predicate evaluation failed\n",
            ),
            (
                {"attributes": {"c": {"role": "required", "required": {"match": NEVER}}}},
                "flow failed",
            ),
            (
                {"attributes": {"c": {"role": "required", "required": {"collect": "last"}}}},
                "step c failed: step returned HTTP error: status 422",
            ),
        ],
        ids=["skipped", "broken", "closed", "unreachable"],
    )
    def test_that_one_event_does_not_carry_together_are_not_listed_by_a_step_that_does_not_run(
        self, peer: StepServer, condition: dict[str, Any], error: str
    ) -> None:
        attributes = {name: {"role": "required"} for name in "ab"}
        both = {"attributes": {**attributes, **condition.get("attributes", {})}}
        step = {"id": "both", "name": "both", "type": "sync", "http": {"endpoint": peer.url("/n")}}
        assert ask("POST", "/engine/step", {**step, **condition, **both})[0] == 201
        for name, answer in (("a", 700_000), ("b", 700_000), ("c", 1)):
            peer.says[f"/{name}"] = (200, {name: "x" * answer})
            http = {"endpoint": peer.url(f"/{name}")}
            gives = {"attributes": {name: {"role": "output"}}, "http": http}
            assert (
                ask("POST", "/engine/step", {**step, "id": name, "name": name, **gives})[0] == 201
            )
        if "collect" in str(condition):
            peer.says["/c"] = (422, b"")
        started("much", "both")

        work_off()

        assert flow("much").is_over
        assert flow("much").error.startswith(error)
        assert len(peer.calls("/a")) == 1
        assert not flow("much").executions["both"].inputs
