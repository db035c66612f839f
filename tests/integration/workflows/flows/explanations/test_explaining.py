"""What was, why a flow waits and why a step ended so, at /api/v1/flows."""

from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from events.models import StoredEvent
from tests.integration.workflows.flows.clients import ADD, FLOWS, PLANS, STEPS, post, script, start
from tests.integration.workflows.flows.conftest import flow, work_off
from tests.integration.workflows.work.conftest import let_time_pass
from tests.support.step_server import StepServer
from workflows.flows.explanations import explain
from workflows.flows.models import AwaitedCallback
from workflows.flows.steps import callables
from workflows.work import leases
from workflows.work.domain import ends
from workflows.work.domain.retry import RetryPolicy
from workflows.work.models import Work

pytestmark = pytest.mark.django_db(transaction=True)

EACH: dict[str, Any] = {"role": "required", "required": {"for_each": True}}


class TestTime:
    def test_can_be_turned_back_to_any_event(self, sums: APIClient) -> None:
        start(sums)
        events = sums.get(f"{FLOWS}/f1/events").json()["results"]
        names = [event["name"] for event in events]
        at = names.index("attribute_set") + 1

        then = sums.get(f"{FLOWS}/f1?at={at}").json()

        assert then["sequence"] == at
        assert then["state"]["attributes"].keys() == {"n", "sum"}
        assert then["state"]["status"] == "active"
        assert sums.get(f"{FLOWS}/f1").json()["sequence"] == len(events)
        assert sums.get(f"{FLOWS}/f1?at=0").status_code == 400

    def test_has_not_come_beyond_the_last_event(self, sums: APIClient) -> None:
        start(sums)
        head = sums.get(f"{FLOWS}/f1").json()["sequence"]

        ahead = sums.get(f"{FLOWS}/f1?at={head + 1}")

        assert sums.get(f"{FLOWS}/f1?at={head}").json()["state"]["status"] == "completed"
        assert (ahead.status_code, ahead.json()["code"]) == (404, "sequence_not_reached")
        assert ahead.json()["detail"] == f"flow f1 has {head} events, not yet {head + 1}"


