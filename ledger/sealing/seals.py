"""Gives entries their positions, and appends them to the Merkle tree.

As with the feed of events, each entry waits in a queue that a trigger fills, and gets a dense
position after commit, in the order of the queue within one snapshot. A transaction that saw
another's entry was queued later, so causes come before effects. Each checkpoint also signs a
digest of the event log.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Min

from events import digest, wire
from events.domain.errors import Conflict
from events.locks import LockClass
from ledger import verifier
from ledger.domain.action import moment
from ledger.models import Checkpoint, Entry, SigningKey, Unsealed
from ledger.sealing import signing
from ledger.sealing.signing import Signer
from ledger.verifier import NO_LINK, Tree

FORMAT: Final = "daybook.checkpoint/2"
FORMAT_WITHOUT_EVENTS: Final = "daybook.checkpoint/1"
BATCH_ENTRIES_MAX: Final = 1_000
EVENTS_MAX: Final = 100_000
"""So many of a backlog are signed with one checkpoint, the rest with those after it."""


class SigningKeyUnknown(Conflict):
    code = "ledger_signing_key_unknown"
    hint = (
        "Give the sealer the former key as LEDGER_SIGNING_KEY_BEFORE; if it is lost, "
        "`ledger_seal --accept-key` begins anew with a key that the former one does not endorse."
    )

    def __init__(self, public: str) -> None:
        super().__init__("The former key has not endorsed this one.", key=public)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealProgress:
    """How far sealing has come. Times are None where there is nothing."""

    checkpoint: Checkpoint | None
    waiting: int
    lag_seconds: float

    @property
    def size(self) -> int:
        return self.checkpoint.size if self.checkpoint else 0


def progress(*, at: datetime) -> SealProgress:
    """Return how far sealing has come at that moment."""
    oldest = Entry.objects.filter(pk__in=Unsealed.objects.values("entry_id")).aggregate(
        at=Min("created_at")
    )["at"]
    lag = max(0.0, (at - oldest).total_seconds()) if oldest else 0.0
    return SealProgress(checkpoint=latest(), waiting=Unsealed.objects.count(), lag_seconds=lag)


def latest() -> Checkpoint | None:
    """Return the last checkpoint."""
    return Checkpoint.objects.order_by("-number").first()


def before(checkpoint: Checkpoint) -> Checkpoint | None:
    """Return the checkpoint before another one."""
    return Checkpoint.objects.filter(number=checkpoint.number - 1).first()


def link_of(checkpoint: Checkpoint | None) -> str:
    """Return what the checkpoint after this one says of it."""
    if checkpoint is None:
        return NO_LINK
    return verifier.link_of(statement_of(checkpoint), checkpoint.signature)


def statement_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what was signed."""
    tree = {
        "format": FORMAT_WITHOUT_EVENTS,
        "key": checkpoint.key_id,
        "log": log_name(),
        "number": checkpoint.number,
        "previous": checkpoint.previous,
        "root": checkpoint.root,
        "sealed_at": moment(checkpoint.sealed_at),
        "size": checkpoint.size,
    }
    if checkpoint.events_through is None:
        return tree
    of_events = {"digest": checkpoint.events_digest, "through": checkpoint.events_through}
    return {**tree, "format": FORMAT, "events": of_events}


def events_before(checkpoint: Checkpoint | None) -> int:
    """Return up to which position events were signed before the checkpoint after this one."""
    return (checkpoint.events_through or 0) if checkpoint else 0


def log_name() -> str:
    """Return what this log is called: its first public key."""
    return str(SigningKey.objects.values_list("public", flat=True).get(number=1))


def tree_of(checkpoint: Checkpoint | None) -> Tree:
    """Return the tree as it was sealed, ready to grow."""
    if checkpoint is None:
        return Tree()
    return Tree(checkpoint.size, [bytes.fromhex(node) for node in checkpoint.frontier])


def take_turn() -> bool:
    """Become the one sealer until the transaction ends; False if another one is at it."""
    # A statement of its own, so that the next one sees what the previous holder committed.
    [(taken,)] = wire.run("SELECT pg_try_advisory_xact_lock(%s, 0)", [LockClass.SEALER.value])
    return bool(taken)


def place(after: int, *, limit: int) -> list[bytes]:
    """Give waiting entries the positions after `after`, and return their leaves in order."""
    due = wire.run(_TAKE, [limit]).fetchall()
    ids: list[UUID] = [id_ for _, id_, _ in due]
    if ids:
        wire.run(_PLACE, {"after": after, "ids": ids})
    return [verifier.leaf_hash(bytes(body)) for _, _, body in due]


def sign(tree: Tree, before: Checkpoint | None, *, at: datetime, accept_key: bool) -> Checkpoint:
    """Add the checkpoint of `tree`.

    :raises SigningKeyMissing: if this process has no key.
    :raises SigningKeyUnknown: if the key is new and the former one is not here.
    """
    signer = signing.current()
    signed = events_before(before)
    through = min(digest.last_position(), signed + EVENTS_MAX)
    checkpoint = Checkpoint(
        number=before.number + 1 if before else 1,
        size=tree.size,
        root=tree.root().hex(),
        previous=link_of(before),
        sealed_at=at,
        key=_introduced(signer, at=at, accept_key=accept_key),
        frontier=[node.hex() for node in tree.frontier],
        events_through=through,
        events_digest=digest.of_positions(signed, through),
    )
    checkpoint.statement = verifier.canonical(statement_of(checkpoint))
    checkpoint.signature = signer.sign(checkpoint.statement)
    checkpoint.save(force_insert=True)
    return checkpoint


def _introduced(signer: Signer, *, at: datetime, accept_key: bool) -> SigningKey:
    known = SigningKey.objects.filter(pk=signer.public).first()
    last = SigningKey.objects.order_by("-number").first()
    if known is not None and known == last:
        return known
    if known is not None:
        raise SigningKeyUnknown(signer.public)  # A former key does not come back.
    key = SigningKey(public=signer.public, number=last.number + 1 if last else 1, first_used_at=at)
    former = signing.before()
    if last is not None and former is not None and former.public == last.public:
        key.endorsed_by = last
        key.endorsement = former.sign(verifier.endorsed(signer.public))
    elif last is not None and not accept_key:
        raise SigningKeyUnknown(signer.public)
    key.save(force_insert=True)
    return key


# Relies on ledger_unsealed_pkey, and on its sequence handing out numbers one by one.
_TAKE: Final = """
WITH due AS (
  DELETE FROM ledger_unsealed WHERE ticket IN (
    SELECT ticket FROM ledger_unsealed ORDER BY ticket LIMIT %s
  )
  RETURNING ticket, entry_id
)
SELECT due.ticket, e.id, e.body FROM due JOIN ledger_entry e ON e.id = due.entry_id
 ORDER BY due.ticket
"""
_PLACE: Final = """
INSERT INTO ledger_sealed (position, entry_id)
SELECT %(after)s + ordinal, id FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS due (id, ordinal)
"""
