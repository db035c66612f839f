"""Every address of Argyll's surface with what it must refuse, and in which words."""

import json
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client

from tests.integration.workflows.flows.api.test_engine_api import DOUBLE, ask

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("open_engine"),
]

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
ROUTES: dict[str, tuple[str, ...]] = {
    "/health": ("GET",),
    "/webhook/f/s/t": ("POST",),
    "/engine": ("GET",),
    "/engine/catalog": ("GET",),
    "/engine/catalog/events": ("GET",),
    "/engine/cluster": ("GET",),
    "/engine/cluster/events": ("GET",),
    "/engine/step": ("GET", "POST"),
    "/engine/step/nope": ("GET", "PUT", "DELETE"),
    "/engine/health": ("GET",),
    "/engine/health/nope": ("GET",),
    "/engine/plan": ("POST",),
    "/engine/flow": ("GET", "POST"),
    "/engine/flow/query": ("GET", "POST"),
    "/engine/flow/nope": ("GET",),
    "/engine/flow/nope/status": ("GET",),
    "/engine/flow/nope/events": ("GET",),
    "/engine/ws": ("GET",),
}
UNKNOWN = {
    ("GET", "/engine/step/nope"): "step not found: nope",
    ("DELETE", "/engine/step/nope"): "step not found: nope",
    ("GET", "/engine/health/nope"): "Health not found for step: nope",
    ("GET", "/engine/flow/nope"): "flow not found: nope",
    ("GET", "/engine/flow/query"): "flow not found: query",
    ("GET", "/engine/flow/nope/status"): "flow not found: nope",
    ("GET", "/engine/flow/nope/events"): "flow not found: nope",
}
BODIES = {
    "POST /engine/step": "api.Step",
    "PUT /engine/step/double": "api.Step",
    "POST /engine/plan": "api.ExecutionPlanRequest",
    "POST /engine/flow": "api.CreateFlowRequest",
    "POST /engine/flow/query": "api.QueryFlowsRequest",
}
MALFORMED = {
    "": "EOF",
    "  ": "EOF",
    "{": "unexpected EOF",
    '{"id":': "unexpected EOF",
    '{"id" 1}': "invalid character '1' after object key",
    "[1,]": "invalid character ']' looking for beginning of value",
    "{'id':1}": "invalid character '\\'' looking for beginning of object key string",
    "[]": "json: cannot unmarshal array into Go value of type {}",
    '"x"': "json: cannot unmarshal string into Go value of type {}",
    "7": "json: cannot unmarshal number into Go value of type {}",
    "true": "json: cannot unmarshal bool into Go value of type {}",
}


def test_an_address_knows_its_methods_and_no_others() -> None:
    for slash in ("", "/"):
        for path, known in ROUTES.items():
            for method in set(METHODS) - set(known):
                response = Client().generic(method, path + slash)

                assert response.status_code == 404, (method, path)
                assert method == "HEAD" or response.content == b"404 page not found"
                assert response["Access-Control-Allow-Origin"] == "*"
            for method in known:
                response = Client().generic(method, path + slash)

                assert response.content != b"404 page not found", (method, path)
                assert response["Access-Control-Allow-Origin"] == "*"


def test_what_is_not_there_is_not_found_by_name() -> None:
    for (method, path), message in UNKNOWN.items():
        assert ask(method, path) == (404, {"error": message, "status": 404})
    gone = {**DOUBLE, "id": "nope"}
    assert ask("PUT", "/engine/step/nope", gone) == (
        404,
        {"error": "step not found: nope", "status": 404},
    )


def test_a_body_that_is_no_such_request_is_refused_in_the_words_of_the_decoder() -> None:
    ask("POST", "/engine/step", DOUBLE)
    for route, go_type in BODIES.items():
        for body, reason in MALFORMED.items():
            method, path = route.split()
            assert ask(method, path, body) == (
                400,
                {"error": f"invalid JSON request: {reason.format(go_type)}", "status": 400},
            ), (route, body)
    assert ask("GET", "/engine/catalog/events")[1]["count"] == 1


