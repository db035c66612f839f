"""Stores reasons and comments beside entries, and erases them.

A reason may name a person, whatever the rules say, and an entry is kept forever. So the body of
an entry holds a salted digest, and the text is in a row from which it can be erased.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.domain.action import Proof
from ledger.domain.payload import SALT_BYTES, commitment
from ledger.models import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class SaltedRemark:
    """A remark that is about to be inserted, and what the entry says of it."""

    text: str
    salt: bytes

    @property
    def digest(self) -> str:
        """What stands in the body: HMAC-SHA256 of the text (UTF-8) under the salt, in hex."""
        return commitment(self.salt, self.text.encode())

    def columns(self) -> dict[str, object]:
        """Return what the statement of the entry inserts."""
        return {"remark": self.text, "remark_salt": self.salt}


def prepare(text: str) -> SaltedRemark | None:
    """Salt and commit to all that somebody wrote; None if that is nothing.

    How much people may write is for the edges to say; what a peer said is kept as it said it.
    """
    return SaltedRemark(text=text, salt=secrets.token_bytes(SALT_BYTES)) if text else None


def words_at(entry_ids: Iterable[str]) -> dict[str, str]:
    """Return by entry what people wrote there, or that it is gone; nothing where they did not."""
    return {str(each.pk): each.shown for each in Remark.objects.filter(pk__in=set(entry_ids))}


def tombstone(ids: Sequence[UUID], proof: Proof, *, at: datetime) -> int:
    """Take the words of some entries away for good, and return of how many."""
    whole = Remark.objects.filter(pk__in=list(ids), erased_at=None)
    return whole.update(text=None, salt=None, erased_at=at, erased_by=proof.entry_id)


def fault_of(remark: Remark, *, body: bytes | memoryview) -> str | None:
    """Return what is wrong with a remark beside its entry; None if nothing is."""
    if remark.text is None or remark.salt is None:
        return None
    digest = commitment(bytes(remark.salt), remark.text.encode())
    if digest.encode() in bytes(body):
        return None
    return f"the reason of entry {remark.pk} is not what its entry says"
