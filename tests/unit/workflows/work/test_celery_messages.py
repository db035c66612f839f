import base64
import json
from typing import Any
from uuid import UUID

import pytest
from celery import current_app

from workflows.work import celery_messages
from workflows.work.doorbell import TASK

ID = UUID("01890000-0000-7000-8000-000000000001")
HEADERS = {"daybook_principal": "user:7"}


def message() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(
        celery_messages.message(TASK, [ID], key="daybook", headers=HEADERS)
    )
    return read


class TestABell:
    def test_says_what_celery_itself_would_say(self) -> None:
        ours, named = message(), {"ids": [str(ID)]}
        task_id = ours["headers"]["id"]
        theirs = current_app.amqp.as_task_v2(task_id, TASK, kwargs=named, ignore_result=True)

        headers = {**theirs.headers, **HEADERS, "origin": ours["headers"]["origin"]}
        assert ours["headers"] == headers
        assert ours["properties"].items() >= theirs.properties.items()
        body = json.loads(base64.b64decode(ours["body"]))
        assert body == json.loads(json.dumps(theirs.body))

    def test_has_a_name_of_its_own(self) -> None:
        assert message()["headers"]["id"] != message()["headers"]["id"]


@pytest.mark.parametrize(
    ("broker", "valkey"),
    [
        ("redis://cache:6379/1", "redis://cache:6379/1"),
        ("redis+socket:///tmp/v.sock?virtual_host=3", "unix:///tmp/v.sock?db=3"),
        ("redis+socket:///tmp/v.sock", "unix:///tmp/v.sock?db=0"),
        # Certificates and masters are in Celery's own settings.
        ("rediss://cache:6379/1", None),
        ("sentinel://one:26379", None),
        ("amqp://rabbit//", None),
    ],
)
def test_a_broker_that_keeps_lists_is_reached_without_celery(
    broker: str, valkey: str | None
) -> None:
    assert celery_messages.url_of_valkey(broker) == valkey
