"""Steps, plans and flows at /api/v1: found, started, explained, intervened in."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger import grants
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.live import sequence
from tests.support.step_server import StepServer
from workflows.flows import explain, services
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.ids import FLOW_ID_BYTES_MAX
from workflows.work import leases

pytestmark = pytest.mark.django_db(transaction=True)

FLOWS, STEPS, PLANS = "/api/v1/flows", "/api/v1/steps", "/api/v1/plans"
EVERYTHING = (
    "step.read",
    "step.manage",
    "flow.read",
    "flow.start",
    "flow.pause",
    "flow.cancel",
    "flow.intervene",
    "flow.fork",
)


def client_of(name: str, *capability_ids: str) -> APIClient:
    grants.provision()
    user = User.objects.create_user(name)
    if capability_ids:
        grant(user, *capability_ids)
    return client_with(issue(user, ["*"])[0])


@pytest.fixture
def operator() -> APIClient:
    return client_of("operator", *EVERYTHING)


def post(client: APIClient, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body, format="json", headers=headers)


def script(step_id: str, text: str, **attributes: str) -> dict[str, Any]:
    return {
        "id": step_id,
        "name": step_id,
        "type": "script",
        "script": {"language": "ale", "script": text},
        "attributes": {name: {"role": role} for name, role in attributes.items()},
    }


ADD = script("add", "{:sum (+ n 1)}", n="required", sum="output")
DOUBLE = script("double", "{:twice (* sum 2)}", sum="required", twice="output")


@pytest.fixture
def sums(operator: APIClient) -> APIClient:
    for step in (ADD, DOUBLE):
        assert post(operator, STEPS, step).status_code == 201
    return operator


@pytest.fixture
def fetching(operator: APIClient, peer: StepServer) -> APIClient:
    """A step whose server says that it has no time."""
    peer.says["/fetch"] = (503, {})
    http = {"endpoint": peer.url("/fetch")}
    step = {"id": "fetch", "name": "Fetch", "type": "sync", "http": http}
    post(operator, STEPS, {**step, "attributes": {"page": {"role": "output"}}})
    return operator


def start(client: APIClient, flow_id: str = "f1", goal: str = "double", **body: Any) -> Any:
    return post(client, FLOWS, {"id": flow_id, "goals": [goal], "init": {"n": [1]}, **body})


class TestSteps:
    def test_are_registered_listed_replaced_and_removed(self, sums: APIClient) -> None:
        listed = sums.get(STEPS).json()["results"]
        changed = {**ADD, "name": "Add one"}
        replaced = sums.put(f"{STEPS}/add", changed, format="json")

        assert [one["step"]["id"] for one in listed] == ["add", "double"]
        assert listed[0]["health"] == {"status": "healthy"}
        assert replaced.json()["step"]["name"] == "Add one"
        assert sums.delete(f"{STEPS}/add").status_code == 204
        assert sums.get(f"{STEPS}/add").json()["code"] == "step_not_found"

    def test_are_changed_only_at_the_revision_that_was_read(self, sums: APIClient) -> None:
        path = f"{STEPS}/add"
        assert sums.get(path)["ETag"] == '"1"'
        changed = {**ADD, "name": "Add one"}

        stale = sums.put(path, changed, format="json", headers={"If-Match": '"7"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "version_moved")
        replaced = sums.put(path, changed, format="json", headers={"If-Match": '"1"'})
        assert replaced["ETag"] == '"2"'
        again = sums.put(path, changed, format="json", headers={"If-Match": '"2"'})
        assert again["ETag"] == '"2"'
        assert sums.delete(path, headers={"If-Match": '"1"'}).status_code == 412
        assert sums.delete(path, headers={"If-Match": '"2"'}).status_code == 204
        assert post(sums, STEPS, ADD)["ETag"] == '"3"'

    def test_are_refused_with_a_problem_that_says_where(self, operator: APIClient) -> None:
        refused = post(operator, STEPS, {**ADD, "name": ""})

        assert refused.status_code == 422
        assert refused.json()["code"] == "step_invalid"
        assert refused["Content-Type"].startswith("application/problem+json")

    def test_cannot_be_replaced_under_another_id(self, sums: APIClient) -> None:
        assert sums.put(f"{STEPS}/add", DOUBLE, format="json").status_code == 422


class TestPlans:
    def test_of_an_endless_goal_do_not_tell_it_back_as_a_whole(self, sums: APIClient) -> None:
        refused = post(sums, PLANS, {"goals": ["x" * 70_000]})

        assert (refused.status_code, refused.json()["code"]) == (404, "goals_not_found")
        assert len(refused.content) < 5_000

    def test_say_what_runs_what_is_missing_and_how_long(self, sums: APIClient) -> None:
        start(sums)
        sequence()

        found = post(sums, PLANS, {"goals": ["double"]}).json()

        assert sorted(found["runs"]) == ["add", "double"]
        assert (found["missing"], found["can_start"]) == (["n"], False)
        assert found["estimated_duration_ms"] is not None
        ready = post(sums, PLANS, {"goals": ["double"], "init": {"n": [1]}}).json()
        assert (ready["missing"], ready["can_start"]) == ([], True)
        assert not sums.get(f"{FLOWS}/f2").json().get("state")

    def test_estimate_a_child_that_never_ran_by_its_own_plan(self, sums: APIClient) -> None:
        plan = services.preview_plan(goals=["double"], init={"n": [1]})
        outer = {
            "id": "outer",
            "name": "Outer",
            "type": "flow",
            "flow": {"goals": ["double"]},
            "attributes": {"n": {"role": "required"}},
        }
        assert post(sums, STEPS, outer).status_code == 201
        around = services.preview_plan(goals=["outer"], init={"n": [1]})
        taken = {"add": 400.0, "double": 100.0}

        assert explain.estimated_ms(plan, taken) == 500
        assert explain.estimated_ms(around, taken) == 500
        assert explain.estimated_ms(around, {**taken, "outer": 70.0}) == 70
        assert explain.estimated_ms(around, {}) is None

    def test_without_a_history_estimate_nothing(self, sums: APIClient) -> None:
        found = post(sums, PLANS, {"goals": ["double"]}).json()

        assert found["estimated_duration_ms"] is None


class TestStarting:
    def test_answers_with_the_flow_and_its_sequence(self, sums: APIClient) -> None:
        answer = start(sums, labels={"team": "a"})

        made = answer.json()
        assert answer.status_code == 201
        assert answer["Location"] == "/api/v1/flows/f1"
        assert answer["ETag"] == f'"{made["sequence"]}"'
        assert made["state"]["status"] == "completed"
        assert made["state"]["attributes"]["twice"][0]["value"] == 4
        assert made["waiting"] is None

    def test_is_once_per_idempotency_key(self, sums: APIClient) -> None:
        body = {"id": "f1", "goals": ["double"], "init": {"n": [1]}}
        key = str(uuid4())
        first, again = (post(sums, FLOWS, body, **{"Idempotency-Key": key}) for _ in range(2))

        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"

    def test_of_a_flow_with_the_longest_id_can_be_repeated_under_another_key(
        self, sums: APIClient
    ) -> None:
        answers = [
            post(
                sums,
                FLOWS,
                {"id": "f" * FLOW_ID_BYTES_MAX, "goals": ["double"], "init": {"n": [1]}},
                **{"Idempotency-Key": key},
            )
            for key in ("first", "second", "second")
        ]

        assert [one.status_code for one in answers] == [201, 201, 201]
        assert answers[2].content == answers[1].content

    @pytest.mark.parametrize("extra", [{"colour": "x"}, {"options": {"speed": 1}}])
    def test_ignores_nothing(self, sums: APIClient, extra: dict[str, Any]) -> None:
        assert start(sums, **extra).status_code == 400

    def test_takes_its_capability(self, sums: APIClient) -> None:
        assert start(client_of("reader", "flow.read")).status_code == 403


class TestListing:
    def test_filters(self, sums: APIClient) -> None:
        start(sums, "f1", labels={"team": "a"})
        start(sums, "f2", goal="add")

        def ids(query: str) -> list[str]:
            return [one["id"] for one in sums.get(f"{FLOWS}?{query}").json()["results"]]

        assert ids("") == ["f2", "f1"]
        assert ids("label=team%3Da") == ["f1"]
        assert ids("goal=add") == ["f2"]
        assert ids("id_prefix=f1") == ["f1"]
        assert ids("status=completed,failed") == ["f2", "f1"]
        assert ids("status=active") == []
        assert ids("started_after=2999-01-01T00:00:00Z") == []
        assert ids("started_before=2999-01-01T00:00:00Z") == ["f2", "f1"]
        for unusable in ("colour=red", "label=team", "label=%3Da"):
            assert sums.get(f"{FLOWS}?{unusable}").status_code == 400

    def test_comes_in_pages(self, sums: APIClient) -> None:
        for number in range(3):
            start(sums, f"f{number}")

        first = sums.get(f"{FLOWS}?page_size=2").json()
        rest = sums.get(first["next"]).json()

        assert [one["id"] for one in first["results"] + rest["results"]] == ["f2", "f1", "f0"]


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

        told = {
            goal: sums.get(f"{FLOWS}/{goal}").json()["waiting"] for goal in ("nap", "outer", "naps")
        }

        assert {goal: waits["sentence"] for goal, waits in told.items()} == {
            "nap": "Step nap waits for its time.",
            "outer": "Step outer waits for its child flow: step nap waits for its time.",
            "naps": "Step naps waits for its time; 0 of 3 items are done.",
        }
        assert all(waits["next_at"] for waits in told.values())

    def test_of_work_that_somebody_is_at_has_no_wake_up(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        leases.claim_next(worker="w", kinds=["flow.invoke"])

        assert fetching.get(f"{FLOWS}/f1").json()["waiting"] == {
            "sentence": "Step fetch is being worked on.",
            "next_at": None,
        }

    def test_of_a_paused_flow_is_for_somebody(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        answer = post(fetching, f"{FLOWS}/f1/pause", {"reason": "lunch"})

        assert answer.json()["waiting"]["sentence"] == "It is paused; somebody has to resume it."
        assert answer.json()["state"]["paused"]
        assert "paused" not in post(fetching, f"{FLOWS}/f1/resume").json()["state"]


class TestReasons:
    def test_of_a_start_are_the_inputs(self, sums: APIClient) -> None:
        start(sums)

        why = sums.get(f"{FLOWS}/f1/steps/double").json()

        assert why["status"] == "completed"
        assert why["decided_by"]["name"] == "step_completed"

    def test_of_a_failure_are_what_failed(self, sums: APIClient) -> None:
        start(sums, init={"n": ["text"]})
        work_off()

        add, double = (sums.get(f"{FLOWS}/f1/steps/{one}").json() for one in ("add", "double"))

        assert [event["name"] for event in add["causes"]] == ["work_failed"]
        assert double["decided_by"]["name"] == "step_failed"
        assert [event["name"] for event in double["causes"]] == ["step_failed"]
        assert double["causes"][0]["data"]["step_id"] == "add"
        assert sums.get(f"{FLOWS}/f1/steps/none").status_code == 404


class TestIntervening:
    def test_counts_only_at_the_sequence_it_was_decided_at(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")
        work_off()
        body = {"outputs": {"page": "by hand"}}
        path = f"{FLOWS}/f1/steps/fetch/force"

        stale = post(fetching, path, body, **{"If-Match": '"1"'})
        now = fetching.get(f"{FLOWS}/f1")["ETag"]
        forced = post(fetching, path, body, **{"If-Match": now})

        assert stale.status_code == 412
        assert forced.status_code == 200
        assert forced.json()["state"]["attributes"]["page"][0]["value"] == "by hand"

    def test_retries_at_once(self, fetching: APIClient, peer: StepServer) -> None:
        start(fetching, goal="fetch")
        work_off()
        (token,) = flow("f1").executions["fetch"].order
        peer.says["/fetch"] = (200, {"page": "here"})

        assert post(fetching, f"{FLOWS}/f1/steps/fetch/retry", {"token": token}).status_code == 200
        later(1)
        work_off()
        assert flow("f1").status == FlowStatus.COMPLETED

    def test_skips(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")

        answer = post(fetching, f"{FLOWS}/f1/steps/fetch/skip", {"reason": "not today"})

        assert answer.json()["state"]["executions"]["fetch"]["status"] == "skipped"

    def test_cancels(self, fetching: APIClient) -> None:
        start(fetching, goal="fetch")

        answer = post(fetching, f"{FLOWS}/f1/cancel", {"reason": "wrong city"})

        assert answer.json()["state"]["status"] == "failed"

    def test_forks_with_other_inputs(self, sums: APIClient) -> None:
        start(sums)
        body = {"id": "f2", "from_step": "add", "init": {"n": [4]}}

        answer = post(sums, f"{FLOWS}/f1/fork", body)

        assert answer.status_code == 201
        assert answer.json()["state"]["attributes"]["twice"][0]["value"] == 10
        assert answer.json()["options"] == {"forked_from": "f1", "forked_at": "add"}

    @pytest.mark.parametrize("what", ["pause", "cancel", "fork", "steps/fetch/skip"])
    def test_takes_its_capability(self, fetching: APIClient, what: str) -> None:
        start(fetching, goal="fetch")
        reader = client_of("reader", "flow.read")

        assert post(reader, f"{FLOWS}/f1/{what}", {"reason": "x"}).status_code == 403
