"""Steps, plans and flows at /api/v1: found, started, explained, intervened in."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from tests.integration.workflows.flows.clients import (
    ADD,
    DOUBLE,
    FLOWS,
    PLANS,
    STEPS,
    client_of,
    post,
    script,
    start,
)
from tests.integration.workflows.flows.conftest import flow, later, work_off
from tests.live import sequence
from tests.support.step_server import StepServer
from workflows.flows import services
from workflows.flows.domain.catalog import Catalog
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.ids import FLOW_ID_BYTES_MAX
from workflows.flows.domain.planner import make_plan
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.explanations import explain
from workflows.flows.languages import LANGUAGES

pytestmark = pytest.mark.django_db(transaction=True)


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
        assert (found["child_lacks"], ready["child_lacks"]) == ({}, {})
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

    def test_estimate_a_chain_however_long_it_is(self) -> None:
        steps = {}
        for n in range(2_000):
            attributes = {f"x{n}": {"role": "required"}, f"x{n + 1}": {"role": "output"}}
            body = {"id": f"s{n}", "name": "link", "type": "sync", "attributes": attributes}
            steps[f"s{n}"] = step_from_json(body)
        plan = make_plan(Catalog(steps=steps), ["s1999"], {"x0": [1]}, matches=LANGUAGES.matches)

        assert explain.estimated_ms(plan, dict.fromkeys(steps, 2.0)) == 4_000

    def test_without_a_history_estimate_nothing(self, sums: APIClient) -> None:
        found = post(sums, PLANS, {"goals": ["double"]}).json()

        assert found["estimated_duration_ms"] is None


class TestStarting:
    def test_takes_null_for_a_value(self, sums: APIClient) -> None:
        any_value = script("echo", "{:said word}", word="required", said="output")
        assert post(sums, STEPS, any_value).status_code == 201

        started = start(sums, goal="echo", init={"word": [None]})

        assert started.status_code == 201
        assert [one["value"] for one in started.json()["state"]["attributes"]["word"]] == [None]

    def test_answers_with_the_flow_and_its_sequence(self, sums: APIClient) -> None:
        answer = start(sums, labels={"team": "a"})

        made = answer.json()
        assert answer.status_code == 201
        assert answer["Location"] == "/api/v1/flows/f1"
        assert answer["ETag"] == f'"{made["sequence"]}"'
        assert made["state"]["status"] == "completed"
        assert made["state"]["attributes"]["twice"][0]["value"] == 4
        assert made["waiting"] is None

    @pytest.mark.parametrize("flow_id", ["B c", "a+b", "-x_."])
    def test_is_found_at_its_address_whatever_its_id(self, sums: APIClient, flow_id: str) -> None:
        made = start(sums, id=flow_id)

        assert (made.status_code, made["Location"]) == (201, f"{FLOWS}/{quote(flow_id)}")
        assert sums.get(made["Location"]).json()["id"] == flow_id

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

    def test_of_more_items_than_one_decision_begins_is_refused_before_anything_has_begun(
        self, operator: APIClient
    ) -> None:
        each = {"role": "required", "required": {"for_each": True}}
        for step_id, name in (("one", "n"), ("two", "n"), ("three", "last")):
            wide = {**script(step_id, "{}"), "attributes": {name: each}}
            assert post(operator, STEPS, wide).status_code == 201
        body = {"id": "f1", "goals": ["one", "two", "three"]}

        refused = post(operator, FLOWS, {**body, "init": {"n": [[0] * 10_000], "last": [[0]]}})

        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (422, "too_many_work_items")
        assert problem["detail"] == "too many work items: 20001 (max 20000)"
        assert problem["errors"][0]["pointer"] == "/init"
        assert problem["hint"].startswith("Split the input")
        assert operator.get(f"{FLOWS}/f1").status_code == 404

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
