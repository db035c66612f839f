"""What the doctor says of a running Daybook, when its own worker asks."""

from typing import Any

from celery import Celery

from config.processes.stack import Stack
from config.settings import env
from tests.chaos.load import eventually

MANY_CHECKS = 10
DONE_IN_S = 180
"""How long some fifty queries may take on a machine that is busy with much else."""


def violations(daybook: Stack) -> dict[str, Any]:
    """Return which invariants are violated, and how, as the check-up of beat finds."""
    seen = checkups(daybook)
    send(daybook, "work.checkup")
    [latest, *_] = eventually(lambda: checkups(daybook)[len(seen) :], seconds=DONE_IN_S)
    assert len(latest) > MANY_CHECKS
    return {id_: each["violations"] for id_, each in latest.items() if each["count"]}


def checkups(daybook: Stack) -> list[dict[str, Any]]:
    return [found for (found,) in daybook.sql("SELECT findings FROM work_checkup ORDER BY id")]


def send(daybook: Stack, task: str, **arguments: object) -> None:
    """Send a message as a process of the product would."""
    broker = env.as_broker(daybook.environment["REDIS_URL"])
    # Not the current one of this process: tests that come after have a broker of their own.
    with Celery(broker=broker, set_as_current=False) as app:
        app.send_task(task, kwargs=arguments, queue="daybook")
