"""Step definitions at /api/v1/steps: what they may say, and where they are found."""

from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.access import grants
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = "/api/v1/steps"
ADD = {
    "id": "add",
    "name": "Add",
    "type": "script",
    "attributes": {"n": {"role": "required"}, "sum": {"role": "output"}},
    "script": {"language": "ale", "script": "{:sum (+ n 1)}"},
}


@pytest.fixture
def operator(transactional_db: None) -> APIClient:
    grants.provision()
    user = grant(User.objects.create_user("operator"), "step.read", "step.manage")
    return client_with(issue(user, ["*"])[0])


def post(client: APIClient, body: Any) -> Any:
    return client.post(STEPS, body, format="json")


class TestSteps:
    @pytest.mark.parametrize("step_id", ["Bc", "a+b", "-x_.", "."])
    def test_are_found_at_their_address_whatever_their_id(
        self, operator: APIClient, step_id: str
    ) -> None:
        made = post(operator, {**ADD, "id": step_id})

        assert (made.status_code, made["Location"]) == (201, f"{STEPS}/{quote(step_id)}")
        assert operator.get(made["Location"]).json()["step"]["id"] == step_id

    @pytest.mark.parametrize("step_id", ["a/b", "a:b", "größe", "a\nb", "a b", " a", "a "])
    def test_have_ids_that_addresses_and_child_flows_can_name(
        self, operator: APIClient, step_id: str
    ) -> None:
        refused = post(operator, {**ADD, "id": step_id}).json()

        assert refused["errors"] == [
            {
                "detail": "step ID contains invalid characters",
                "code": "step_invalid",
                "pointer": "/id",
            }
        ]
        assert operator.get(STEPS).json()["results"] == []

    @pytest.mark.parametrize(
        ("part", "pointer"),
        [
            ({"memoisable": True}, "/memoisable"),
            ({"work_config": {"max_retry": 3}}, "/work_config/max_retry"),
            ({"attributes": {"n": {"role": "required", "typ": "x"}}}, "/attributes/n/typ"),
        ],
    )
    def test_say_nothing_that_would_be_ignored(
        self, operator: APIClient, part: dict[str, Any], pointer: str
    ) -> None:
        refused = post(operator, {**ADD, **part})

        assert (refused.status_code, refused.json()["code"]) == (422, "step_invalid")
        assert refused.json()["errors"][0]["pointer"] == pointer
        assert operator.get(STEPS).json()["results"] == []

    @pytest.mark.parametrize(
        ("part", "pointer"),
        [
            ({"name": 5}, "/name"),
            ({"work_config": {"parallelism": "2"}}, "/work_config/parallelism"),
            ({"attributes": {"n/m": {"role": 5}}}, "/attributes/n~1m/role"),
        ],
    )
    def test_point_to_what_is_of_another_type(
        self, operator: APIClient, part: dict[str, Any], pointer: str
    ) -> None:
        refused = post(operator, {**ADD, **part})

        assert (refused.status_code, refused.json()["code"]) == (422, "malformed_request")
        assert refused.json()["errors"][0]["pointer"] == pointer

    def test_point_to_an_attribute_whatever_it_is_called(self, operator: APIClient) -> None:
        refused = post(operator, {**ADD, "attributes": {"a/b~c": {"role": "input"}}})

        assert refused.json()["errors"][0]["pointer"] == "/attributes/a~1b~0c"

    def test_are_shown_as_they_can_be_put(self, operator: APIClient) -> None:
        shown = post(operator, ADD).json()["step"]

        assert operator.put(f"{STEPS}/add", shown, format="json").status_code == 200

    def test_are_replaced_whole_here(self, operator: APIClient) -> None:
        called = {"id": "call", "name": "Call", "type": "sync", "attributes": {}}
        http = {"endpoint": "http://peer.example/x", "timeout": 5}
        post(operator, {**called, "http": {**http, "effect": "at_most_once"}})

        put = operator.put(f"{STEPS}/call", {**called, "http": http}, format="json")

        assert put.json()["step"]["http"] == http
