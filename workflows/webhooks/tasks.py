"""Celery tasks of webhooks. A lost message only delays the clean-up."""

from typing import Any

from celery import shared_task

from workflows.webhooks import outbox


@shared_task(name="webhooks.expire_bodies", ignore_result=True)
def expire_bodies(**_newer_arguments: Any) -> None:
    """Delete the bodies of messages that were sent long ago."""
    outbox.expire_bodies()
