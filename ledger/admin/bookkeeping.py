"""The auxiliary tables of the ledger in the admin, without secrets, responses and free texts."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ledger import selectors
from ledger.access import authority
from ledger.admin_access import CapabilityAdmin
from ledger.models import (
    AgentKey,
    AgentSwitch,
    ApprovalVote,
    Disclosure,
    IdempotencyKey,
    Mutation,
    PoliciesInForce,
    Remark,
    Sealed,
    SocketTicket,
    SubjectKey,
    Unsealed,
)


@admin.register(Mutation)
class MutationAdmin(CapabilityAdmin[Mutation]):
    reads = "ledger.read"
    list_display = ["entry_id", "summary", "reversal_kind", "reversal_step", "reversal_outcome"]
    list_filter = ["reversal_kind", "reversal_step", "reversal_outcome"]
    search_fields = ["=entry_id"]
    raw_id_fields = ["entry", "reverses"]
    ordering = ["-pk"]


@admin.register(Disclosure)
class DisclosureAdmin(CapabilityAdmin[Disclosure]):
    """Which fields were shown; why is told by the entry, in the words that all may see."""

    reads = "ledger.read"
    list_display = ["entry_id", "disclosed_fields", "decision_policy"]
    search_fields = ["=entry_id"]
    exclude = ["old_reason_code"]
    raw_id_fields = ["entry"]
    ordering = ["-pk"]


@admin.register(Remark)
class RemarkAdmin(CapabilityAdmin[Remark]):
    """Which entries have words beside them, and which of those were taken away."""

    reads = "ledger.read"
    list_display = ["entry_id", "erased_at", "erased_by_id"]
    search_fields = ["=entry_id"]
    exclude = ["text", "salt"]
    raw_id_fields = ["entry", "erased_by"]
    ordering = ["-pk"]


@admin.register(Sealed)
class SealedAdmin(CapabilityAdmin[Sealed]):
    reads = "ledger.read"
    list_display = ["position", "entry_id"]
    search_fields = ["=position", "=entry_id"]
    raw_id_fields = ["entry"]
    ordering = ["-position"]


@admin.register(Unsealed)
class UnsealedAdmin(CapabilityAdmin[Unsealed]):
    reads = "ledger.read"
    list_display = ["ticket", "entry_id"]
    raw_id_fields = ["entry"]
    ordering = ["ticket"]


@admin.register(SubjectKey)
class SubjectKeyAdmin(CapabilityAdmin[SubjectKey]):
    """Who has a key of their own, and whose was destroyed. The keys are not shown."""

    reads = "subject.read"
    list_display = ["subject", "created_at", "destroyed_at"]
    search_fields = ["=subject"]
    exclude = ["wrapped"]
    raw_id_fields = ["destroyed_by"]
    ordering = ["-id"]


@admin.register(ApprovalVote)
class ApprovalVoteAdmin(CapabilityAdmin[ApprovalVote]):
    """Who said what; their comment stands on the page of the approval."""

    reads = "approval.read"
    list_display = ["created_at", "approval_id", "principal", "human", "decision"]
    list_filter = ["decision"]
    search_fields = ["=approval__id"]
    exclude = ["old_comment"]
    raw_id_fields = ["approval", "entry"]
    ordering = ["-id"]


@admin.register(PoliciesInForce)
class PoliciesInForceAdmin(CapabilityAdmin[PoliciesInForce]):
    reads = "approval_policy.read"
    fields = ["id", "mark"]


@admin.register(AgentSwitch)
class AgentSwitchAdmin(CapabilityAdmin[AgentSwitch]):
    """While there is a row, no agent does anything. It is thrown on the page of agents."""

    reads = "agent.read"
    list_display = ["stopped_at", "reason"]


@admin.register(AgentKey)
class AgentKeyAdmin(CapabilityAdmin[AgentKey]):
    reads = "agent.read"
    list_display = ["prefix", "delegation_id", "created_at", "expires_at", "revoked_at"]
    search_fields = ["=prefix", "=delegation__id"]
    exclude = ["digest"]
    raw_id_fields = ["delegation"]
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgentKey]:
        """Return those of one's own delegations; everybody's for who administers them."""
        visible = selectors.delegations_visible_to(authority.caller_of(request))
        return super().get_queryset(request).filter(delegation__in=visible)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(CapabilityAdmin[IdempotencyKey]):
    """Requests that had an effect, for a day. What they were answered may be private."""

    reads = "api_key.administer"
    list_display = ["created_at", "scope", "key", "response_status", "reference", "expires_at"]
    search_fields = ["=scope"]
    exclude = ["response_headers", "response_body", "fingerprint"]
    ordering = ["-id"]


@admin.register(SocketTicket)
class SocketTicketAdmin(CapabilityAdmin[SocketTicket]):
    """Tickets that were not used, for a minute; whoever knows one can open a socket."""

    reads = "api_key.administer"
    list_display = ["user", "key", "expires_at"]
    list_display_links = None
    list_select_related = ["user", "key"]
    exclude = ["digest", "session_key"]
    ordering = ["expires_at"]
