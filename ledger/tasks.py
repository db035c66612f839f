"""Celery tasks of this app. A lost message only delays the clean-up."""

from typing import Any

from celery import shared_task

from ledger import conf, idempotency
from ledger.sealing import witnesses
from ledger.services import approvals, payloads, reversals, seals


@shared_task(name="ledger.prune_idempotency_keys", ignore_result=True)
def prune_idempotency_keys(**_newer_arguments: Any) -> None:
    """Forget the idempotency keys whose day is over."""
    idempotency.prune()


@shared_task(name="ledger.seal_entries", ignore_result=True)
def seal_entries(**_newer_arguments: Any) -> None:
    """Seal what waits, where there is a key to do so; then tell the witnesses."""
    if conf.signing_key():
        seals.seal_entries()
        witnesses.copy_checkpoints()


@shared_task(name="ledger.expire_reversals", ignore_result=True)
def expire_reversals(**_newer_arguments: Any) -> None:
    """Close the windows in which actions could be undone, as they end."""
    reversals.expire_reversals()


@shared_task(name="ledger.expire_approvals", ignore_result=True)
def expire_approvals(**_newer_arguments: Any) -> None:
    """Expire the approvals that were not decided in time."""
    approvals.expire_approvals()


@shared_task(name="ledger.expire_payloads", ignore_result=True)
def expire_payloads(**_newer_arguments: Any) -> None:
    """Let go of content whose retention has ended."""
    payloads.expire_payloads()
