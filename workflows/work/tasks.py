"""The Celery tasks of work. A message only carries ids; the rows say whether there is work."""

import os
from typing import Any
from uuid import UUID

from celery import Task, shared_task

from workflows.work import checkups, queues, retention, runner, stopping, sweeper
from workflows.work.doorbell import TASK


@shared_task(name=TASK, bind=True, ignore_result=True)
def run(self: "Task[..., Any]", /, *, ids: list[str], **_newer_arguments: Any) -> None:
    """Do the work that was rung for, if it is still to do. Repeats and delays do no harm."""
    with stopping.busy():
        runner.answer([UUID(id_) for id_ in ids], worker=_worker(self), queue=_queue(self))


@shared_task(name="work.sweep", bind=True, ignore_result=True)
def sweep(self: "Task[..., Any]", /, **_newer_arguments: Any) -> None:
    """Sweep once: beat's backup of the sweeper, and a sign of life of this worker."""
    with stopping.busy():
        sweeper.sweep(
            worker=_worker(self),
            role="celery",
            taken_from=[_queue(self)],
            is_stopping=stopping.is_asked,
        )


@shared_task(name="work.checkup", ignore_result=True)
def check_up(**_newer_arguments: Any) -> None:
    """Let the doctor look at everything, and put on record what it finds."""
    checkups.check_up()


@shared_task(name="work.forget_housekeeping", ignore_result=True)
def forget_housekeeping(**_newer_arguments: Any) -> None:
    """Forget housekeeping that went well long ago."""
    retention.forget_old()


def _worker(task: "Task[..., Any]") -> str:
    return f"{task.request.hostname or 'celery'}/{os.getpid()}"


def _queue(task: "Task[..., Any]") -> str:
    name = (task.request.delivery_info or {}).get("routing_key")
    return queues.named(name, str(task.app.conf.task_default_queue))