class TestWaiting:
    def test_is_told_in_a_sentence_with_the_next_wake_up(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        work_off()

        waits = fetching.get(f"{FLOWS}/f1").json()["waiting"]

        assert waits["sentence"].startswith("Step fetch is tried again at ")
        assert "503" in waits["sentence"]
        assert waits["next_at"] is not None

    def test_says_so_in_words_for_each_kind_of_step(self, sums: APIClient) -> None:
        wait = {"id": "nap", "name": "Nap", "type": "wait", "wait": {"for_ms": 3_600_000}}
        each = {"role": "required", "required": {"for_each": True}, "type": "array"}
        child = {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["nap"]}}
        many = {**wait, "id": "naps", "attributes": {"ns": each}, "work_config": {"parallelism": 2}}
        for step in (wait, child, many):
            assert post(sums, "/api/v1/steps", step).status_code == 201
        for goal, init in (("nap", {}), ("outer", {}), ("naps", {"ns": [[1, 2, 3]]})):
            post(sums, FLOWS, {"id": goal, "goals": [goal], "init": init})
        work_off()

        waits_by_goal = {
            goal: sums.get(f"{FLOWS}/{goal}").json()["waiting"] for goal in ("nap", "outer", "naps")
        }

        assert {goal: waits["sentence"] for goal, waits in waits_by_goal.items()} == {
            "nap": f"Step nap waits until {_at(waits_by_goal['nap'])}.",
            "outer": "Step outer waits for its child flow: "
            f"step nap waits until {_at(waits_by_goal['outer'])}.",
            "naps": f"Step naps waits until {_at(waits_by_goal['naps'])}; 0 of 3 items are done.",
        }

    def test_says_until_when_an_event_is_awaited(self, sums: APIClient) -> None:
        wait = {"event": "booking.confirmed", "for_ms": 3_600_000}
        post(sums, STEPS, {"id": "until", "name": "Until", "type": "wait", "wait": wait})
        start(sums, goal="until")
        work_off()

        waits = sums.get(f"{FLOWS}/f1").json()["waiting"]

        assert waits["sentence"] == (
            f"Step until waits for the event booking.confirmed, at most until {_at(waits)}."
        )

    def test_says_since_when_and_until_when_a_callback_is_awaited(
        self, operator: APIClient, peer: StepServer
    ) -> None:
        peer.says["/call"] = (200, {})
        http = {"endpoint": peer.url("/call"), "callback_timeout": 3_600_000}
        post(operator, STEPS, {"id": "call", "name": "Call", "type": "async", "http": http})
        start(operator, goal="call")
        work_off()

        waits = operator.get(f"{FLOWS}/f1").json()["waiting"]

        since = AwaitedCallback.objects.get().since
        assert waits["sentence"] == (
            f"Step call was called at {since:%Y-%m-%d %H:%M:%S} UTC and will call back, "
            f"at most until {_at(waits)}."
        )

    def test_says_which_step_goes_on_without_an_optional_input_and_when(
        self, operator: APIClient, peer: StepServer
    ) -> None:
        http = {"endpoint": peer.url("/call")}
        gives = {"rate": {"role": "output"}}
        call = {"id": "call", "name": "Call", "type": "async", "http": http, "attributes": gives}
        for step_id, deadline in (("late", 7_200_000), ("soon", 3_600_000)):
            takes = {"rate": {"role": "optional", "optional": {"deadline": deadline}}}
            post(operator, STEPS, {**script(step_id, "1"), "attributes": takes})
        post(operator, STEPS, call)
        post(operator, FLOWS, {"id": "f1", "goals": ["late", "soon"]})
        work_off()

        waits = operator.get(f"{FLOWS}/f1").json()["waiting"]

        assert waits["sentence"].endswith(
            f" UTC and will call back; step soon waits for rate, at most until {_at(waits)}."
        )

    def test_for_a_callback_of_a_flow_that_has_failed_says_how_to_wait_no_longer(
        self, operator: APIClient, peer: StepServer
    ) -> None:
        http = {"endpoint": peer.url("/call")}
        post(operator, STEPS, {"id": "call", "name": "Call", "type": "async", "http": http})
        start(operator, goal="call")
        work_off()
        post(operator, f"{FLOWS}/f1/cancel", {"reason": "enough"})

        since = AwaitedCallback.objects.get().since
        assert _sentence(operator) == (
            f"Step call was called at {since:%Y-%m-%d %H:%M:%S} UTC and may still "
            "call back; skip step call of flow f1 to wait no longer."
        )

    def test_to_be_undone_says_by_whom_it_cannot_be(
        self, operator: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = {"callable": "f.do", "compensate": "f.undo"}
        undoable = {"id": "py", "name": "Py", "type": "python", "python": calls}
        gives = {"out": {"role": "output"}}
        post(operator, STEPS, {**undoable, "attributes": gives})
        takes = {"out": {"role": "required"}}
        post(operator, STEPS, {**script("fail", "(raise 1)"), "attributes": takes})
        monkeypatch.setattr(callables, "_registered", {"f.do": lambda _inputs: {"out": 1}})
        start(operator, goal="fail", options={"compensate": True})
        work_off()

        assert _sentence(operator) == (
            "What step py did is being undone by a worker that has the function f.undo; "
            "here is none."
        )

        Work.objects.filter(kind="flow.compensate").update(status="ready", due_at=Now())
        [claim] = leases.claim_next(worker="w", kinds=["flow.compensate"])
        spent = replace(claim.budget, failures=claim.budget.failures_max)
        leases.end(claim, ends.failed(spent, RetryPolicy(), failure=ends.NO_FAILURE, uniform=0.5))
        assert _sentence(operator) == (
            f"What step py did is being undone; that was given up: job {claim.id} is a dead "
            "letter, for somebody to retry."
        )

    def test_of_work_that_somebody_is_at_has_no_wake_up(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        leases.claim_next(worker="w", kinds=["flow.invoke"])

        assert fetching.get(f"{FLOWS}/f1").json()["waiting"] == {
            "sentence": "Step fetch is being worked on by w.",
            "next_at": None,
        }

    def test_for_a_worker_says_whether_there_is_one(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        sentences = [_sentence(fetching)]
        [claim] = leases.claim_next(worker="w", kinds=["flow.invoke"])
        let_time_pass(claim, hours=1)
        sentences.append(_sentence(fetching))
        leases.expire(limit=1)
        # Not at this very moment, which this machine's clock may not have reached.
        Work.objects.update(due_at=Now() - timedelta(seconds=1))
        sentences.append(_sentence(fetching))
        Work.objects.update(due_at=Now() + timedelta(hours=1))

        silent = "The worker fell silent until its lease ran out."
        assert sentences == [
            "Step fetch waits for a free worker.",
            "Step fetch was being worked on by w, which is lost; another takes over.",
            f"Step fetch waits for a free worker to take it up again: {silent}",
        ]
        assert _sentence(fetching).startswith("Step fetch is taken up again at 20")
        assert _sentence(fetching).endswith(f" UTC: {silent}")

    def test_for_the_rest_of_a_long_list_does_not_blame_its_health(self, sums: APIClient) -> None:
        post(sums, STEPS, {**ADD, "id": "each", "attributes": {**ADD["attributes"], "n": EACH}})
        start(sums, goal="each", init={"n": [list(range(250))]})
        sentences = [_sentence(sums)]
        leases.claim_next(worker="w", kinds=["flow.look"])
        sentences.append(_sentence(sums))

        assert sentences == [
            "Step each waits for a free worker; 200 of 250 items are done.",
            "Step each is being worked on by w; 200 of 250 items are done.",
        ]

    def test_for_what_the_workers_gave_up_names_the_job(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        [claim] = leases.claim_next(worker="w", kinds=["flow.invoke"])
        spent = replace(claim.budget, failures=claim.budget.failures_max)
        leases.end(claim, ends.failed(spent, RetryPolicy(), failure=ends.NO_FAILURE, uniform=0.5))

        assert _sentence(fetching) == (
            f"Step fetch was given up: job {claim.id} is a dead letter, for somebody to retry."
        )

    def test_of_a_paused_flow_is_for_somebody(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        answer = post(fetching, f"{FLOWS}/f1/pause", {"reason": "lunch"})

        [paused] = StoredEvent.objects.filter(name="flow_paused")
        assert answer.json()["waiting"]["sentence"] == (
            f"It is paused since {paused.emitted_at:%Y-%m-%d %H:%M:%S} UTC; "
            "somebody has to resume it."
        )
        assert answer.json()["state"]["paused"]
        assert "paused" not in post(fetching, f"{FLOWS}/f1/resume").json()["state"]

    def test_of_a_paused_flow_says_that_its_child_flow_goes_on(self, fetching: APIClient) -> None:
        outer = {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["fetch"]}}
        post(fetching, STEPS, outer)
        start(fetching, goal="outer")
        work_off()
        post(fetching, f"{FLOWS}/f1/pause", {"reason": "lunch"})

        assert (
            "somebody has to resume it; the child flow of step outer goes on: "
            "step fetch is tried again at "
        ) in _sentence(fetching)

    def test_of_a_paused_flow_has_no_wake_up_but_its_timers(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        work_off()
        post(fetching, f"{FLOWS}/f1/pause", {"reason": "lunch"})
        assert fetching.get(f"{FLOWS}/f1").json()["waiting"]["next_at"] is None

        wait = {"id": "nap", "name": "Nap", "type": "wait", "wait": {"for_ms": 3_600_000}}
        post(fetching, "/api/v1/steps", wait)
        post(fetching, FLOWS, {"id": "f2", "goals": ["nap"]})
        work_off()
        paused = post(fetching, f"{FLOWS}/f2/pause", {"reason": "lunch"}).json()
        assert paused["waiting"]["next_at"] is not None

    def test_says_when_the_flow_times_out(self, fetching: APIClient) -> None:
        nap = {"id": "nap", "name": "Nap", "type": "wait", "wait": {"for_ms": 7_200_000}}
        post(fetching, STEPS, nap)
        asked = {"id": "f1", "goals": ["nap"], "options": {"timeout_ms": 3_600_000}}
        answer = post(fetching, FLOWS, asked)
        work_off()
        end = datetime.fromisoformat(answer.json()["state"]["created_at"]) + timedelta(hours=1)
        times_out = f"times out at {end:%Y-%m-%d %H:%M:%S} UTC."

        assert f"; the flow {times_out}" in _sentence(fetching)
        post(fetching, f"{FLOWS}/f1/pause", {"reason": "lunch"})
        assert f"; somebody has to resume it before it {times_out}" in _sentence(fetching)

    def test_for_a_function_that_is_not_installed_says_so(self, fetching: APIClient) -> None:
        step = {"id": "py", "name": "Py", "type": "python", "python": {"callable": "no.such"}}
        post(fetching, "/api/v1/steps", step)
        post(fetching, FLOWS, {"id": "f1", "goals": ["py"]})
        work_off()

        assert fetching.get(f"{FLOWS}/f1").json()["waiting"]["sentence"] == (
            "Step py waits for a worker that has the function no.such; here is none."
        )


def _sentence(client: APIClient) -> str:
    return str(client.get(f"{FLOWS}/f1").json()["waiting"]["sentence"])


def _at(waits: dict[str, Any]) -> str:
    """Return `next_at` as sentences write it."""
    return f"{datetime.fromisoformat(waits['next_at']):%Y-%m-%d %H:%M:%S} UTC"


class TestAFunctionThatNobodyHasRegistered:
    def test_is_told_where_the_step_is_shown_and_planned(self, operator: APIClient) -> None:
        calls = {"callable": "no.such", "compensate": "nor.this"}
        step = {"id": "py", "name": "Py", "type": "python", "python": calls}
        made = post(operator, STEPS, step).json()
        outer = {"id": "outer", "name": "Outer", "type": "flow", "flow": {"goals": ["py"]}}
        post(operator, STEPS, outer)

        plan = post(operator, PLANS, {"goals": ["outer", "py"]}).json()

        assert made["unregistered"] == ["no.such", "nor.this"]
        assert plan["unregistered"] == {
            "py": ["no.such", "nor.this"],
            "outer/py": ["no.such", "nor.this"],
        }

    def test_is_told_by_the_command(self, operator: APIClient) -> None:
        step = {"id": "py", "name": "Py", "type": "python", "python": {"callable": "no.such"}}
        post(operator, STEPS, step)

        call_command("flows", "plan", "py", stdout=(out := StringIO()))

        assert "waits    py: no worker here knows no.such" in out.getvalue()


class TestPages:
    def test_of_events_go_on_where_the_last_ended(self, sums: APIClient) -> None:
        start(sums)
        work_off()
        path = f"{FLOWS}/f1/events"
        every = sums.get(path).json()

        first = sums.get(path, {"limit": 2}).json()
        rest = sums.get(path, {"after": first["next_after"]}).json()

        assert [first["next_after"], len(first["results"])] == [2, 2]
        assert first["results"] + rest["results"] == every["results"]
        assert rest["next_after"] == first["head"] == every["head"] == len(every["results"])
        assert sums.get(path, {"after": every["head"]}).json()["results"] == []

    @pytest.mark.parametrize(
        "asked", [{"after": 1_000}, {"after": "-1"}, {"limit": 0}, {"limit": 1_001}, {"page": 1}]
    )
    def test_that_cannot_be_are_refused(self, sums: APIClient, asked: dict[str, Any]) -> None:
        start(sums)

        refused = sums.get(f"{FLOWS}/f1/events", asked)

        [error] = refused.json()["errors"]
        assert (refused.status_code, error["parameter"]) == (400, next(iter(asked)))

    def test_of_causes_go_on_too(self, sums: APIClient) -> None:
        post(sums, STEPS, {**ADD, "id": "each", "attributes": {**ADD["attributes"], "n": EACH}})
        start(sums, goal="each", init={"n": [[1, 2, 3]]})
        work_off()
        path = f"{FLOWS}/f1/steps/each"
        every = sums.get(path).json()

        first = sums.get(path, {"limit": 1}).json()
        rest = sums.get(path, {"after": first["next_after"]}).json()

        assert len(first["causes"]) == 1
        assert first["causes"] + rest["causes"] == every["causes"]
        assert [every["next_after"], rest["next_after"]] == [None, None]

    def test_of_causes_are_all_that_is_read(self, sums: APIClient) -> None:
        post(sums, STEPS, {**ADD, "id": "each", "attributes": {**ADD["attributes"], "n": EACH}})
        start(sums, goal="each", init={"n": [list(range(30))]})
        work_off()
        known = flow("f1")

        with CaptureQueriesContext(connection) as asked:
            why = explain.why_in(known, "each", limit=8)

        assert {one.name for one in why.causes} == {"work_succeeded"}
        assert len(why.causes) == 8
        # What decided, that nobody forced it, and what its items gave.
        assert len(asked) == 3
        assert all("e.name = ANY" in one["sql"] for one in asked)
