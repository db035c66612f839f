"""Idempotency-Key: whatever is repeated, and whatever dies, the effect happens once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from rest_framework.test import APIClient

from ledger import tasks
from ledger.access.authority import Caller
from ledger.models import ApiKey, IdempotencyKey
from ledger.services import api_keys
from tests.integration.api import sample
from tests.integration.ledger.conftest import client_with, grant, issue

URL = "/api/v1/gadgets"
KEY = "7b0f2c1e-retry"


def post(client: APIClient, body: dict[str, Any], *, key: str = KEY, url: str = URL) -> Any:
    return client.post(url, body, headers={"Idempotency-Key": key})


def crash() -> None:
    raise SystemExit("killed between commit and response")


class TestRepeatedRequest:
    def test_is_answered_with_the_same_bytes_and_done_once(self, client: APIClient) -> None:
        first = post(client, {"name": "bolt"})
        again = post(client, {"name": "bolt"})

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again["Location"] == first["Location"]
        assert again["Content-Type"] == first["Content-Type"]
        assert again["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first
        assert Group.objects.filter(name="bolt").count() == 1

    def test_may_write_its_body_differently(self, client: APIClient) -> None:
        headers = {"Idempotency-Key": KEY}
        first = client.post(
            URL, b'{"name":"bolt","parts":[]}', content_type="application/json", headers=headers
        )
        again = client.post(
            URL,
            b' {"parts": [], "name": "bo\\u006ct"}',
            content_type="application/json",
            headers=headers,
        )

        assert again.content == first.content

    @pytest.mark.parametrize(
        ("body", "url"), [({"name": "nut"}, URL), ({"name": "bolt"}, f"{URL}?x=1")]
    )
    def test_that_says_something_else_is_refused(
        self, client: APIClient, body: dict[str, Any], url: str
    ) -> None:
        post(client, {"name": "bolt"})

        answer = post(client, body, url=url)

        assert answer.status_code == 422
        assert answer.json()["code"] == "idempotency_key_reused"
        assert Group.objects.count() == 1

    def test_to_another_route_is_another_request(self, client: APIClient) -> None:
        post(client, {"name": "bolt"})

        answer = post(client, {"name": "nut"}, url=f"{URL}/pay")

        assert answer.status_code == 201
        assert Group.objects.count() == 2

    def test_of_another_caller_is_another_request(self, client: APIClient, bob: User) -> None:
        grant(bob, *sample.CAPABILITIES)
        post(client, {"name": "bolt"})

        answer = post(client_with(issue(bob, ["*"])[0]), {"name": "nut"})

        assert answer.status_code == 201

    def test_is_still_the_same_after_the_key_was_rotated(
        self, alice: User, client: APIClient
    ) -> None:
        first = post(client, {"name": "bolt"})
        old = ApiKey.objects.get()
        _, secret = api_keys.rotate_api_key(key_id=old.pk, issuer=Caller(alice))

        again = post(client_with(secret.text), {"name": "bolt"})

        assert again.content == first.content
        assert again["Idempotency-Replayed"] == "true"

    def test_needs_the_right_to_make_it(self, alice: User, client: APIClient) -> None:
        post(client, {"name": "bolt"})
        alice.user_permissions.clear()

        assert post(client, {"name": "bolt"}).status_code == 403

    def test_after_its_day_is_a_new_request(self, client: APIClient) -> None:
        post(client, {"name": "bolt"})
        # Alive when this transaction began, as for who looks at the clock only then.
        IdempotencyKey.objects.update(expires_at=Now())

        answer = post(client, {"name": "nut"})

        assert answer.status_code == 201
        assert post(client, {"name": "nut"}).content == answer.content


class TestRefusedRequest:
    def test_leaves_the_key_free(self, client: APIClient) -> None:
        refused = post(client, {"name": ""})
        sample.inside.append(lambda: (_ for _ in ()).throw(sample.Gone()))
        failed = post(client, {"name": "bolt"})
        sample.inside.clear()

        answer = post(client, {"name": "nut"})

        assert (refused.status_code, failed.status_code) == (400, 409)
        assert answer.status_code == 201
        assert [group.name for group in Group.objects.all()] == ["nut"]

    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "naïve", "a\tb"])
    def test_with_a_key_that_is_none_says_so(self, client: APIClient, key: str) -> None:
        answer = post(client, {"name": "bolt"}, key=key)

        assert answer.status_code == 400
        assert answer.json()["code"] == "idempotency_key_malformed"
        assert not Group.objects.exists()

    def test_accepts_the_longest_key_that_is_allowed(self, client: APIClient) -> None:
        assert post(client, {"name": "bolt"}, key="x" * 255).status_code == 201

    def test_without_a_key_where_one_is_needed_says_so(self, client: APIClient) -> None:
        answer = client.post(f"{URL}/pay", {"name": "bolt"})

        assert answer.status_code == 400
        assert answer.json()["code"] == "idempotency_key_required"
        assert not Group.objects.exists()


class TestLostResponse:
    def test_is_made_again_from_what_was_recorded(self, client: APIClient) -> None:
        sample.after.append(crash)
        with pytest.raises(SystemExit):
            post(client, {"name": "bolt"})
        sample.after.clear()

        answer = post(client, {"name": "bolt"})

        gadget = Group.objects.get()
        assert answer.status_code == 201
        assert answer.json() == {"id": gadget.pk, "name": "bolt"}
        assert answer["Idempotency-Replayed"] == "true"
        assert post(client, {"name": "bolt"}).content == answer.content

    def test_of_a_view_that_cannot_says_what_was_done(self, client: APIClient) -> None:
        sample.after.append(crash)
        with pytest.raises(SystemExit):
            post(client, {"name": "bolt"}, url="/api/v1/forgetful")
        sample.after.clear()

        answer = post(client, {"name": "bolt"}, url="/api/v1/forgetful")

        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_response_lost"
        assert answer.json()["facts"] == {"reference": str(Group.objects.get().pk)}

    def test_never_keeps_the_secret_of_an_api_key(self, alice: User) -> None:
        grant(alice, "api_key.read", "api_key.issue")
        client = client_with(issue(alice, ["*"])[0])
        body = {"name": "Till", "scopes": ["api_key.read"]}

        first = post(client, body, url="/api/v1/api-keys")
        again = post(client, body, url="/api/v1/api-keys")

        assert IdempotencyKey.objects.get().response_body is None
        assert again.status_code == 201
        assert again.json() == {**first.json(), "secret": None}
        assert ApiKey.objects.filter(name="Till").count() == 1


class TestAnonymous:
    def test_changes_nothing_even_through_a_public_view(self, client: APIClient) -> None:
        answer = APIClient().post("/api/v1/open", {})

        assert answer.status_code == 401
        assert answer.json()["code"] == "anonymous_may_not_write"
        assert not Group.objects.exists()


class TestPrune:
    def test_forgets_what_is_over_and_nothing_else(self, client: APIClient) -> None:
        post(client, {"name": "bolt"}, key="over")
        IdempotencyKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        post(client, {"name": "nut"}, key="fresh")

        tasks.prune_idempotency_keys.apply()

        assert IdempotencyKey.objects.get().key == "fresh"


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_one_of_twenty_does_it_and_the_others_wait_or_hear_of_it(
        self, client: APIClient, secret: str
    ) -> None:
        start = threading.Barrier(20)
        answers: list[Any] = []

        def ask() -> None:
            try:
                start.wait(timeout=60)
                answers.append(post(client_with(secret), {"name": "bolt"}))
            finally:
                connection.close()

        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert Group.objects.filter(name="bolt").count() == 1
        assert len(answers) == 20
        done = [answer for answer in answers if answer.status_code == 201]
        waiting = [answer for answer in answers if answer.status_code == 409]
        assert len(done) + len(waiting) == 20
        assert len({answer.content for answer in done}) == 1
        assert sum("Idempotency-Replayed" not in answer for answer in done) == 1
        assert all(answer.json()["code"] == "request_in_progress" for answer in waiting)
        assert all(answer["Retry-After"] == "1" for answer in waiting)

    @pytest.mark.parametrize(
        "stage", [sample.inside, sample.after], ids=["before its commit", "before its response"]
    )
    def test_a_request_under_way_is_told_from_one_that_is_done(
        self, client: APIClient, secret: str, stage: list[Any]
    ) -> None:
        entered, leave = threading.Event(), threading.Event()
        stage += [entered.set, lambda: leave.wait(timeout=60)]
        answers: list[Any] = []

        def ask() -> None:
            try:
                answers.append(post(client_with(secret), {"name": "bolt"}))
            finally:
                connection.close()

        first = threading.Thread(target=ask)
        first.start()
        assert entered.wait(timeout=60)
        meanwhile = post(client, {"name": "bolt"})
        leave.set()
        first.join()

        assert meanwhile.status_code == 409
        assert meanwhile.json()["code"] == "request_in_progress"
        assert answers[0].status_code == 201
        assert post(client, {"name": "bolt"}).content == answers[0].content

    def test_lets_go_of_its_key_with_its_answer(self, client: APIClient) -> None:
        for _ in range(2):
            assert post(client, {"name": "bolt"}).status_code == 201

            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_locks "
                    "WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                )
                assert cursor.fetchone() == (0,)
