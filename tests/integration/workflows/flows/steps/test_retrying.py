"""Tries and retries of HTTP steps and of their compensations."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now

from tests.integration.workflows.flows.api.test_engine_api import ask
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.support.step_server import Answer, StepServer
from workflows.flows import services
from workflows.flows.domain import work_items
from workflows.flows.explanations import why_waiting
from workflows.work import queue
from workflows.work.models import Work

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

EVERY_SECOND = {"init_backoff": 1000, "max_backoff": 1000, "backoff_type": "fixed"}
EACH = {"role": "required", "required": {"for_each": True}}


def step(peer: StepServer, kind: str = "sync", **extra: Any) -> None:
    http = {"endpoint": peer.url("/do"), **extra.pop("http", {})}
    body = {"id": "do", "name": "do", "type": kind, "attributes": {}, "http": http, **extra}
    assert ask("POST", "/engine/step", body)[0] == 201


def run(**init: list[Any]) -> None:
    assert ask("POST", "/engine/flow", {"id": "trip", "goals": ["do"], "init": init})[0] == 201
    go_on()


def go_on(times: int = 5) -> None:
    """Let time pass until the flow is over, or so many times."""
    for _ in range(times):
        work_off()
        if event_types()[-1] == "flow_deactivated":
            return
        later(1)


def event_types() -> list[str]:
    return [event["type"] for event in ask("GET", "/engine/flow/trip/events")[1]["events"]]


def items() -> list[dict[str, Any]]:
    shown = ask("GET", "/engine/flow/trip")[1]["executions"]["do"]
    return [shown["work_items"][token] for token in flow("trip").executions["do"].order]


class TestTries:
    @pytest.mark.parametrize(("limit", "says"), [(3, ", retry 1 of 3: "), (-1, ", retry 1: ")])
    def test_say_how_many_are_left(self, peer: StepServer, limit: int, says: str) -> None:
        peer.says["/do"] = (500, b"")
        step(peer, work_config={**EVERY_SECOND, "max_retries": limit})
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do"]})
        work_off()

        waits = why_waiting.waiting(flow("trip"))
        assert waits is not None
        assert says in waits.sentence

    def test_end_after_the_first_and_so_many_retries(self, peer: StepServer) -> None:
        peer.says["/do"] = (500, b"")
        step(peer, work_config={**EVERY_SECOND, "max_retries": 2})
        run()

        assert event_types() == [
            *("flow_started", "step_started"),
            *("work_started", "work_not_completed", "work_retry_scheduled") * 2,
            *("work_started", "work_not_completed", "work_failed", "step_failed"),
            *("flow_failed", "flow_deactivated"),
        ]
        assert len(peer.calls("/do")) == 3
        tokens = {call.headers["argyll-receipt-token"] for call in peer.calls("/do")}
        assert len(tokens) == 1
        [item] = items()
        assert (item["status"], item["retry_count"]) == ("failed", 2)
        assert item["error"] == "work not completed\nstep returned HTTP error: status 500"

    def test_that_succeed_keep_what_was_wrong_before(self, peer: StepServer) -> None:
        answers: list[Answer] = [(503, {"detail": "busy"}), (200, {})]
        peer.says["/do"] = lambda _: answers.pop(0)
        step(peer, work_config=EVERY_SECOND)
        run()

        [item] = items()
        assert (item["status"], item["retry_count"]) == ("succeeded", 1)
        assert item["error"].endswith("status 503: busy")

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ((404, b""), "step returned HTTP error: status 404"),
            ((422, {"title": "No"}), "step returned HTTP error: status 422: No"),
            (
                (422, {"type": "x", "status": 422}),
                "step returned HTTP error: status 422: Unprocessable",
            ),
            ((200, b"nope"), "invalid output JSON: invalid character 'o' in literal null"),
        ],
    )
    def test_that_fail_for_good_are_not_repeated(
        self, peer: StepServer, answer: Answer, error: str
    ) -> None:
        peer.says["/do"] = answer
        step(peer, work_config=EVERY_SECOND)
        run()

        assert len(peer.calls("/do")) == 1
        assert flow("trip").error.startswith(f"step do failed: {error}")

    def test_that_came_due_while_paused_by_a_clock_ahead_of_ours_begin_with_the_resumption(
        self, peer: StepServer
    ) -> None:
        answers = iter([(503, b""), (503, b""), (200, b"{}")])
        peer.says["/do"] = lambda _heard: next(answers)
        step(peer, work_config=EVERY_SECOND)
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do"], "init": {}})
        work_off()
        services.pause_flow(flow_id="trip", reason="look first")
        Work.objects.filter(status="scheduled").update(status="ready", due_at=Now())
        work_off()

        services.resume_flow(flow_id="trip")
        go_on()

        assert len(peer.calls("/do")) == 3
        assert event_types()[-1] == "flow_deactivated"

    def test_that_came_due_while_paused_begin_in_parts(
        self, peer: StepServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        peer.says["/do"] = (503, b"")
        each = {"n": {"role": "required", "required": {"for_each": True}}}
        step(peer, attributes=each, work_config={**EVERY_SECOND, "parallelism": 5})
        many = {"id": "trip", "goals": ["do"], "init": {"n": [[1, 2, 3, 4, 5]]}}
        assert ask("POST", "/engine/flow", many)[0] == 201
        work_off()
        services.pause_flow(flow_id="trip", reason="look first")
        later(1)
        work_off()
        assert len(peer.calls("/do")) == 5
        monkeypatch.setattr(work_items, "ITEMS_OF_DECISION_MAX", 2)

        services.resume_flow(flow_id="trip")

        listed = Work.objects.filter(status="ready").values_list("kind", flat=True)
        assert sorted(listed) == ["flow.invoke", "flow.invoke", "flow.look"]
        work_off()
        assert len(peer.calls("/do")) == 10

    def test_of_a_step_that_was_skipped_meanwhile_are_not_asked_for_again(
        self, peer: StepServer
    ) -> None:
        peer.says["/do"] = (503, b"")
        step(peer, work_config=EVERY_SECOND)
        beside = {"endpoint": peer.url("/beside")}
        body = {"id": "beside", "name": "beside", "type": "async", "attributes": {}, "http": beside}
        assert ask("POST", "/engine/step", body)[0] == 201
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do", "beside"], "init": {}})
        work_off()
        services.skip_step(flow_id="trip", step_id="do", reason="enough")
        later(1)
        work_off()

        assert len(peer.calls("/do")) == 1
        assert not Work.objects.filter(status__in=["ready", "scheduled"]).exists()

    def test_of_an_item_that_has_been_tried_since_are_not_asked_for_again(
        self, peer: StepServer
    ) -> None:
        peer.says["/do"] = (503, b"")
        step(peer, work_config=EVERY_SECOND)
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do"], "init": {}})
        work_off()
        [first] = Work.objects.filter(status="scheduled")
        # As a resumption makes one.
        with transaction.atomic():
            queue.enqueue(first.kind, subject=first.subject, input=json.loads(first.input or ""))
        later(1)
        work_off()

        assert len(peer.calls("/do")) == 2
        assert Work.objects.filter(status__in=["ready", "scheduled"]).count() == 1

    def test_without_an_argument_of_their_address_fail_for_good(self, peer: StepServer) -> None:
        nothing = {"role": "required", "required": {"collect": "none"}}
        step(peer, attributes={"x": nothing}, http={"endpoint": peer.url("/do/{x}")})
        run()

        assert flow("trip").error == "step do failed: missing endpoint argument: x"
        assert peer.heard == []

    def test_are_given_up_after_the_time_of_their_step(
        self, peer: StepServer, slowly: threading.Event
    ) -> None:
        def answer(_heard: Any) -> Answer:
            slowly.wait(60)
            return (200, {})

        peer.says["/do"] = answer
        step(peer, http={"timeout": 50}, work_config={**EVERY_SECOND, "max_retries": 1})
        run()

        address = peer.url("/do")
        assert flow("trip").error == (
            f'step do failed: work not completed\nPost "{address}": context deadline exceeded'
        )
        # A busy machine may not even have sent it by then.
        assert event_types().count("work_started") == 2
        assert len(peer.calls("/do")) <= 2


@pytest.fixture
def slowly() -> Iterator[threading.Event]:
    """Until it is set a peer keeps silent."""
    event = threading.Event()
    yield event
    event.set()


class TestLateResults:
    def test_of_a_step_that_is_still_under_way_are_recorded_before_the_end(
        self, peer: StepServer
    ) -> None:
        step(peer, kind="async", attributes={"done": {"role": "output"}})
        fails = {"id": "fail", "name": "fail", "type": "script", "attributes": {}}
        ask("POST", "/engine/step", {**fails, "script": {"language": "ale", "script": "(/ 1 0)"}})
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do", "fail"]})
        go_on(1)
        assert ask("GET", "/engine/flow/trip")[1]["status"] == "failed"
        assert ask("GET", "/engine/flow/trip/status")[1]["status"] == "active"

        token = flow("trip").executions["do"].order[0]
        assert ask("POST", f"/webhook/trip/do/{token}", {"done": 1}) == (200, None)

        assert event_types()[-4:] == [
            "work_succeeded",
            "attribute_set",
            "step_completed",
            "flow_deactivated",
        ]
        assert ask("GET", "/engine/flow/trip/status")[1]["status"] == "failed"


class TestCompensations:
    def failing(self, peer: StepServer, kind: str = "sync", **work: Any) -> None:
        """A step of two items, of which the first succeeds and the second fails for good."""
        peer.says["/do"] = lambda heard: (
            (200, {"ref": "r1"}) if heard.body["n"] == 1 else (422, b"")
        )
        attributes = {
            "n": EACH,
            "ref": {"role": "output"},
            "tok": {"role": "meta", "meta": {"key": "receipt_token"}},
        }
        http = {"compensate": peer.url("/undo/{ref}")}
        step(
            peer, kind=kind, attributes=attributes, http=http, work_config={**EVERY_SECOND, **work}
        )

    def test_are_sent_what_went_in_and_came_out_and_no_meta_values(self, peer: StepServer) -> None:
        self.failing(peer)
        run(n=[[1, 2]])

        [call] = peer.calls("/undo/r1")
        assert (call.method, call.body) == ("POST", {"input": {"n": 1}, "output": {"ref": "r1"}})
        first = flow("trip").executions["do"].order[0]
        assert call.headers["argyll-receipt-token"] == first
        assert event_types()[-6:] == [
            *("work_failed", "step_failed", "comp_started", "flow_failed"),
            *("comp_succeeded", "flow_deactivated"),
        ]

    def test_share_the_retries_of_their_item(self, peer: StepServer) -> None:
        self.failing(peer, max_retries=2)
        peer.says["/undo/r1"] = (500, b"")
        run(n=[[1, 2]])

        assert len(peer.calls("/undo/r1")) == 3
        assert items()[0]["status"] == "compensation_failed"
        assert event_types()[-2:] == ["comp_failed", "flow_deactivated"]

    def test_are_repeated_by_a_machine_whose_clock_is_behind(self, peer: StepServer) -> None:
        self.failing(peer, init_backoff=20_000, max_backoff=20_000)
        answers = iter([(503, b""), (200, b"{}")])
        peer.says["/undo/r1"] = lambda _heard: next(answers)
        ask("POST", "/engine/flow", {"id": "trip", "goals": ["do"], "init": {"n": [[1, 2]]}})
        work_off()
        before = event_types()

        # By PostgreSQL's clock it is time.
        Work.objects.filter(status="scheduled").update(status="ready", due_at=Now())
        work_off()
        assert event_types() == before
        later(21)
        work_off()

        assert event_types()[len(before) :] == [
            "comp_started",
            "comp_succeeded",
            "flow_deactivated",
        ]

    def test_that_are_refused_are_not_repeated(self, peer: StepServer) -> None:
        self.failing(peer)
        peer.says["/undo/r1"] = (409, {"detail": "too late"})
        run(n=[[1, 2]])

        assert len(peer.calls("/undo/r1")) == 1
        item = items()[0]
        assert (item["status"], item["error"]) == (
            "compensation_failed",
            "step returned HTTP error: status 409: too late",
        )

    def test_of_an_asynchronous_step_are_done_with_their_answer(self, peer: StepServer) -> None:
        self.failing(peer, kind="async", parallelism=2)
        peer.says["/do"] = (202, {})
        run(n=[[1, 2]])
        first, second = flow("trip").executions["do"].order
        ask("POST", f"/webhook/trip/do/{first}", {"ref": "r1"})

        ask("POST", f"/webhook/trip/do/{second}", {"detail": "no"}, kind="application/problem+json")
        go_on()

        assert len(peer.calls("/undo/r1")) == 1
        assert [item["status"] for item in items()] == ["compensated", "failed"]
