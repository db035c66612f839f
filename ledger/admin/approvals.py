"""Approvals and their policies in the admin: decided through the service, never edited."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from events.domain.errors import DomainError
from ledger import acts, authority, step_up
from ledger.domain.approval import Decision
from ledger.models import Approval, ApprovalPolicyVersion
from ledger.services import approval_policies, approvals

BY_HAND = "From the list in the admin."


class _LookOnly(acts.Answerable, admin.ModelAdmin[Any]):
    reads: str
    show_full_result_count = False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, self.reads)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return authority.holds(request, self.reads)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def acted(self, request: HttpRequest, rows: Any, act: Any) -> None:
        """Do `act` to each row, and say what was refused."""
        for row in rows:
            try:
                done = act(row)
            except DomainError as refusal:
                messages.warning(request, f"{row}: {refusal} {refusal.hint}".strip())
            else:
                messages.success(request, f"{row}: {done.status}.")


@admin.register(Approval)
class ApprovalAdmin(_LookOnly):
    """The inbox as a table. What is critical asks for the password first, on its own page."""

    reads = "approval.read"
    list_display = [
        "title",
        "status",
        "risk",
        "target_type",
        "target_id",
        "requested_by",
        "policy_name",
        "requested_at",
        "expires_at",
    ]
    list_filter = ["status", "risk", "policy_name", "action_name", "execute", "assigned_group"]
    search_fields = ["=target_id", "=requested_by", "=reference", "=correlation_id", "=id"]
    ordering = ["-requested_at", "-id"]
    actions = ["approve", "deny"]

    @acts.needing("approval.decide")
    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decided(request, queryset, Decision.APPROVE)

    @acts.needing("approval.decide")
    @admin.action(description="Deny")
    def deny(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decided(request, queryset, Decision.DENY)

    def _decided(
        self, request: HttpRequest, queryset: QuerySet[Approval], decision: Decision
    ) -> None:
        holder, is_fresh = authority.holder_of(request), step_up.is_fresh(request)
        self.acted(
            request,
            queryset,
            lambda row: approvals.decide_approval(
                approval_id=row.pk,
                decision=decision.value,
                decider=holder,
                comment=BY_HAND,
                is_fresh=is_fresh,
            ),
        )


@admin.register(ApprovalPolicyVersion)
class ApprovalPolicyAdmin(_LookOnly):
    reads = "approval_policy.read"
    list_display = ["name", "version", "status", "quorum", "condition", "activated_at"]
    list_filter = ["status", "name", "on_expiry", "execute"]
    search_fields = ["name", "meaning"]
    ordering = ["name", "-version"]
    actions = ["activate", "retire"]

    @acts.needing("approval_policy.activate")
    @admin.action(description="Put into force")
    def activate(self, request: HttpRequest, queryset: QuerySet[ApprovalPolicyVersion]) -> None:
        self.acted(
            request, queryset, lambda row: approval_policies.activate_policy(policy_id=row.pk)
        )

    @acts.needing("approval_policy.activate")
    @admin.action(description="End")
    def retire(self, request: HttpRequest, queryset: QuerySet[ApprovalPolicyVersion]) -> None:
        self.acted(request, queryset, lambda row: approval_policies.retire_policy(policy_id=row.pk))
