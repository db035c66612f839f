"""The HTTP surface as Argyll's clients see it: exact shapes, texts and status codes."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.integration.workflows.flows.conftest import flow, work_off
from tests.support.step_server import StepServer
from workflows.flows.api.bodies import FLOW_BYTES_MAX

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]


def ask(
    method: str, path: str, body: Any = None, *, kind: str = "application/json"
) -> tuple[int, Any]:
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    response = Client().generic(method, path, data, content_type=kind)
    return response.status_code, json.loads(response.content) if response.content else None


def script(id_: str, text: str, **extra: Any) -> dict[str, Any]:
    body = {"language": "ale", "script": text}
    return {"id": id_, "name": id_, "type": "script", "script": body, "attributes": {}, **extra}


DOUBLE = script(
    "double",
    "{:twice (* n 2)}",
    attributes={"n": {"role": "required", "type": "number"}, "twice": {"role": "output"}},
)


class TestSteps:
    def test_are_registered_under_a_sanitised_id(self) -> None:
        status, answer = ask("POST", "/engine/step", {**DOUBLE, "id": "Double It!"})

        assert status == 201
        assert answer["message"] == "Step registered"
        assert answer["step"]["id"] == "double-it"
        assert "work_config" not in answer["step"]
        _, stored = ask("GET", "/engine/step/double-it")
        assert stored["work_config"] == {
            "backoff_type": "exponential",
            "init_backoff": 1000,
            "max_backoff": 60000,
            "max_retries": 10,
        }

    def test_are_listed_and_never_null(self) -> None:
        assert ask("GET", "/engine/step") == (200, {"steps": [], "count": 0})
        assert ask("GET", "/engine/")[1]["attributes"] == {}

    def test_of_another_definition_conflict(self) -> None:
        ask("POST", "/engine/step", DOUBLE)

        assert ask("POST", "/engine/step", DOUBLE)[0] == 201
        assert ask("POST", "/engine/step", {**DOUBLE, "memoizable": True}) == (
            409,
            {"error": "step exists: double", "status": 409},
        )

    def test_are_put_and_deleted(self) -> None:
        unknown = (404, {"error": "step not found: double", "status": 404})
        assert ask("PUT", "/engine/step/double", DOUBLE) == unknown
        ask("POST", "/engine/step", DOUBLE)

        assert ask("PUT", "/engine/step/other", DOUBLE)[1]["error"] == (
            "Step ID in URL does not match step ID in body"
        )
        assert ask("PUT", "/engine/step/double", {**DOUBLE, "labels": {"a": "b"}})[0] == 200
        assert ask("DELETE", "/engine/step/double") == (200, {"message": "Step unregistered"})
        assert ask("DELETE", "/engine/step/double") == unknown

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("", "EOF"),
            ('{"id":', "unexpected EOF"),
            ("nope", "invalid character 'o' in literal null (expecting 'u')"),
            ("[]", "json: cannot unmarshal array into Go value of type api.Step"),
            (
                '{"id":1}',
                "json: cannot unmarshal number into Go struct field Step.id of type api.StepID",
            ),
        ],
    )
    def test_that_are_malformed_are_refused_in_the_original_words(
        self, body: str, reason: str
    ) -> None:
        assert ask("POST", "/engine/step", body) == (
            400,
            {"error": f"invalid JSON request: {reason}", "status": 400},
        )

    def test_that_break_a_rule_are_refused_in_the_original_words(self) -> None:
        assert ask("POST", "/engine/step", {**DOUBLE, "name": ""}) == (
            400,
            {"error": "invalid step\nstep name empty", "status": 400},
        )
        ask("POST", "/engine/step", DOUBLE)
        other = script("other", "1", attributes={"n": {"role": "required", "type": "string"}})
        assert ask("POST", "/engine/step", other)[1]["error"] == (
            "invalid step\nattribute type conflict: n"
        )


class TestAddresses:
    @pytest.mark.parametrize("path", ["/engine/nothing", "/engine/flow/a/b/c", "/webhook/a"])
    def test_that_are_unknown_are_not_found_in_plain_text_and_for_any_origin(
        self, path: str
    ) -> None:
        response = Client().get(path)

        assert (response.status_code, response.content) == (404, b"404 page not found")
        assert response["Access-Control-Allow-Origin"] == "*"

    def test_of_the_feed_demand_an_upgrade(self) -> None:
        response = Client().get("/engine/ws")

        assert (response.status_code, response.content) == (400, b"Bad Request\n")
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["Sec-WebSocket-Version"] == "13"

    def test_say_to_a_preflight_request_that_anybody_may_come(self) -> None:
        for path in ("/engine/step", "/engine/nothing", "/webhook/f/s/t"):
            response = Client().options(path)

            assert (response.status_code, response.content) == (200, b"")
            assert "Content-Type" not in response
            assert response["Access-Control-Allow-Headers"] == "Content-Type, Authorization"


class TestPlans:
    def test_need_goals_that_exist(self) -> None:
        assert ask("POST", "/engine/plan", {"goals": []}) == (
            400,
            {"error": "At least one goal step ID is required", "status": 400},
        )
        assert ask("POST", "/engine/plan", {"goals": ["nope", "zz"]}) == (
            404,
            {"error": "step not found: [nope zz]", "status": 404},
        )

    def test_name_the_goals_of_the_request_when_one_of_a_child_flow_is_missing(self) -> None:
        nest = {"id": "nest", "name": "nest", "type": "flow", "flow": {"goals": ["egg"]}}
        ask("POST", "/engine/step", nest)

        answered = ask("POST", "/engine/plan", {"goals": ["nest"]})

        assert answered == (404, {"error": "step not found: [nest]", "status": 404})

    def test_say_what_is_required(self) -> None:
        ask("POST", "/engine/step", DOUBLE)

        _, plan = ask("POST", "/engine/plan", {"goals": ["double"]})

        assert plan["required"] == ["n"]
        assert plan["attributes"] == {"twice": {"providers": ["double"], "consumers": None}}

    def test_name_providers_in_the_order_of_registration(self) -> None:
        ends = {"role": "required", "required": {"collect": "all"}}
        for name in ("zeta", "alpha", "mid"):
            given = {"v": {"role": "output"}}
            ask("POST", "/engine/step", script(name, "{:v 1}", attributes=given))
        ask("POST", "/engine/step", script("end", "{}", attributes={"v": ends}))

        _, plan = ask("POST", "/engine/plan", {"goals": ["end"]})

        assert plan["attributes"]["v"]["providers"] == ["zeta", "alpha", "mid"]
        _, catalog = ask("GET", "/engine/catalog")
        assert catalog["attributes"]["v"]["providers"] == ["zeta", "alpha", "mid"]


class TestFlows:
    def test_run_and_tell_their_story(self) -> None:
        ask("POST", "/engine/step", DOUBLE)

        started = ask(
            "POST", "/engine/flow", {"id": "Sum", "goals": ["double"], "init": {"n": [21]}}
        )

        assert started == (201, {"message": "", "flow_id": "sum"})
        assert ask("GET", "/engine/flow/sum/status") == (200, {"id": "sum", "status": "completed"})
        _, state = ask("GET", "/engine/flow/sum")
        assert state["executions"]["double"]["outputs"] == {"twice": 42}
        _, story = ask("GET", "/engine/flow/sum/events")
        assert story["count"] == 8
        assert [event["sequence"] for event in story["events"]] == list(range(8))
        assert story["events"][0]["aggregate_id"] == ["flow", "sum"]

    def test_of_the_same_id_are_the_same_flow_or_refused(self) -> None:
        ask("POST", "/engine/step", DOUBLE)
        body = {"id": "sum", "goals": ["double"], "init": {"n": [1]}}
        ask("POST", "/engine/flow", body)

        assert ask("POST", "/engine/flow", body)[0] == 201
        assert ask("POST", "/engine/flow", {**body, "init": {"n": [2]}}) == (
            409,
            {"error": "flow exists with different plan or init: sum", "status": 409},
        )

    @pytest.mark.parametrize(
        ("change", "status", "message"),
        [
            ({"id": ""}, 400, "flow ID empty"),
            ({"id": "x" * 257}, 400, "flow ID too long: maximum is 256"),
            ({"goals": []}, 400, "at least one goal step is required"),
            ({"goals": ["double"] * 65}, 400, "too many goals: maximum is 64"),
            (
                {"init": {f"k{n}": [] for n in range(129)}},
                400,
                "too many init keys: maximum is 128",
            ),
            ({"labels": {f"k{n}": "" for n in range(33)}}, 400, "too many labels: maximum is 32"),
            ({"goals": ["zz"]}, 404, "step not found: [zz]"),
            ({"init": {}}, 400, "required inputs not provided: [n]"),
            (
                {"init": {"n": "x"}},
                400,
                (
                    "invalid JSON request: json: cannot unmarshal string into Go struct field "
                    "CreateFlowRequest.init.n of type []interface {}"
                ),
            ),
        ],
    )
    def test_that_cannot_start_say_why(
        self, change: dict[str, Any], status: int, message: str
    ) -> None:
        ask("POST", "/engine/step", DOUBLE)

        answer = ask(
            "POST", "/engine/flow", {"id": "s", "goals": ["double"], "init": {"n": [1]}, **change}
        )

        assert answer == (status, {"error": message, "status": status})
        assert ask("GET", "/engine/flow/s")[0] == 404

    def test_are_found_by_label_prefix_status_and_page(self) -> None:
        ask("POST", "/engine/step", DOUBLE)
        for index in range(5):
            labels = {"env": "prod"} if index == 3 else {}
            body = {"id": f"f{index}", "goals": ["double"], "init": {"n": [1]}, "labels": labels}
            ask("POST", "/engine/flow", body)

        assert ask("POST", "/engine/flow/query", {"labels": {"env": "prod"}})[1]["total"] == 1
        assert ask("POST", "/engine/flow/query", {"statuses": ["active"]})[1] == {
            "flows": [],
            "count": 0,
        }
        seen, cursor = [], ""
        while True:
            _, page = ask(
                "POST", "/engine/flow/query", {"limit": 2, "sort": "recent_desc", "cursor": cursor}
            )
            seen += [one["id"] for one in page["flows"]]
            cursor = page.get("next_cursor", "")
            if not cursor:
                break
        assert seen == ["f4", "f3", "f2", "f1", "f0"]

    def test_are_listed_with_the_labels_and_the_error_that_they_have(self) -> None:
        ask("POST", "/engine/step", script("broken", "(/ 1 0)"))
        ask("POST", "/engine/step", script("fine", "{}"))
        ask("POST", "/engine/flow", {"id": "a", "goals": ["broken"], "labels": {"env": "prod"}})
        ask("POST", "/engine/flow", {"id": "b", "goals": ["fine"]})

        items = {one["id"]: one for one in ask("GET", "/engine/flow")[1]}

        assert items["a"]["error"].startswith("step broken failed: ")
        assert items["a"]["labels"] == {"env": "prod"}
        assert set(items["b"]) == {"id", "status", "timestamp"}

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ({"limit": -1}, "Limit must be between 0 and 1000"),
            ({"labels": {"": "x"}}, "Invalid labels"),
            ({"sort": "up"}, "Invalid sort"),
            ({"statuses": ["odd"]}, "Invalid statuses"),
            ({"id_prefix": "a:b"}, "Invalid ID prefix"),
            ({"cursor": "!!"}, "invalid flow cursor\nillegal base64 data at input byte 0"),
        ],
    )
    def test_queries_that_make_no_sense_are_refused(
        self, query: dict[str, Any], message: str
    ) -> None:
        answer = ask("POST", "/engine/flow/query", query)

        assert answer == (400, {"error": message, "status": 400})


class TestWebhook:
    def waiting(self, peer: StepServer) -> str:
        step = {"id": "print", "name": "print", "type": "async", "http": {}, "attributes": {}}
        step["http"] = {"endpoint": peer.url("/print")}
        step["attributes"] = {"page": {"role": "output"}}
        ask("POST", "/engine/step", step)
        ask("POST", "/engine/flow", {"id": "book", "goals": ["print"]})
        work_off()
        return f"/webhook/book/print/{flow('book').executions['print'].order[0]}"

    def test_takes_the_first_result_and_any_repetition(self, peer: StepServer) -> None:
        address = self.waiting(peer)

        assert ask("POST", address, {"page": 1}) == (200, None)
        assert ask("POST", address, {"page": 1}) == (200, None)
        assert ask("POST", address, {"page": 2}) == (200, None)

        assert flow("book").executions["print"].outputs == {"page": 1}

    def test_takes_a_problem_as_a_failure(self, peer: StepServer) -> None:
        address = self.waiting(peer)

        Client().post(address, {"detail": "no ink"}, content_type="application/problem+json")

        assert flow("book").error == "step print failed: no ink"

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"title": "Gone", "status": 410}, "Gone"),
            ({"type": "about:blank", "status": 422}, "Unprocessable"),
            ({"type": "https://peer.example/out-of-ink"}, "work item failed"),
        ],
    )
    def test_takes_of_a_problem_what_it_says_first(
        self, peer: StepServer, body: dict[str, Any], reason: str
    ) -> None:
        kind = "Application/Problem+JSON; charset=utf-8"

        assert ask("POST", self.waiting(peer), body, kind=kind) == (200, None)
        assert flow("book").error.startswith(f"step print failed: {reason}")

    @pytest.mark.parametrize("body", [" ", "[1]", "{", "7", "null", '{"other":1}'])
    def test_refuses_a_problem_that_is_none(self, peer: StepServer, body: str) -> None:
        address = self.waiting(peer)

        assert ask("POST", address, body, kind="application/problem+json") == (
            400,
            {"error": "Invalid problem JSON", "status": 400},
        )
        assert ask("POST", address, {"page": 1}) == (200, None)

    def test_refuses_more_than_it_reads_and_says_so(self, peer: StepServer) -> None:
        assert ask("POST", self.waiting(peer), {"page": "x" * FLOW_BYTES_MAX}) == (
            400,
            {"error": "invalid JSON request: http: request body too large", "status": 400},
        )

    def test_takes_null_for_no_outputs(self, peer: StepServer) -> None:
        assert ask("POST", self.waiting(peer), "null") == (200, None)
        assert flow("book").executions["print"].outputs == {}

    @pytest.mark.parametrize("body", ["", "[1]", "{", "7"])
    def test_refuses_what_is_no_object(self, peer: StepServer, body: str) -> None:
        assert ask("POST", self.waiting(peer), body) == (
            400,
            {"error": "Invalid JSON", "status": 400},
        )

    def test_refuses_what_nobody_waits_for(self, peer: StepServer) -> None:
        address = self.waiting(peer)
        flow_part, step_part, token = address.removeprefix("/webhook/").split("/")

        def refused(path: str) -> str:
            status, answer = ask("POST", path, {})
            assert status == 400
            return str(answer["error"])

        assert refused(f"/webhook/nope/{step_part}/{token}") == "Flow not found"
        assert refused(f"/webhook/{flow_part}/nope/{token}") == "Step execution not found"
        assert refused(f"/webhook/{flow_part}/{step_part}/nope") == "Work item not found for token"


def test_a_closed_engine_wants_a_key(settings: Settings) -> None:
    settings.OPEN_ENGINE = False

    assert ask("GET", "/engine/step")[0] == 401
    assert ask("POST", "/engine/step", DOUBLE)[0] == 401


def test_an_unknown_method_is_not_found() -> None:
    response = Client().delete("/engine/flow")

    assert (response.status_code, response.content) == (404, b"404 page not found")


def test_any_origin_may_ask() -> None:
    response = Client().options("/engine/step")

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == "*"
