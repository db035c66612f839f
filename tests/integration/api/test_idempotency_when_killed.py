"""kill -9 around the commit, on a real process; the retry finds out what became of it."""

import signal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from config.testing import fork_server
from ledger import idempotency
from tests.integration.api.test_idempotency import post
from tests.live import PATIENCE_S, environment_of_the_tests


def make_request_and_die(secret: str, failpoint: str) -> None:
    dying = fork_server.start(
        "tests.integration.api.one_request",
        secret,
        environment={**environment_of_the_tests(), "FAILPOINTS": f"{failpoint}:kill"},
    )
    assert dying.wait(PATIENCE_S) == -signal.SIGKILL


def retry(client: APIClient) -> Any:
    """Do as Retry-After says: PostgreSQL needs a moment to notice that the process is gone."""
    answers = (post(client, {"name": "bolt"}) for _ in range(500))
    return next(answer for answer in answers if answer.status_code != 409)


@pytest.mark.django_db(transaction=True)
class TestKilledProcess:
    def test_before_its_commit_has_done_nothing_and_is_done_now(
        self, client: APIClient, secret: str
    ) -> None:
        make_request_and_die(secret, idempotency.BEFORE_COMMIT)
        assert not Group.objects.exists()

        answer = retry(client)

        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer
        assert Group.objects.count() == 1

    def test_after_its_commit_has_done_it_and_it_is_not_done_again(
        self, client: APIClient, secret: str
    ) -> None:
        make_request_and_die(secret, idempotency.AFTER_COMMIT)
        assert Group.objects.count() == 1

        answer = retry(client)

        assert answer.status_code == 201
        assert answer["Idempotency-Replayed"] == "true"
        assert answer.json() == {"id": Group.objects.get().pk, "name": "bolt"}
        assert Group.objects.count() == 1
