"""Whether a seal holds, checked anew on the live database."""

from ledger import exporting, seals, verifier
from ledger.models import Checkpoint


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
