"""A task acts in the name and the story of its sender, whatever ran before it."""

from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context

from config import celery_context, logs
from events import context
from events.domain.principal import SYSTEM, Principal, PrincipalKind

ALICE = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    # They have tests of their own, beside a database.
    monkeypatch.setattr(celery_context, "_renew_connections", lambda: None)
    app = Celery("test", broker="memory://", set_as_current=False)
    celery_context.connect()

    # Shared, each one made here would wait to become a task of the product's app too.
    @app.task(name="look", shared=False)
    def look() -> tuple[Any, str]:
        return context.in_force(), logs.request_id.get()

    return look


def sent_headers(task: Any) -> dict[str, Any]:
    """Return the headers of a message as it lies in the broker."""
    with task.app.connection_for_write() as connection:
        task.apply_async(connection=connection)
        queue = connection.SimpleQueue(task.app.conf.task_default_queue)
        headers: dict[str, Any] = queue.get(block=False).headers
        queue.close()
    return headers


def worked(task: Any, headers: dict[str, Any]) -> Any:
    """Return what the task saw in a worker that got a message with these headers."""
    task.push_request(**{**headers, "is_eager": False})
    try:
        celery_context._enter(task_id="1", task=task)
        seen = task.run()
        celery_context._leave(task_id="1")
    finally:
        task.pop_request()
    return seen


class TestTask:
    def test_acts_as_its_sender_and_goes_on_with_the_story(self, task: Any) -> None:
        with context.acting(ALICE, correlation_id="cor_1", causation_id="evt_1") as sender:
            headers = sent_headers(task)

        acted, request_id = worked(task, headers)

        assert acted == sender
        assert request_id == "task:1"
        assert context.in_force() is None
        assert logs.request_id.get() == "-"

    def test_that_nobody_sent_acts_as_the_system(self, task: Any) -> None:
        acted, _ = worked(task, {})

        assert acted.principal == SYSTEM
        assert acted.correlation_id.startswith("cor_")

    def test_that_runs_in_place_stays_in_the_context_of_its_caller(self, task: Any) -> None:
        with context.acting(ALICE, correlation_id="cor_1") as caller:
            acted, request_id = task.apply().get()

        assert acted == caller
        assert request_id.startswith("task:")

    def test_leaves_twice_without_harm(self) -> None:
        before = context.current().principal

        celery_context._leave(task_id="never entered")

        assert context.current().principal == before

    def test_reads_what_celery_makes_of_headers(self) -> None:
        assert Context({"daybook_principal": "user:7"}).get("daybook_principal") == "user:7"
