"""Whether an approval is stale: its target has changed since it was requested."""

from events.domain.errors import NotFound
from ledger import commands
from ledger.approving import asking
from ledger.domain.payload import PayloadKind
from ledger.domain.policy import PolicyStatus
from ledger.models import Approval


def is_stale(row: Approval) -> bool | None:
    """Return whether the target of an approval has changed or gone since it was requested.

    None if that is unknown: for a subject, a target that does not exist yet, a redacted state.
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
    """Return whether the policy version under which it was requested is still in force."""
    return row.policy.status == PolicyStatus.ACTIVE.value
