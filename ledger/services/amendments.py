"""Corrections of entries. The entry does not change; the correction is an entry beside it."""

from uuid import UUID

from ledger import recording
from ledger.domain.action import Action, Kind, Target
from ledger.models import Entry
from ledger.privacy import name_screening
from ledger.reversing.previews import EntryNotFound


def amend_entry(*, entry_id: UUID, reason: str) -> UUID:
    """Correct an entry by a new entry about the same target; return the new one.

    A correction can be corrected in the same way.

    :raises EntryNotFound: if there is no such entry.
    :raises PersonNamed: if the reason names a person.
    """
    original = Entry.objects.filter(pk=entry_id).first()
    if original is None:
        raise EntryNotFound(entry_id)
    target = Target(type=original.target_type, id=original.target_id)
    name_screening.check_text(target, reason, field="reason")
    action = Action(
        name="ledger.amend",
        kind=Kind.EXECUTE,
        target=target,
        capability="ledger.amend",
        reason=reason,
        input={"entry_id": entry_id},
        amends=original.pk,
    )
    with recording.recorded(action) as proof:
        proof.says(f"Corrects what is on record of {original.action_name}.")
        proof.answers_with(proof.entry_id)
    return proof.entry_id
