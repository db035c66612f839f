"""What operators do to steps of every kind, at whatever they are just then."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from events import context, doctor, selectors
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.support.step_server import StepServer
from workflows.flows import services
from workflows.flows.domain import commands as asked
from workflows.flows.domain.decide import FlowSettled
from workflows.flows.domain.errors import FlowInvalid
from workflows.flows.domain.flow import WorkItem
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.domain.value_types import OutputsInvalid
from workflows.flows.execution import engine
from workflows.flows.explanations import why_waiting
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

OUT: dict[str, Any] = {"role": "output"}
EACH: dict[str, Any] = {"role": "required", "required": {"for_each": True}}
SLOW = {"init_backoff": 20_000, "max_backoff": 20_000, "backoff_type": "fixed"}
BUSY = (503, {"detail": "busy"})


@pytest.fixture(autouse=True)
def _ada_acts() -> Iterator[None]:
    ada = User.objects.create_user("ada")
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(ada.pk))):
        yield


def register(peer: StepServer, id_: str, kind: str = "sync", **extra: Any) -> None:
    http = {"endpoint": peer.url(f"/{id_}"), **extra.pop("http", {})}
    body = {"id": id_, "name": id_, "type": kind, "http": http, "attributes": {}, **extra}
    services.register_step(step=step_from_json(body))


def start(*goals: str, options: Any = None, **init: Any) -> None:
    values = {name: [value] for name, value in init.items()}
    services.start_flow(flow_id="trip", goals=goals, init=values, options=options)
    work_off()


def item(step_id: str, index: int = 0) -> WorkItem:
    execution = flow("trip").executions[step_id]
    return execution.items[execution.order[index]]


def names() -> list[str]:
    return [event.name for event in selectors.stream_events(("flow", "trip"))]


def retry_now(step_id: str) -> None:
    services.retry_now(flow_id="trip", step_id=step_id, token=item(step_id).token)
    work_off()


def waits() -> why_waiting.Waiting:
    found = why_waiting.waiting(flow("trip"))
    assert found is not None
    return found


def is_sound() -> bool:
    found = [doctor.examine(one) for one in doctor.checks() if one.id.startswith(("I5", "I11"))]
    assert not [violation for one in found for violation in one.violations]
    return True


class TestPausing:
    def test_does_not_lose_a_retry_that_was_due_meanwhile(self, peer: StepServer) -> None:
        peer.says["/do"] = BUSY
        register(peer, "do", work_config=SLOW)
        start("do")
        services.pause_flow(flow_id="trip", reason="storm")
        later(30)
        work_off()
        assert len(peer.calls("/do")) == 1

        peer.says["/do"] = (200, {})
        services.resume_flow(flow_id="trip")
        assert is_sound()
        work_off()

        assert len(peer.calls("/do")) == 2
        assert flow("trip").status == "completed"

    def test_leaves_a_retry_that_is_not_due_to_its_time(self, peer: StepServer) -> None:
        peer.says["/do"] = BUSY
        register(peer, "do", work_config=SLOW)
        start("do")
        services.pause_flow(flow_id="trip", reason="storm")
        services.resume_flow(flow_id="trip")
        work_off()
        assert len(peer.calls("/do")) == 1

        later(30)
        work_off()
        assert len(peer.calls("/do")) == 2

    def test_holds_the_rest_of_a_list_and_lets_what_is_under_way_end(
        self, peer: StepServer
    ) -> None:
        register(peer, "do", kind="async", attributes={"n": EACH})
        start("do", n=[1, 2])
        services.pause_flow(flow_id="trip", reason="storm")
        engine.handle("trip", asked.SucceedWork(step_id="do", token=item("do").token, outputs=None))
        work_off()
        assert [item("do", index).status for index in (0, 1)] == ["succeeded", "pending"]

        services.resume_flow(flow_id="trip")
        work_off()
        assert item("do", 1).status == "active"
        assert is_sound()


class TestRetryingNow:
    def test_tries_that_item_although_a_pause_holds_the_rest(self, peer: StepServer) -> None:
        peer.says["/do"] = BUSY
        register(peer, "do", attributes={"n": EACH}, work_config={**SLOW, "parallelism": 2})
        start("do", n=[1, 2])
        services.pause_flow(flow_id="trip", reason="storm")

        peer.says["/do"] = (200, {})
        retry_now("do")
        later(60)
        work_off()

        assert [item("do", index).status for index in (0, 1)] == ["succeeded", "pending"]
        assert flow("trip").is_paused
        assert len(peer.calls("/do")) == 3

    def test_calls_a_step_that_calls_back_once_whatever_was_due_later(
        self, peer: StepServer
    ) -> None:
        peer.says["/do"] = BUSY
        register(peer, "do", kind="async", work_config=SLOW)
        start("do")
        peer.says["/do"] = (200, {})

        retry_now("do")
        assert (waits().next_at, waits().sentence[-19:]) == (None, "and will call back.")
        later(60)
        work_off()

        assert len(peer.calls("/do")) == 2
        assert item("do").status == "active"

    def test_undoes_again_what_waits_to_be_undone(self, peer: StepServer) -> None:
        peer.says["/undo"] = BUSY
        peer.says["/fail"] = (422, {"detail": "no"})
        undo = {"compensate": peer.url("/undo")}
        register(peer, "do", http=undo, work_config=SLOW, attributes={"done": OUT})
        register(peer, "fail", attributes={"done": {"role": "required"}})
        peer.says["/do"] = (200, {"done": 1})
        start("fail", options={"compensate": True})
        assert item("do").status == "compensating"

        peer.says["/undo"] = (200, {})
        retry_now("do")

        assert item("do").status == "compensated"
        assert names()[-4:] == [
            "work_retry_requested",
            "comp_started",
            "comp_succeeded",
            "flow_deactivated",
        ]
        later(60)
        work_off()
        assert len(peer.calls("/undo")) == 2
        with pytest.raises(FlowSettled):
            retry_now("do")

    def test_undoes_that_item_and_says_how_many_are_left(self, peer: StepServer) -> None:
        peer.says["/undo"] = BUSY
        peer.says["/fail"] = (422, {"detail": "no"})
        attributes = {"n": EACH, "done": OUT}
        undo = {"compensate": peer.url("/undo")}
        register(peer, "do", http=undo, work_config=SLOW, attributes=attributes)
        register(peer, "fail", attributes={"done": {"role": "required"}})
        peer.says["/do"] = (200, {"done": 1})
        start("fail", options={"compensate": True}, n=[1, 2])
        assert ", retry 1 of 10: work not completed: " in waits().sentence

        peer.says["/undo"] = (200, {})
        retry_now("do")

        assert waits().sentence.endswith("; 1 of 2 items are undone.")


class TestACallbackThatNeverComes:
    def test_is_waited_for_until_somebody_says_that_it_will_not(self, peer: StepServer) -> None:
        register(peer, "do", kind="async", attributes={"n": EACH}, work_config={"parallelism": 2})
        start("do", n=[1, 2, 3])
        services.cancel_flow(flow_id="trip", reason="enough")
        assert not flow("trip").is_over

        services.skip_step(flow_id="trip", step_id="do", reason="they have closed")
        work_off()

        assert flow("trip").is_over
        assert item("do").error == "no longer awaited\nby an operator"
        assert is_sound()
        with pytest.raises(FlowSettled):
            services.skip_step(flow_id="trip", step_id="do", reason="again")

    def test_of_a_step_that_was_forced_holds_nothing_up_either(self, peer: StepServer) -> None:
        register(peer, "do", kind="async")
        start("do")
        services.force_step(flow_id="trip", step_id="do", outputs={})

        services.skip_step(flow_id="trip", step_id="do", reason="they have closed")

        assert flow("trip").status == "completed"
        assert flow("trip").is_over


class TestAFunctionThatNobodyHas:
    """A worker of another release may have it. If none ever will, the flow is to end."""

    @pytest.mark.parametrize("ends", [services.cancel_flow, services.skip_step])
    def test_is_waited_for_only_while_its_step_is_wanted(self, ends: Any) -> None:
        python = {"callable": "no.such"}
        body = {"id": "py", "name": "Py", "type": "python", "python": python, "attributes": {}}
        services.register_step(step=step_from_json(body))
        start("py")
        of_step = {} if ends is services.cancel_flow else {"step_id": "py"}

        ends(flow_id="trip", reason="enough", **of_step)
        later(seconds=6)
        work_off()

        assert flow("trip").is_over
        assert item("py").error == "no longer awaited"
        assert is_sound()

    def test_may_have_begun_elsewhere_and_is_left_to_that_worker(self) -> None:
        body = {"id": "py", "name": "Py", "type": "python", "python": {"callable": "no.such"}}
        services.register_step(step=step_from_json({**body, "attributes": {}}))
        start("py")
        Work.objects.filter(kind="flow.invoke").update(crashes=1)
        services.cancel_flow(flow_id="trip", reason="enough")
        later(seconds=6)
        work_off()

        assert not flow("trip").is_over


class TestAStepThatRemembers:
    def bought(self, peer: StepServer, **extra: Any) -> None:
        attributes = {"what": {"role": "required"}, "price": OUT}
        register(peer, "price", memoizable=True, attributes=attributes, **extra)
        peer.says["/price"] = (200, {"price": 5})
        services.start_flow(flow_id="before", goals=["price"], init={"what": ["tea"]})
        work_off()

    def test_is_called_again_where_a_flow_is_forked_at_it(self, peer: StepServer) -> None:
        self.bought(peer)
        start("price", what="tea")
        assert len(peer.calls("/price")) == 1

        peer.says["/price"] = (200, {"price": 6})
        services.fork_flow(flow_id="trip", new_flow_id="again", from_step="price")
        work_off()

        assert flow("again").executions["price"].outputs == {"price": 6}
        assert len(peer.calls("/price")) == 2

    def test_has_nothing_to_retry_if_its_answer_was_remembered(self, peer: StepServer) -> None:
        self.bought(peer)
        start("price", what="tea")

        with pytest.raises(FlowSettled):
            retry_now("price")

    def test_is_called_when_it_is_retried_whatever_is_known_meanwhile(
        self, peer: StepServer
    ) -> None:
        register(peer, "price", memoizable=True, attributes={"price": OUT}, work_config=SLOW)
        peer.says["/price"] = BUSY
        start("price")
        peer.says["/price"] = (200, {"price": 5})
        services.start_flow(flow_id="other", goals=["price"], init={})
        work_off()
        peer.says["/price"] = (200, {"price": 6})

        retry_now("price")

        assert flow("trip").executions["price"].outputs == {"price": 6}
        assert len(peer.calls("/price")) == 3

    def test_does_not_remember_what_somebody_said_in_its_place(self, peer: StepServer) -> None:
        register(peer, "price", memoizable=True, attributes={"price": OUT}, work_config=SLOW)
        peer.says["/price"] = BUSY
        start("price")
        services.force_step(flow_id="trip", step_id="price", outputs={"price": 1})
        peer.says["/price"] = (200, {"price": 5})

        services.start_flow(flow_id="other", goals=["price"], init={})
        work_off()

        assert flow("other").executions["price"].outputs == {"price": 5}


class TestForcing:
    @pytest.mark.parametrize(
        ("outputs", "why", "pointer"),
        [
            ({"paid": "yes"}, "must be a valid number", "/outputs/paid"),
            ({"paid": True}, "must be a valid number", "/outputs/paid"),
            ({"pad/": 1}, "is not declared (declared: paid)", "/outputs/pad~1"),
        ],
    )
    def test_takes_only_what_the_step_declares(
        self, peer: StepServer, outputs: dict[str, Any], why: str, pointer: str
    ) -> None:
        register(peer, "pay", kind="async", attributes={"paid": {**OUT, "type": "number"}})
        start("pay")
        before = names()

        with pytest.raises(OutputsInvalid) as refused:
            services.force_step(flow_id="trip", step_id="pay", outputs=outputs)

        assert str(refused.value) == f"output {next(iter(outputs))} of step pay {why}"
        assert refused.value.pointer == pointer
        assert names() == before
        services.force_step(flow_id="trip", step_id="pay", outputs={"paid": 7.5})
        assert flow("trip").status == "completed"

    def test_takes_a_list_of_a_step_that_runs_for_each(self, peer: StepServer) -> None:
        paid = {**OUT, "type": "number"}
        register(peer, "pay", kind="async", attributes={"n": EACH, "paid": paid})
        start("pay", n=[1, 2])

        services.force_step(flow_id="trip", step_id="pay", outputs={"paid": [1, 2]})

        assert flow("trip").executions["pay"].outputs == {"paid": [1, 2]}


class TestForking:
    def test_takes_no_edited_value_of_another_type(self, peer: StepServer) -> None:
        total = {"role": "required", "type": "number"}
        register(peer, "pay", attributes={"total": total})
        start("pay", total=5)

        with pytest.raises(FlowInvalid, match="attribute total must be a valid number"):
            services.fork_flow(
                flow_id="trip", new_flow_id="again", from_step="pay", init={"total": ["five"]}
            )


class TestCancelling:
    @pytest.mark.parametrize(
        ("compensates", "asked_for", "calls"),
        [(None, True, 1), (None, False, 0), (False, True, 0), (True, False, 1)],
    )
    def test_undoes_as_it_is_said_or_else_as_the_flow_asked_for(
        self, peer: StepServer, *, compensates: bool | None, asked_for: bool, calls: int
    ) -> None:
        peer.says["/do"] = (200, {"done": 1})
        register(peer, "do", http={"compensate": peer.url("/undo")}, attributes={"done": OUT})
        register(peer, "wait", kind="async", attributes={"done": {"role": "required"}})
        start("wait", options={"compensate": asked_for})

        services.cancel_flow(flow_id="trip", reason="enough", compensates=compensates)
        engine.handle("trip", asked.FailWork(step_id="wait", token=item("wait").token, error="x"))
        work_off()

        assert len(peer.calls("/undo")) == calls
        assert flow("trip").is_over


def test_a_timeout_finds_nothing_to_end_where_a_flow_is_being_undone(peer: StepServer) -> None:
    peer.says["/undo"] = BUSY
    peer.says["/do"] = (200, {"done": 1})
    peer.says["/fail"] = (422, {"detail": "no"})
    undo = {"compensate": peer.url("/undo")}
    register(peer, "do", http=undo, work_config=SLOW, attributes={"done": OUT})
    register(peer, "fail", attributes={"done": {"role": "required"}})
    start("fail", options={"compensate": True, "timeout_ms": 5_000})
    error = flow("trip").error

    later(6)
    work_off()
    assert item("do").status == "compensating"
    peer.says["/undo"] = (200, {})
    later(20)
    work_off()

    assert "flow_cancelled" not in names()
    assert names()[-1] == "flow_deactivated"
    assert (flow("trip").error, item("do").status) == (error, "compensated")
