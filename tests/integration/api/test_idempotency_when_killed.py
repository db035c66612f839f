"""kill -9 around the commit, on a real process; the retry finds out what became of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from rest_framework.test import APIClient

from ledger import idempotency
from tests.integration.api.test_idempotency import KEY, URL, post

ROOT = Path(__file__).resolve().parents[3]

REQUEST = f"""
import os
import django
django.setup()
from tests.integration.api import sample
from ledger import capabilities
for id_ in sample.CAPABILITIES:
    resource, action = id_.split(".")
    capabilities.declare(id_, meaning=id_, resource=resource, action=action)
from django.test import Client
key = os.environ["TEST_API_KEY"]
Client(SERVER_NAME="localhost").post(
    {URL!r}, {{"name": "bolt"}}, content_type="application/json",
    headers={{"Authorization": "Bearer " + key, "Idempotency-Key": {KEY!r}}},
)
"""


def make_request_and_die(secret: str, failpoint: str) -> None:
    settings: dict[str, Any] = connection.settings_dict
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.integration.api.settings",
        "TEST_DATABASE_NAME": settings["NAME"],
        "TEST_API_KEY": secret,
        "FAILPOINTS": f"{failpoint}:kill",
    }
    done = subprocess.run([sys.executable, "-c", REQUEST], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


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
