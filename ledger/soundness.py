"""Whether a seal holds, checked anew on the live database."""

import secrets
from collections.abc import Iterator

from ledger import exporting, seals, verifier
from ledger.models import Checkpoint

CHECKPOINTS_REREAD = 5


def faults() -> list[str]:
    """Check the newest checkpoints and one drawn of those before; return what is broken.

    A doctor that comes every five minutes gets round to all of them.
    """
    found = (fault_of(each, seals.before(each)) for each in _reread())
    return [fault for fault in found if fault is not None]


def _reread() -> Iterator[Checkpoint]:
    newest = list(Checkpoint.objects.order_by("-number")[:CHECKPOINTS_REREAD])
    yield from newest
    if newest and newest[-1].number > 1:
        drawn = 1 + secrets.randbelow(newest[-1].number - 1)
        yield from Checkpoint.objects.filter(number=drawn)


def fault_of(checkpoint: Checkpoint, before: Checkpoint | None) -> str | None:
    """Check a checkpoint against the entries under it, the one `before` it and its key.

    Return what is broken, as a sentence; None if it holds.
    """
    tree = seals.tree_of(before)
    tree.extend(exporting.leaves_of(checkpoint))
    statement = seals.statement_of(checkpoint)
    public, signature = bytes.fromhex(checkpoint.key_id), bytes.fromhex(checkpoint.signature)
    if tree.root().hex() != checkpoint.root:
        return f"checkpoint {checkpoint.number}: an entry under it was changed"
    if checkpoint.previous != seals.link_of(before):
        return f"checkpoint {checkpoint.number} does not follow the one before it"
    if not verifier.is_signed(public, verifier.canonical(statement), signature):
        return f"checkpoint {checkpoint.number} is not signed by its key"
    return None
