"""Steps and flows over HTTP at /api/v1, and who asks for them."""

from typing import Any

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.access import grants
from tests.integration.ledger.conftest import client_with, grant, issue

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


def start(client: APIClient, flow_id: str = "f1", goal: str = "double", **body: Any) -> Any:
    return post(client, FLOWS, {"id": flow_id, "goals": [goal], "init": {"n": [1]}, **body})
