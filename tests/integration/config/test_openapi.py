"""The description of the API: /api/schema/."""

import pytest
from rest_framework.test import APIClient

from config.web.problems import MEDIA_TYPE

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "headers", "code"),
    [
        ("post", {}, "method_not_allowed"),
        ("get", {"Accept": "text/html"}, "not_acceptable"),
        ("get", {"Authorization": "Bearer nonsense"}, "credential_refused"),
        ("get", {"Accept": "application/yaml", "Authorization": "Bearer x"}, "credential_refused"),
    ],
)
def test_a_refusal_is_json_although_the_description_is_yaml(
    method: str, headers: dict[str, str], code: str
) -> None:
    answer = getattr(APIClient(), method)("/api/schema/", headers=headers)

    assert answer["Content-Type"] == MEDIA_TYPE
    assert answer.json()["code"] == code
