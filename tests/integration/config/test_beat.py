"""What beat rings for is there, and does what its name says."""

import pytest
from django.conf import settings

from config.celery import app

CALLS = {
    "work.sweep": ["workflows.work.sweeper.sweep"],
    "work.checkup": ["workflows.work.checkups.check_up"],
    "work.forget_housekeeping": ["workflows.work.retention.forget_old"],
    "flows.forget_answers": ["workflows.flows.execution.memoization.forget_old"],
    "ledger.seal_entries": [
        "ledger.services.seals.seal_entries",
        "ledger.sealing.witnesses.copy_checkpoints",
    ],
    "ledger.expire_payloads": ["ledger.services.payloads.expire_payloads"],
    "webhooks.expire_bodies": ["workflows.webhooks.outbox.expire_bodies"],
    "ledger.prune_idempotency_keys": ["ledger.idempotency.prune"],
    "ledger.expire_approvals": ["ledger.services.approvals.expire_approvals"],
    "ledger.expire_reversals": ["ledger.services.reversals.expire_reversals"],
}


def test_beat_rings_for_all_of_it() -> None:
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == set(CALLS)


@pytest.mark.parametrize("task", CALLS)
def test_whoever_is_rung_for_does_it(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app.loader.import_default_modules()  # As a worker does.
    called: list[str] = []
    monkeypatch.setattr("ledger.conf.signing_key", lambda: "a key")
    for path in CALLS[task]:
        monkeypatch.setattr(path, lambda *_, path=path, **_options: called.append(path))

    app.tasks[task].apply(throw=True)

    assert called == CALLS[task]
