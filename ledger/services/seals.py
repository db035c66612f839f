"""Seals entries: positions and a signed checkpoint, one batch per transaction."""

from django.db import transaction
from django.utils import timezone

from events.failpoints import declare, failpoint
from ledger.models import Checkpoint
from ledger.sealing import seals
from ledger.sealing.seals import BATCH_ENTRIES_MAX

BEFORE_COMMIT = declare("sealer.before_commit")


def seal_batch(
    *, limit: int = BATCH_ENTRIES_MAX, accept_key: bool = False
) -> tuple[Checkpoint | None, int]:
    """Seal up to `limit` entries; return the checkpoint (None if none) and the number of entries.

    :raises SigningKeyMissing: if this process has no key.
    :raises SigningKeyUnknown: if the key is new and not endorsed by the former one.
    """
    with transaction.atomic(durable=True):
        if not seals.take_turn():
            return None, 0
        before = seals.latest()
        tree = seals.tree_of(before)
        leaves = seals.place(tree.size, limit=limit)
        if not leaves:
            return None, 0
        tree.extend(leaves)
        checkpoint = seals.sign(tree, before, at=timezone.now(), accept_key=accept_key)
        failpoint(BEFORE_COMMIT)
    return checkpoint, len(leaves)


def seal_entries(*, accept_key: bool = False) -> int:
    """Seal all waiting entries, batch by batch; return how many there were.

    :raises SigningKeyMissing, SigningKeyUnknown: as `seal_batch` says.
    """
    total, count = 0, BATCH_ENTRIES_MAX
    while count == BATCH_ENTRIES_MAX:
        _, count = seal_batch(accept_key=accept_key)
        total += count
    return total
