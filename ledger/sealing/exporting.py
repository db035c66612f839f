"""Exports the ledger, to be verified offline with `ledger/verifier.py`.

A run is all entries between two checkpoints, with the seal of each batch. A selection is
single entries, each with its own inclusion proof. Bodies are copied byte for byte.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from events import wire
from events.domain.errors import NotFound, Rejected
from ledger.models import Checkpoint, Entry, Sealed, SigningKey
from ledger.sealing import seals
from ledger.sealing.inclusion import Batch
from ledger.verifier import HINT_BYTES, PROOFS, RUN, canonical, leaf_hash

PAGE_ENTRIES: Final = 5_000
SELECTION_MAX: Final = 10_000


class NothingSealed(NotFound):
    code = "ledger_nothing_sealed"
    hint = "Wait for the sealer, or run `ledger_seal`."

    def __init__(self, *, since: datetime | None = None) -> None:
        from_then = f" since {since.isoformat()}" if since else ""
        super().__init__(f"No entry has been sealed{from_then} that could be exported.")


class SelectionTooLarge(Rejected):
    code = "ledger_selection_too_large"
    hint = "Narrow the selection, or export the whole run."

    def __init__(self) -> None:
        super().__init__(f"A selection with proofs holds up to {SELECTION_MAX} entries.")


def export_run(*, since: datetime | None = None) -> Iterator[bytes]:
    """Yield the lines of all sealed entries, or of those sealed from a moment on.

    Everything that was recorded at or after `since` is in it.

    :raises NothingSealed: if there is none.
    """
    last = seals.latest()
    begin = None
    if since is not None:
        begin = Checkpoint.objects.filter(sealed_at__lt=since).order_by("-number").first()
    if last is None or begin == last:
        raise NothingSealed(since=since)
    return _run(begin, last)


def export_selection(entries: QuerySet[Entry]) -> Iterator[bytes]:
    """Yield the lines of single entries, each with its proof under the checkpoint it is in.

    :raises NothingSealed: if none of them is sealed yet.
    :raises SelectionTooLarge: if there are too many.
    """
    chosen = Sealed.objects.filter(entry__in=entries.order_by().values("pk")).order_by("position")
    positions = list(chosen.values_list("position", flat=True)[: SELECTION_MAX + 1])
    if len(positions) > SELECTION_MAX:
        raise SelectionTooLarge
    if not positions:
        raise NothingSealed
    return _selection(positions)


def header_of_run(begin: Checkpoint | None, last: Checkpoint) -> bytes:
    """Return the first line of a run."""
    since = begin and {
        "frontier": begin.frontier,
        "seal": seals.statement_of(begin),
        "signature": begin.signature,
    }
    through = {"root": last.root, "size": last.size}
    return line({"format": RUN, **_log(), "since": since, "through": through})


def entry_line(position: int, body: bytes) -> bytes:
    """Return the line of an entry: its body as it was sealed."""
    return b'{"position":%d,"entry":%s}\n' % (position, body)


def seal_line(statement: dict[str, Any], signature: str, leaves: Iterable[bytes]) -> bytes:
    """Return the line after a batch. The hints tell which entry of it is not the right one."""
    hints = b"".join(leaf[:HINT_BYTES] for leaf in leaves).hex()
    return line({"hints": hints, "seal": statement, "signature": signature})


def line(value: Any) -> bytes:
    """Return a line of JSON in its canonical spelling."""
    return canonical(value) + b"\n"


def _run(begin: Checkpoint | None, last: Checkpoint) -> Iterator[bytes]:
    yield header_of_run(begin, last)
    after = begin.size if begin else 0
    numbers = Checkpoint.objects.filter(size__gt=after, size__lte=last.size).order_by("number")
    bodies = _bodies(after, last.size)
    for checkpoint in numbers.iterator(chunk_size=500):
        leaves = []
        while after < checkpoint.size:
            after += 1
            body = next(bodies)
            leaves.append(leaf_hash(body))
            yield entry_line(after, body)
        yield seal_line(seals.statement_of(checkpoint), checkpoint.signature, leaves)


def _bodies(after: int, last: int) -> Iterator[bytes]:
    # In short pages: no transaction is held open for as long as somebody downloads.
    while after < last:
        upto = min(after + PAGE_ENTRIES, last)
        rows = wire.run(_PAGE, [after, upto], binary=True).fetchall()
        for (body,) in rows:
            yield bytes(body)
        after = upto


def _selection(positions: list[int]) -> Iterator[bytes]:
    yield line({"count": len(positions), "format": PROOFS, **_log()})
    batch: Batch | None = None
    for position in positions:
        if batch is None or position > batch.size:
            checkpoint = Checkpoint.objects.filter(size__gte=position).earliest("size")
            batch = batch_of(checkpoint)
            seal = seals.statement_of(checkpoint)
            yield line({"seal": seal, "signature": checkpoint.signature})
        steps = b",".join(b'"%s"' % step.hex().encode() for step in batch.proof(position - 1))
        (body,) = _bodies(position - 1, position)
        yield b'{"position":%d,"proof":[%s],"entry":%s}\n' % (position, steps, body)


def batch_of(checkpoint: Checkpoint) -> Batch:
    """Return what one checkpoint has sealed, for proofs of inclusion under it."""
    return Batch(seals.tree_of(seals.before(checkpoint)), leaves_of(checkpoint))


def leaves_of(checkpoint: Checkpoint) -> list[bytes]:
    """Return the leaves that a checkpoint added, as the bodies of its entries are now."""
    before = seals.before(checkpoint)
    begin = before.size if before else 0
    return [leaf_hash(body) for body in _bodies(begin, checkpoint.size)]


def _log() -> dict[str, Any]:
    keys = SigningKey.objects.order_by("number")
    return {
        "log": seals.log_name(),
        "keys": [
            {
                "key": key.public,
                "endorsed_by": key.endorsed_by_id or "",
                "endorsement": key.endorsement,
            }
            for key in keys
        ],
    }


_PAGE: Final = """
SELECT e.body FROM ledger_sealed s JOIN ledger_entry e ON e.id = s.entry_id
 WHERE s.position > %s AND s.position <= %s ORDER BY s.position
"""
