"""What a step declares of a second call: that it does no harm, is asked about, or may not be."""

import pytest

from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.integration.workflows.flows.execution.test_running import http, register, start
from tests.integration.workflows.work.conftest import let_time_pass
from tests.support.step_server import Answer, StepServer
from workflows.flows.domain.flow import FlowStatus
from workflows.work import leases

pytestmark = pytest.mark.django_db(transaction=True)


class TestCallsOfAStep:
    def test_that_may_happen_once_are_not_repeated(self, peer: StepServer) -> None:
        peer.says["/charge"] = (503, {})
        register("charge", **http(peer, "/charge", effect="at_most_once"))

        start("trip", "charge")
        work_off()

        assert len(peer.calls("/charge")) == 1
        assert flow("trip").error == (
            "step charge failed: outcome unknown: the step may take effect at most once\n"
            "work not completed\nstep returned HTTP error: status 503"
        )

    def test_that_may_happen_once_are_not_made_after_a_worker_that_was_lost(
        self, peer: StepServer
    ) -> None:
        register("charge", **http(peer, "/charge", effect="at_most_once"))
        start("trip", "charge")
        [claim] = leases.claim_next(worker="lost", kinds=["flow.invoke"])
        let_time_pass(claim, hours=1)
        leases.expire(limit=1)
        let_time_pass(claim, hours=1)

        work_off()

        assert peer.calls("/charge") == []
        assert flow("trip").error == (
            "step charge failed: outcome unknown: the step may take effect at most once"
        )

    def test_that_verify_ask_before_they_repeat(self, peer: StepServer) -> None:
        peer.says["/charge"] = (503, {})
        peer.says["/charges"] = (200, {"paid": "yes"})
        register(
            "charge",
            **http(peer, "/charge", effect="verify", verify=peer.url("/charges")),
            attributes={"paid": {"role": "output"}},
        )

        start("trip", "charge")
        work_off()
        later(seconds=2)
        work_off()

        assert len(peer.calls("/charge")) == 1
        assert flow("trip").executions["charge"].outputs == {"paid": "yes"}

    @pytest.mark.parametrize("answer", [(401, {}), (200, b"not JSON"), (500, {})])
    def test_that_verify_do_not_repeat_what_the_look_up_does_not_tell(
        self, peer: StepServer, answer: Answer
    ) -> None:
        peer.says["/charge"] = (503, {})
        peer.says["/charges"] = answer
        register(
            "charge",
            **http(peer, "/charge", effect="verify", verify=peer.url("/charges")),
            work_config={"max_retries": 2},
        )

        start("trip", "charge")
        for _ in range(4):
            work_off()
            later(seconds=10)

        assert len(peer.calls("/charge")) == 1
        assert len(peer.calls("/charges")) == 2
        assert "outcome unknown: the look-up of effect verify failed" in flow("trip").error

    def test_that_verify_repeat_what_did_not_take_effect(self, peer: StepServer) -> None:
        tries: list[Answer] = [(200, {}), (503, {})]
        peer.says["/charge"] = lambda _: tries.pop()
        peer.says["/charges"] = (404, {})
        register("charge", **http(peer, "/charge", effect="verify", verify=peer.url("/charges")))

        start("trip", "charge")
        work_off()
        later(seconds=2)
        work_off()

        assert len(peer.calls("/charge")) == 2
        assert flow("trip").status == FlowStatus.COMPLETED
