"""Steps that answer with a redirect: followed where nobody else gets what was meant for them."""

from typing import Any

import pytest

from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer, step_server
from workflows.flows import services
from workflows.flows.domain.step_json import step_from_json

pytestmark = pytest.mark.django_db(transaction=True)


def run(peer: StepServer, **http: Any) -> str:
    """Run a step of this peer, and return the error of its flow; empty if it completed."""
    definition = {
        "id": "hold",
        "name": "Hold",
        "type": "sync",
        "http": {"endpoint": peer.url("/hold"), **http},
        "attributes": {"held": {"role": "output"}},
    }
    services.register_step(step=step_from_json(definition))
    services.start_flow(flow_id="trip", goals=["hold"], init={})
    work_off()
    assert flow("trip").is_over
    return flow("trip").error


class TestAnEffect:
    @pytest.mark.parametrize("status", [301, 302, 303])
    def test_does_not_turn_into_a_question(self, peer: StepServer, status: int) -> None:
        peer.says["/hold"] = (status, "/held")

        assert run(peer) == (
            f"step hold failed: step returned HTTP error: status {status}: it redirects to "
            f"{peer.url('/held')}, and an effect is not sent "
            "elsewhere unseen: followed are GET, and 307 and 308 within one origin"
        )
        assert peer.calls("/held") == []

    @pytest.mark.parametrize("status", [307, 308])
    def test_is_not_sent_to_another_origin(self, peer: StepServer, status: int) -> None:
        with step_server() as other:
            target = other.url("/held")
            peer.says["/hold"] = (status, f"{target}?key=secret")

            error = run(peer)

        assert f"status {status}: it redirects to {target}, and" in error
        assert "secret" not in error
        assert other.heard == []

    def test_goes_on_within_its_origin_with_its_token(self, peer: StepServer) -> None:
        peer.says["/hold"] = (308, "/hold/")
        peer.says["/hold/"] = (200, {"held": "12A"})

        assert run(peer) == ""
        [call] = peer.calls("/hold/")
        assert (call.method, call.body) == ("POST", {})
        assert call.headers["idempotency-key"] == flow("trip").executions["hold"].order[0]
        assert flow("trip").executions["hold"].outputs == {"held": "12A"}

    def test_is_told_of_where_it_points_even_if_that_is_no_address(self, peer: StepServer) -> None:
        peer.says["/hold"] = (302, "http://[")

        assert "it redirects to what is no address" in run(peer)

    def test_is_told_of_where_it_points_without_a_password(self, peer: StepServer) -> None:
        peer.says["/hold"] = (302, "http://ada:secret@held.example:8443/held")

        assert "it redirects to http://held.example:8443/held, and" in run(peer)


def test_a_question_is_asked_elsewhere_without_what_could_settle_it(peer: StepServer) -> None:
    with step_server() as other:
        peer.says["/hold"] = (302, other.url("/held"))
        other.says["/held"] = (200, {"held": "12A"})

        assert run(peer, method="GET") == ""

    [call] = other.heard
    assert call.method == "GET"
    assert "argyll-flow-id" in call.headers
    assert not {"argyll-receipt-token", "idempotency-key"} & call.headers.keys()