def test_members_of_another_type_are_named_with_their_place() -> None:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("plan", {"goals": "a"}, "string ExecutionPlanRequest.goals []api.StepID"),
        ("plan", {"goals": ["a", 1]}, "number ExecutionPlanRequest.goals.1 api.StepID"),
        ("plan", {"init": []}, "array ExecutionPlanRequest.init api.Init"),
        ("plan", {"init": {"n": 1}}, "number ExecutionPlanRequest.init.n []interface {}"),
        ("flow", {"id": 1}, "number CreateFlowRequest.id api.FlowID"),
        ("flow", {"goals": {}}, "object CreateFlowRequest.goals []api.StepID"),
        ("flow", {"init": {"n": "x"}}, "string CreateFlowRequest.init.n []interface {}"),
        ("flow", {"labels": {"k": 1}}, "number CreateFlowRequest.labels.k string"),
        ("flow/query", {"id_prefix": 1}, "number QueryFlowsRequest.id_prefix string"),
        ("flow/query", {"labels": []}, "array QueryFlowsRequest.labels api.Labels"),
        ("flow/query", {"statuses": "x"}, "string QueryFlowsRequest.statuses []api.FlowStatus"),
        ("flow/query", {"limit": "5"}, "string QueryFlowsRequest.limit int"),
        ("flow/query", {"cursor": 1}, "number QueryFlowsRequest.cursor string"),
        ("flow/query", {"sort": False}, "bool QueryFlowsRequest.sort string"),
    ]
    for path, body, expected in wrong:
        kind, field, go_type = expected.split(" ", 2)
        status, answer = ask("POST", f"/engine/{path}", body)

        assert status == 400
        assert answer["error"] == (
            f"invalid JSON request: json: cannot unmarshal {kind} into Go struct field "
            f"{field} of type {go_type}"
        )


def test_members_that_nobody_knows_and_what_follows_a_body_are_passed_over() -> None:
    step = json.dumps({**DOUBLE, "unknown": {"a": 1}}) + " trailing"
    flow = json.dumps({"id": "f", "goals": ["double"], "init": {"n": [2]}, "more": 1}) + "{"

    assert ask("POST", "/engine/step", step)[0] == 201
    assert ask("POST", "/engine/plan", '{"goals":["double"],"more":1}]')[0] == 200
    assert ask("POST", "/engine/flow", flow)[0] == 201
    assert ask("POST", "/engine/flow/query", '{"more":1} x')[1]["total"] == 1


def test_a_body_is_taken_up_to_the_size_of_its_kind() -> None:
    for method, path, most in (
        ("POST", "/engine/step", 512 << 10),
        ("PUT", "/engine/step/double", 512 << 10),
        ("POST", "/engine/flow", 1 << 20),
    ):
        fits, exceeds = ('{"pad":"' + "x" * (size - 10) + '"}' for size in (most, most + 1))

        assert ask(method, path, fits)[1]["error"].split("\n")[0] != TOO_LARGE
        assert ask(method, path, exceeds) == (400, {"error": TOO_LARGE, "status": 400})


@pytest.mark.parametrize("path", ["/engine/step", "/engine/flow", "/webhook/f/s/t"])
def test_a_body_that_nobody_here_would_read_is_refused_alike(path: str) -> None:
    whole = '{"pad":"' + "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + '"}'

    assert ask("POST", path, whole) == (400, {"error": TOO_LARGE, "status": 400})


TOO_LARGE = "invalid JSON request: http: request body too large"


def test_an_update_is_for_the_step_of_the_address() -> None:
    ask("POST", "/engine/step", DOUBLE)

    assert ask("PUT", "/engine/step/triple", DOUBLE) == (
        400,
        {"error": "Step ID in URL does not match step ID in body", "status": 400},
    )
    assert ask("PUT", "/engine/step/Double!", {**DOUBLE, "id": "Double?"})[0] == 200
    assert ask("GET", "/engine/step/Double!")[0] == 404


class TestTrouble:
    @pytest.mark.parametrize("address", ["/engine/flow", "/webhook/trip/pay/token"])
    @pytest.mark.parametrize(
        ("trouble", "status", "code"),
        [
            (OperationalError, 503, "database_unavailable"),
            (ZeroDivisionError, 500, "internal_error"),
        ],
    )
    def test_has_the_shape_that_these_clients_read(
        self,
        monkeypatch: pytest.MonkeyPatch,
        address: str,
        trouble: type[Exception],
        status: int,
        code: str,
    ) -> None:
        def fails(_request: object) -> None:
            raise trouble

        monkeypatch.setattr("config.web.middleware.authority.principal_of", fails)
        client = Client(raise_request_exception=False)

        answer = client.get(address)

        body = answer.json()
        assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
        assert body["error"]
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert ("Retry-After" in answer) == (status == 503)
