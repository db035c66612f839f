"""Approval policies of a new installation. `migrate` installs them; then the operator owns them.

People act without approval; agents need one. Every app installs its own in the same way.
"""

from datetime import timedelta

from django.conf import settings

from events.tables import migration_status
from ledger.services import approval_policies
from ledger.services.approval_policies import Terms

POLICIES = (
    Terms(
        name="agent-action-approval",
        meaning="A person has to agree before an agent takes an action of high risk.",
        capabilities=("*",),
        principals=("agent",),
        condition="risk in ['high', 'critical']",
        ttl=timedelta(hours=24),
    ),
    Terms(
        name="subject-approval",
        meaning="What a workflow asks for at one of its steps.",
        capabilities=("approval.request",),
        ttl=timedelta(days=7),
        # Never matches an action by itself: it is asked for by name.
        condition="false",
    ),
)

DRAFTS = (
    Terms(
        name="delegation-approval",
        meaning="Let an agent act in one's name: two other people agree first.",
        capabilities=("delegation.create",),
        principals=("user", "api_key"),
        # Who has a delegation can give its agent keys without asking again.
        condition="action == 'delegation.create'",
        quorum=2,
        ttl=timedelta(days=7),
        on_expiry="denied",
    ),
    Terms(
        name="payload-redaction",
        meaning="Take away what an entry refers to: two other people agree first.",
        capabilities=("ledger.redact_payload",),
        principals=("user", "api_key", "agent", "workflow"),
        condition="action == 'ledger.redact_payload'",
        quorum=2,
        ttl=timedelta(days=7),
    ),
)
"""Each takes three people, whom an installation may not have: its operator puts them into force.

They are for no group, as an installation begins with none: whoever may decide approvals finds
them in the inbox, and the page of the policy says how many that are.
"""


def install_defaults(*, plan: object = None, **_signal: object) -> None:
    """Put into force the policies that are missing.

    Listens to post_migrate. A flush sends the same signal without a plan, and wants no rows.
    """
    if plan is not None and settings.APPROVAL_POLICIES and migration_status.is_complete():
        approval_policies.install_policies(every=POLICIES, drafts=DRAFTS)
