"""Whether an approval is stale: its target has changed since it was requested."""

from events.domain.errors import NotFound
from ledger import commands
from ledger.approving import asking
from ledger.domain.payload import PayloadKind
from ledger.domain.policy import PolicyStatus
from ledger.models import Approval


def is_stale(row: Approval) -> bool | None:
    """Return whether the target of an approval has changed, or is gone, since it was asked for.

    None if nobody can say: of a subject, of what is yet to be made, of what is kept no more.
    """
    kept = asking.content_of(row.requested_entry_id, PayloadKind.TARGET_SNAPSHOT)
    if not row.fingerprint or not kept or kept.get("state") is None:
        return None
    try:
        command = commands.get(row.action_name, row.action_version)
    except commands.CommandUnknown:
        return None
    if command.makes:
        return None
    try:
        return bool(command.state_of(row.target_id) != kept["state"])
    except NotFound:
        return True


def is_policy_in_force(row: Approval) -> bool:
    """Return whether the version of the policy under which it was asked for still decides."""
    return row.policy.status == PolicyStatus.ACTIVE.value
