"""Flows on a real PostgreSQL against real HTTP peers, worked off by the real runner."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine

from events import doctor, selectors
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.live import eventually
from tests.support.step_server import Answer, Heard, StepServer
from workflows.flows import services
from workflows.flows.domain import commands as asked
from workflows.flows.domain.errors import FlowBusy, FlowExists, StepInvalid
from workflows.flows.domain.flow import FlowStatus, WorkStatus
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.models import FlowSummary, Receipt
from workflows.flows.steps import receipts

pytestmark = pytest.mark.django_db(transaction=True)


PATIENT = {"init_backoff": 60_000, "max_backoff": 60_000, "backoff_type": "fixed"}
"""So that no retry is due before the test says so."""


def register(id_: str, **definition: Any) -> None:
    services.register_step(step=step_from_json({"id": id_, "name": id_, **definition}))


def http(peer: StepServer, path: str, **extra: Any) -> dict[str, Any]:
    return {"type": "sync", "http": {"endpoint": peer.url(path), **extra}}


def start(flow_id: str, *goals: str, options: Any = None, **init: Any) -> None:
    services.start_flow(
        flow_id=flow_id,
        goals=goals,
        init={name: [value] for name, value in init.items()},
        options=options,
    )


def names(flow_id: str) -> list[str]:
    return [event.name for event in selectors.stream_events(("flow", flow_id))]


class TestHttpSteps:
    def test_hand_over_and_carry_the_four_headers(self, peer: StepServer) -> None:
        peer.says["/hold"] = (200, {"held": "A b/c"})
        peer.says["/pay/A%20b%2Fc"] = (200, {"paid": True})
        register("hold", **http(peer, "/hold"), attributes={"held": {"role": "output"}})
        register(
            "pay",
            **http(peer, "/pay/{held}"),
            attributes={"held": {"role": "required"}, "paid": {"role": "output"}},
        )

        start("trip", "pay")
        work_off()

        assert flow("trip").status == FlowStatus.COMPLETED
        [call] = peer.calls("/pay/A%20b%2Fc")
        assert call.body == {"held": "A b/c"}
        token = flow("trip").executions["pay"].order[0]
        assert {
            "argyll-flow-id": "trip",
            "argyll-step-id": "pay",
            "argyll-receipt-token": token,
            "idempotency-key": token,
        }.items() <= call.headers.items()

    def test_are_tried_again_after_503_and_fail_after_422(self, peer: StepServer) -> None:
        answers: list[Answer] = [(503, {"detail": "busy"}), (422, {"detail": "no such seat"})]
        peer.says["/hold"] = lambda _: answers.pop(0)
        register("hold", **http(peer, "/hold"), work_config=PATIENT)

        start("trip", "hold")
        work_off()
        assert names("trip")[-1] == "work_retry_scheduled"
        later(seconds=61)
        work_off()

        assert flow("trip").error == (
            "step hold failed: step returned HTTP error: status 422: no such seat"
        )
        tokens = {call.headers["argyll-receipt-token"] for call in peer.calls("/hold")}
        assert len(tokens) == 1

    def test_are_undone_with_inputs_and_outputs(self, peer: StepServer) -> None:
        def book(call: Heard) -> Answer:
            seat = call.body["seat"]
            return (200, {"code": f"r{seat}"}) if seat == 1 else (422, {"detail": "taken"})

        peer.says["/book"] = book
        register(
            "book",
            **http(peer, "/book", compensate=peer.url("/undo/{code}")),
            attributes={
                "seat": {"role": "required", "required": {"for_each": True}},
                "code": {"role": "output"},
            },
        )

        start("trip", "book", seat=[1, 2])
        work_off()

        [undo] = peer.calls("/undo/r1")
        assert undo.body == {"input": {"seat": 1}, "output": {"code": "r1"}}
        token = flow("trip").executions["book"].order[0]
        ours = {name: value for name, value in undo.headers.items() if name.startswith("argyll-")}
        assert ours == {
            "argyll-flow-id": "trip",
            "argyll-step-id": "book",
            "argyll-receipt-token": token,
        }
        assert names("trip")[-2:] == ["comp_succeeded", "flow_deactivated"]


class TestCallbacks:
    def started(self, peer: StepServer, **extra: Any) -> str:
        definition = {**http(peer, "/print", **extra), "type": "async", "work_config": PATIENT}
        register("print", **definition, attributes={"page": {"role": "output"}})
        start("trip", "print")
        work_off()
        return flow("trip").executions["print"].order[0]

    def receive(self, token: str, page: int) -> Receipt.Verdict:
        outcome = asked.SucceedWork(step_id="print", token=token, outputs={"page": page})
        raw = str(page).encode()
        return receipts.receive(
            flow_id="trip", step_id="print", token=token, outcome=outcome, raw=raw
        )

    def test_the_first_wins_and_the_others_are_on_record(self, peer: StepServer) -> None:
        token = self.started(peer)
        [call] = peer.calls("/print")
        assert urlsplit(call.headers["argyll-webhook-url"]).path == f"/webhook/trip/print/{token}"

        assert self.receive(token, 1) == Receipt.Verdict.FIRST
        assert self.receive(token, 1) == Receipt.Verdict.DUPLICATE
        assert self.receive(token, 2) == Receipt.Verdict.CONFLICT

        assert flow("trip").executions["print"].outputs == {"page": 1}

    def test_nobody_waits_for_ever_with_a_timeout(self, peer: StepServer) -> None:
        token = self.started(peer, callback_timeout=1000)

        later(seconds=1.1)
        work_off()

        assert flow("trip").executions["print"].items[token].status == WorkStatus.PENDING

    def test_a_token_of_another_step_is_unknown(self, peer: StepServer) -> None:
        self.started(peer)

        with pytest.raises(receipts.CallbackUnknown, match="Work item not found for token"):
            self.receive("6f3b0a0e-0000-4000-8000-000000000000", 1)


class TestScripts:
    def test_a_flow_of_scripts_is_over_when_start_returns(self) -> None:
        script = {"language": "ale", "script": "{:twice (* n 2)}"}
        register(
            "double",
            type="script",
            script=script,
            attributes={"n": {"role": "required"}, "twice": {"role": "output"}},
        )

        start("sum", "double", n=21)

        assert flow("sum").is_over
        assert flow("sum").executions["double"].outputs == {"twice": 42}
        assert FlowSummary.objects.get(flow_id="sum").status == "completed"

    def test_a_long_list_of_scripts_goes_on_in_further_transactions(self) -> None:
        script = {"language": "ale", "script": "{:twice (* n 2)}"}
        register(
            "double",
            type="script",
            script=script,
            attributes={
                "n": {"role": "required", "required": {"for_each": True}},
                "twice": {"role": "output"},
            },
            work_config={"parallelism": 10_000},
        )

        start("sum", "double", n=list(range(450)))
        assert not flow("sum").is_over
        work_off()

        outputs = flow("sum").executions["double"].outputs or {}
        assert [one["twice"] for one in outputs["twice"]] == [2 * n for n in range(450)]


class TestChildFlows:
    def child_and_parent(self, peer: StepServer) -> None:
        register(
            "inner",
            **http(peer, "/inner"),
            attributes={"a": {"role": "required"}, "b": {"role": "output"}},
        )
        register(
            "outer",
            type="flow",
            flow={"goals": ["inner"]},
            attributes={"a": {"role": "required"}, "b": {"role": "output"}},
        )

    def test_give_their_outcome_to_the_parent(self, peer: StepServer) -> None:
        peer.says["/inner"] = (200, {"b": 2})
        self.child_and_parent(peer)

        start("trip", "outer", a=1)
        work_off()

        assert flow("trip").executions["outer"].outputs == {"b": 2}
        assert FlowSummary.objects.filter(parent_flow_id="trip", status="completed").count() == 1

    def test_fail_their_parent(self, peer: StepServer) -> None:
        peer.says["/inner"] = (400, {"detail": "never"})
        self.child_and_parent(peer)

        start("trip", "outer", a=1)
        work_off()

        assert flow("trip").error == (
            "step outer failed: step inner failed: step returned HTTP error: status 400: never"
        )


class TestDeadlines:
    def test_pass_on_a_machine_whose_clock_is_behind(
        self, peer: StepServer, clock: time_machine.Traveller
    ) -> None:
        slow = {"type": "async", "http": {"endpoint": peer.url("/slow")}}
        register("slow", **slow, attributes={"size": {"role": "output"}})
        waits = {"role": "optional", "optional": {"default": "7", "deadline": 1}}
        register("take", **http(peer, "/take"), attributes={"size": waits})
        start("trip", "take")
        clock.shift(timedelta(seconds=-10))

        def is_taken() -> bool:
            work_off()
            return bool(peer.calls("/take"))

        eventually(is_taken)

        [call] = peer.calls("/take")
        assert call.body == {"size": 7}


class TestStart:
    def test_the_same_start_is_the_same_flow(self, peer: StepServer) -> None:
        register("hold", **http(peer, "/hold"))
        start("trip", "hold", x=1)
        start("trip", "hold", x=1)

        assert names("trip").count("flow_started") == 1
        with pytest.raises(FlowExists, match="flow exists with different plan or init: trip"):
            start("trip", "hold", x=2)

    def test_values_that_only_python_takes_for_equal_make_another_flow(
        self, peer: StepServer
    ) -> None:
        register("hold", **http(peer, "/hold"))
        start("trip", "hold", x=1)
        start("trip", "hold", x=1.0)

        with pytest.raises(FlowExists):
            start("trip", "hold", x=True)

    def test_one_flow_at_a_time_holds_a_concurrency_key(self, peer: StepServer) -> None:
        register("hold", **http(peer, "/hold"))
        start("first", "hold", options={"concurrency_key": "seat 7"})

        with pytest.raises(FlowBusy, match="the concurrency key seat 7 is active: first"):
            start("second", "hold", options={"concurrency_key": "seat 7"})
        work_off()
        start("third", "hold", options={"concurrency_key": "seat 7"})

    def test_a_flow_that_would_be_over_at_once_needs_the_key_too(self, peer: StepServer) -> None:
        register("hold", **http(peer, "/hold"))
        register("note", type="script", script={"language": "ale", "script": "{}"})
        start("first", "hold", options={"concurrency_key": "seat 7"})

        with pytest.raises(FlowBusy):
            start("second", "note", options={"concurrency_key": "seat 7"})

        assert not FlowSummary.objects.filter(flow_id="second").exists()
        work_off()
        start("second", "note", options={"concurrency_key": "seat 7"})
        start("second", "note", options={"concurrency_key": "seat 7"})


class TestOperators:
    def test_a_fork_keeps_what_came_before(self, peer: StepServer) -> None:
        peer.says["/pay"] = lambda call: (200, {"ok": 1}) if call.body["card"] == "b" else (402, {})
        register("hold", **http(peer, "/hold"), attributes={"held": {"role": "output"}})
        peer.says["/hold"] = (200, {"held": 7})
        register(
            "pay",
            **http(peer, "/pay"),
            attributes={
                "held": {"role": "required"},
                "card": {"role": "required"},
                "ok": {"role": "output"},
            },
        )
        start("trip", "pay", card="a")
        work_off()
        assert flow("trip").status == FlowStatus.FAILED

        services.fork_flow(
            flow_id="trip", new_flow_id="trip-2", from_step="pay", init={"card": ["b"]}
        )
        work_off()

        assert flow("trip-2").status == FlowStatus.COMPLETED
        assert len(peer.calls("/hold")) == 1

    def test_no_step_waits_for_an_event_of_a_journal(self) -> None:
        with pytest.raises(StepInvalid, match="dotted"):
            register("wait", type="wait", wait={"event": "flow_started"})

    def test_a_timeout_ends_the_flow(self, peer: StepServer) -> None:
        register("wait", type="wait", wait={"event": "booking.completed"})
        start("trip", "wait", options={"timeout_ms": 500})
        work_off()

        later(seconds=0.6)
        work_off()

        assert flow("trip").error == "flow cancelled: timed out"


def test_the_doctor_finds_nothing(peer: StepServer) -> None:
    peer.says["/hold"] = (200, {})
    register("hold", **http(peer, "/hold"))
    start("trip", "hold")
    work_off()

    results = [one for one in doctor.run() if one.violations]

    assert [one for one in results if one.id in {"I2", "I4", "I5", "I6", "I7", "I11-flows"}] == []
