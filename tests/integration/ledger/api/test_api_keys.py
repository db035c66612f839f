"""API keys from the outside: over HTTP, as an integrator and as an administrator."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from events import selectors
from ledger.domain import api_key as written
from ledger.models import ApiKey
from tests.integration.ledger.conftest import client_with, grant, issue

URL = "/api/v1/api-keys"


def in_days(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def events_of(key_id: str) -> list[tuple[str, dict[str, Any]]]:
    stream = selectors.stream_events(("api_key", key_id))
    return [(envelope.name, envelope.data) for envelope in stream]


class TestIssueApiKey:
    def test_shows_the_secret_once_and_stores_only_its_digest(
        self, alice: User, alice_key: APIClient
    ) -> None:
        answer = alice_key.post(URL, {"name": "Till", "scopes": ["api_key.read"]})

        assert answer.status_code == 201
        assert answer["Cache-Control"] == "no-store"
        secret = answer.json()["secret"]
        key = ApiKey.objects.get(name="Till")
        assert key.owner == alice
        assert secret.startswith(f"daybook_{key.prefix}_")
        assert secret not in str(vars(key))
        assert secret not in alice_key.get(answer["Location"]).content.decode()
        assert client_with(secret).get(URL).status_code == 200

    def test_records_the_fact_without_the_secret(self, alice_key: APIClient) -> None:
        answer = alice_key.post(
            URL, {"name": "Till", "scopes": ["api_key.read"], "expires_at": in_days(10)}
        ).json()

        [(name, data)] = events_of(answer["id"])
        assert name == "api_key.issued"
        assert data["prefix"] == answer["prefix"]
        assert data["scopes"] == ["api_key.read"]
        assert data["owner"] == "alice"
        assert answer["secret"][21:] not in str(data)

    def test_names_its_issuer_as_the_one_who_did_it(self, alice_key: APIClient) -> None:
        answer = alice_key.post(URL, {"name": "Till", "scopes": ["api_key.read"]}).json()

        [envelope] = selectors.stream_events(("api_key", answer["id"]))
        issuer = ApiKey.objects.get(name="a key")
        assert envelope.principal == issuer.principal

    @pytest.mark.parametrize(
        "scopes", [["thing.fly"], ["**"], ["gone.*"], ["api_key.read", "thing.fly"]]
    )
    def test_refuses_scopes_that_include_nothing(
        self, alice_key: APIClient, scopes: list[str]
    ) -> None:
        answer = alice_key.post(URL, {"name": "Till", "scopes": scopes})

        assert answer.status_code == 422
        assert answer.json()["code"] == "scope_unknown"
        assert answer.json()["errors"][0]["pointer"] == "/scopes"
        assert not ApiKey.objects.filter(name="Till").exists()

    @pytest.mark.parametrize("expires_at", [in_days(-1), in_days(400)], ids=["past", "far"])
    def test_refuses_an_end_in_the_past_or_after_a_year(
        self, alice_key: APIClient, expires_at: str
    ) -> None:
        answer = alice_key.post(
            URL, {"name": "Till", "scopes": ["api_key.read"], "expires_at": expires_at}
        )

        assert answer.status_code == 422
        assert answer.json()["code"] == "api_key_expiry_out_of_range"
        assert not ApiKey.objects.filter(name="Till").exists()

    def test_a_key_cannot_give_away_more_than_it_has(self, alice: User) -> None:
        grant(alice, "api_key.read", "api_key.issue", "api_key.revoke")
        narrow = client_with(issue(alice, ["api_key.issue"])[0])

        answer = narrow.post(URL, {"name": "Wide", "scopes": ["api_key.issue", "api_key.read"]})

        assert answer.status_code == 403
        assert answer.json()["code"] == "scopes_too_wide"
        assert not ApiKey.objects.filter(name="Wide").exists()

    @pytest.mark.parametrize(
        "smuggled", [{"owner": 1}, {"owner_id": 1}, {"digest": "0" * 64}, {"prefix": "a" * 12}]
    )
    def test_takes_the_owner_from_the_credential_never_from_the_body(
        self, alice: User, bob: User, alice_key: APIClient, smuggled: dict[str, Any]
    ) -> None:
        smuggled = {name: bob.pk if value == 1 else value for name, value in smuggled.items()}
        answer = alice_key.post(URL, {"name": "Till", "scopes": ["api_key.read"], **smuggled})

        [name] = smuggled
        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert (error["code"], error["pointer"]) == ("unknown", f"/{name}")
        assert not ApiKey.objects.filter(name="Till").exists()


class TestUseOfAKey:
    def test_never_reaches_further_than_its_owner(self, alice: User) -> None:
        everything = client_with(issue(alice, ["*"])[0])

        assert everything.get(URL).status_code == 403
        grant(alice, "api_key.read")
        assert everything.get(URL).status_code == 200

    def test_never_reaches_further_than_its_scopes(self, alice: User) -> None:
        grant(alice, "api_key.read", "api_key.issue")
        reader = client_with(issue(alice, ["api_key.read"])[0])

        answer = reader.post(URL, {"name": "Till", "scopes": ["api_key.read"]})

        assert answer.status_code == 403
        assert answer.json()["code"] == "permission_denied"

    @pytest.mark.parametrize(
        "end",
        [
            {"revoked_at": timezone.now()},
            {"expires_at": timezone.now() - timedelta(seconds=1)},
        ],
        ids=["revoked", "expired"],
    )
    def test_ends_at_once(self, alice: User, alice_key: APIClient, end: dict[str, Any]) -> None:
        assert alice_key.get(URL).status_code == 200

        ApiKey.objects.update(**end)

        answer = alice_key.get(URL)
        assert answer.status_code == 401
        assert answer.json()["code"] == "credential_refused"
        assert answer["WWW-Authenticate"] == 'Bearer realm="daybook"'

    def test_ends_when_its_owner_may_no_longer_log_in(
        self, alice: User, alice_key: APIClient
    ) -> None:
        User.objects.update(is_active=False)

        assert alice_key.get(URL).status_code == 401

    def test_with_another_secret_of_the_same_prefix_is_refused(self, alice: User) -> None:
        secret, key_id = issue(alice, ["*"])
        forged = written.write(
            prefix=ApiKey.objects.get(pk=key_id).prefix, random_bytes=bytes(32)
        ).text

        assert client_with(forged).get(URL).status_code == 401
        assert client_with(secret).get(URL).status_code == 403

    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Bearer daybook_0a1b2c3d4e5f_",
            "bearer daybook_0a1b2c3d4e5f_" + "0" * 49,
            "Bearer " + "x" * 10_000,
            "Bearer \xff\xfe",
            "Bearer daybook_%00_",
        ],
    )
    def test_refuses_anything_else_with_the_same_words(self, db: None, header: str) -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=header)

        answer = client.get(URL)

        assert answer.status_code == 401
        assert answer.json()["detail"] == "The credential is unknown, expired or revoked."

    def test_survives_a_rotation_of_the_secret_key(
        self, alice: User, alice_key: APIClient, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another-secret-key-0123456789-abcdefghijklmnopqrstuvw"
        assert alice_key.get(URL).status_code == 200

        settings.SECRET_KEY_FALLBACKS = []
        assert alice_key.get(URL).status_code == 401

    def test_is_noted_at_most_once_a_minute(self, alice_key: APIClient) -> None:
        alice_key.get(URL)
        first = ApiKey.objects.get().last_used_at
        with CaptureQueriesContext(connection) as queries:
            alice_key.get(URL)

        assert first is not None
        assert ApiKey.objects.get().last_used_at == first
        assert not [query for query in queries if query["sql"].startswith("UPDATE")]


class TestRotateApiKey:
    def test_makes_a_successor_and_lets_the_old_one_run_out(
        self, alice: User, alice_key: APIClient
    ) -> None:
        secret, old_id = issue(alice, ["api_key.read"], name="Till")

        answer = alice_key.post(f"{URL}/{old_id}/rotate", {"overlap_seconds": 60})

        assert answer.status_code == 201
        old, new = ApiKey.objects.get(pk=old_id), ApiKey.objects.get(pk=answer.json()["id"])
        assert old.successor == new
        assert old.expires_at - timezone.now() <= timedelta(seconds=60)
        assert (new.name, new.scopes, new.owner) == ("Till", ["api_key.read"], alice)
        assert new.lineage == old.lineage
        assert client_with(secret).get(URL).status_code == 200
        assert client_with(answer.json()["secret"]).get(URL).status_code == 200
        assert [name for name, _ in events_of(old_id)] == ["api_key.issued", "api_key.rotated"]
        assert [name for name, _ in events_of(str(new.pk))] == ["api_key.issued"]

    def test_without_overlap_ends_the_old_one_at_once(
        self, alice: User, alice_key: APIClient
    ) -> None:
        secret, old_id = issue(alice, ["api_key.read"])

        alice_key.post(f"{URL}/{old_id}/rotate", {"overlap_seconds": 0})

        assert client_with(secret).get(URL).status_code == 401

    def test_happens_once(self, alice: User, alice_key: APIClient) -> None:
        _, old_id = issue(alice, ["api_key.read"])
        alice_key.post(f"{URL}/{old_id}/rotate", {})

        answer = alice_key.post(f"{URL}/{old_id}/rotate", {})

        assert answer.status_code == 409
        assert answer.json()["code"] == "api_key_ended"

    def test_gives_a_revoked_key_no_successor(self, alice: User, alice_key: APIClient) -> None:
        _, old_id = issue(alice, ["api_key.read"])
        alice_key.post(f"{URL}/{old_id}/revoke", {})

        answer = alice_key.post(f"{URL}/{old_id}/rotate", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "api_key_ended")
        assert ApiKey.objects.get(pk=old_id).successor is None

    def test_of_a_wider_key_is_refused_to_a_narrower_one(self, alice: User) -> None:
        grant(alice, "api_key.read", "api_key.issue")
        _, wide_id = issue(alice, ["*"])
        narrow = client_with(issue(alice, ["api_key.*"])[0])

        answer = narrow.post(f"{URL}/{wide_id}/rotate", {})

        assert answer.status_code == 403
        assert answer.json()["code"] == "scopes_too_wide"

    def test_of_somebody_elses_key_is_refused_even_to_an_administrator(
        self, alice: User, bob: User, alice_key: APIClient
    ) -> None:
        grant(alice, "api_key.administer")
        _, key_id = issue(bob, ["*"])

        answer = alice_key.post(f"{URL}/{key_id}/rotate", {})

        assert answer.status_code == 403
        assert answer.json()["code"] == "api_key_of_somebody_else"
        assert ApiKey.objects.filter(owner=bob).count() == 1


class TestRevokeApiKey:
    def test_ends_it_at_once_and_twice_changes_nothing(
        self, alice: User, alice_key: APIClient
    ) -> None:
        grant(alice, "api_key.read")
        secret, key_id = issue(alice, ["*"])

        first = alice_key.post(f"{URL}/{key_id}/revoke")
        second = alice_key.post(f"{URL}/{key_id}/revoke")

        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json()["revoked_at"] == second.json()["revoked_at"]
        assert client_with(secret).get(URL).status_code == 401
        assert [name for name, _ in events_of(key_id)] == ["api_key.issued", "api_key.revoked"]


class TestVisibility:
    def test_shows_ones_own_keys_only(self, alice: User, bob: User, alice_key: APIClient) -> None:
        _, bobs = issue(bob, ["*"], name="bob's")

        assert [key["name"] for key in alice_key.get(URL).json()["results"]] == ["a key"]
        assert alice_key.get(f"{URL}/{bobs}").status_code == 404
        assert alice_key.post(f"{URL}/{bobs}/revoke").status_code == 404
        assert ApiKey.objects.get(pk=bobs).revoked_at is None

    def test_shows_all_of_them_to_who_administers_them(
        self, alice: User, bob: User, alice_key: APIClient
    ) -> None:
        _, bobs = issue(bob, ["*"], name="bob's")
        grant(alice, "api_key.administer")

        assert alice_key.get(f"{URL}/{bobs}").status_code == 200
        assert alice_key.post(f"{URL}/{bobs}/revoke").status_code == 200

    def test_lists_the_scopes_there_are_and_which_are_held(self, alice_key: APIClient) -> None:
        scopes = {scope["id"]: scope for scope in alice_key.get(f"{URL}/scopes").json()}

        assert scopes["api_key.issue"]["held"] is True
        assert scopes["api_key.administer"]["held"] is False
        assert scopes["api_key.administer"]["risk"] == "critical"

    def test_costs_the_same_number_of_queries_for_any_number_of_keys(
        self, alice: User, alice_key: APIClient
    ) -> None:
        alice_key.get(URL)
        with CaptureQueriesContext(connection) as few:
            alice_key.get(URL)
        for _ in range(20):
            issue(alice, ["*"])
        with CaptureQueriesContext(connection) as many:
            alice_key.get(URL)

        assert len(many) == len(few)


class TestSession:
    def test_may_use_the_api_and_must_prove_that_it_means_to(self, alice: User) -> None:
        grant(alice, "api_key.issue", "api_key.read")
        client = Client(enforce_csrf_checks=True)
        client.force_login(alice)
        body = {"name": "Till", "scopes": ["api_key.read"]}

        assert client.get(URL).status_code == 200
        without_token = client.post(URL, body, content_type="application/json")
        client.get("/login/")
        token = client.cookies["csrftoken"].value
        with_token = client.post(
            URL, body, content_type="application/json", headers={"X-CSRFToken": token}
        )

        assert without_token.status_code == 403
        assert without_token["Content-Type"] == "application/problem+json"
        assert with_token.status_code == 201
        assert ApiKey.objects.filter(name="Till").count() == 1


class TestAdmin:
    @pytest.fixture
    def admin(self, db: None) -> Client:
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        return client

    def test_shows_keys_without_their_digests_and_offers_no_change(
        self, alice: User, admin: Client
    ) -> None:
        _, key_id = issue(alice, ["*"])
        address = f"/admin/ledger/apikey/{key_id}/change/"

        page = admin.get(address)

        assert page.status_code == 200
        assert ApiKey.objects.get().digest not in page.content.decode()
        assert admin.post(address, {"name": "x"}).status_code == 403
        assert admin.get("/admin/ledger/apikey/add/").status_code == 403
        assert admin.post(f"/admin/ledger/apikey/{key_id}/delete/").status_code == 403

    def test_is_opened_by_the_capability_that_ends_them(self, alice: User, client: Client) -> None:
        alice.is_staff = True
        alice.save()
        alice.user_permissions.add(Permission.objects.get(codename="view_apikey"))
        client.force_login(alice)
        assert client.get("/admin/ledger/apikey/").status_code == 403

        grant(alice, "api_key.administer")

        assert client.get("/admin/ledger/apikey/").status_code == 200

    def test_revokes_what_is_selected_in_the_administrators_name(
        self, alice: User, admin: Client
    ) -> None:
        secret, key_id = issue(alice, ["*"])

        admin.post(
            "/admin/ledger/apikey/", {"action": "revoke", "_selected_action": [key_id]}, follow=True
        )

        assert client_with(secret).get(URL).status_code == 401
        last = selectors.stream_events(("api_key", key_id))[-1]
        root = User.objects.get(username="root")
        assert (last.name, str(last.principal)) == ("api_key.revoked", f"user:{root.pk}")
