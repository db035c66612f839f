"""Celery tasks of this app. A lost message only delays the clean-up."""

from typing import Any

from celery import shared_task

from workflows.flows.execution import memoization


@shared_task(name="flows.forget_answers", ignore_result=True)
def forget_answers(**_newer_arguments: Any) -> None:
    """Forget what memoizable steps answered long ago."""
    memoization.forget_old()
