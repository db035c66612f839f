from django.contrib.auth.models import User
from rest_framework.test import APIClient

from ledger.models import ApiKey
from tests.integration.ledger.conftest import client_with

URL = "/api/v1/api-keys"


class TestIssueApiKey:
    def test_shows_the_secret_once_and_stores_only_its_digest(
        self, alice: User, alice_key: APIClient
    ) -> None:
        answer = alice_key.post(URL, {"name": "Till", "scopes": ["api_key.read"]})

        assert answer.status_code == 201, answer.content
        secret = answer.json()["secret"]
        key = ApiKey.objects.get(name="Till")
        assert key.owner == alice
        assert secret.startswith(f"daybook_{key.prefix}_")
        assert secret not in str(vars(key))
        assert client_with(secret).get(URL).status_code == 200

    def test_without_a_credential_is_401_with_a_challenge(self, db: None) -> None:
        answer = APIClient().get(URL)

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="daybook"'
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_authenticated"
