"""Whether a seal holds, checked anew on the live database."""

import secrets
from collections.abc import Iterator

from events import digest
from ledger import verifier
from ledger.models import Checkpoint
from ledger.sealing import exporting, seals

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
    """Check a checkpoint against entries and events under it, the one `before` it and its key.

    Return what is broken, as a sentence; None if it holds.
    """
    tree = seals.tree_of(before)
    tree.extend(exporting.leaves_of(checkpoint))
    statement = verifier.canonical(seals.statement_of(checkpoint))
    public, signature = bytes.fromhex(checkpoint.key_id), bytes.fromhex(checkpoint.signature)
    faults = {
        ": an entry under it was changed": tree.root().hex() != checkpoint.root,
        " does not follow the one before it": checkpoint.previous != seals.link_of(before),
        " is not signed by its key": not verifier.is_signed(public, statement, signature),
        " is kept with another statement": bytes(checkpoint.statement) != statement,
        " goes on from another tree": [node.hex() for node in tree.frontier] != checkpoint.frontier,
        ": an event under it was changed": _other_events(checkpoint, before),
    }
    found = (f"checkpoint {checkpoint.number}{fault}" for fault, is_so in faults.items() if is_so)
    return next(found, None)


def _other_events(checkpoint: Checkpoint, before: Checkpoint | None) -> bool:
    through, signed = checkpoint.events_through, seals.events_before(before)
    return through is not None and (
        digest.of_positions(signed, through) != checkpoint.events_digest
    )
