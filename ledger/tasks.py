"""Doorbells of this room. Losing one costs nothing but room on the disk."""

from typing import Any

from celery import shared_task

from ledger import idempotency


@shared_task(name="ledger.prune_idempotency_keys", ignore_result=True)
def prune_idempotency_keys(**_newer_arguments: Any) -> None:
    """Forget the idempotency keys whose day is over."""
    idempotency.prune()
