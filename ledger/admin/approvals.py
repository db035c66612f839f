"""Approvals and their policies in the admin: decided through services, never edited."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from ledger import admin_access, authority, name_screening, step_up
from ledger.admin import proving
from ledger.admin_access import BY_HAND, CapabilityAdmin
from ledger.domain.approval import Decision
from ledger.models import Approval, ApprovalPolicyVersion
from ledger.services import approval_policies, approvals


@admin.register(Approval)
class ApprovalAdmin(CapabilityAdmin[Any]):
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
    exclude = ["old_reason"]
    readonly_fields = ["why"]
    ordering = ["-requested_at", "-id"]
    actions = ["approve", "deny"]

    @admin.display(description="Why")
    def why(self, approval: Approval) -> str:
        """Say it in the words of who asked, as all may see them."""
        return name_screening.redacted_for(approval.reason, None) or "-"

    @admin_access.needs_capability("approval.decide")
    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decided(request, queryset, Decision.APPROVE)

    @admin_access.needs_capability("approval.decide")
    @admin.action(description="Deny")
    def deny(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decided(request, queryset, Decision.DENY)

    def _decided(
        self, request: HttpRequest, queryset: QuerySet[Approval], decision: Decision
    ) -> None:
        holder, is_fresh = authority.holder_of(request), step_up.is_fresh(request)
        self.act_on(
            request,
            queryset,
            lambda row: approvals.decide_approval(
                approval_id=row.pk,
                decision=decision.value,
                decider=holder,
                comment=BY_HAND,
                is_fresh=is_fresh,
            ),
            told=_status,
        )


@admin.register(ApprovalPolicyVersion)
class ApprovalPolicyAdmin(CapabilityAdmin[Any]):
    reads = "approval_policy.read"
    list_display = ["name", "version", "status", "quorum", "condition", "activated_at"]
    list_filter = ["status", "name", "on_expiry", "execute"]
    search_fields = ["name", "meaning"]
    ordering = ["name", "-version"]
    actions = ["activate", "retire"]

    @admin_access.needs_capability("approval_policy.activate")
    @admin.action(description="Put into force")
    def activate(
        self, request: HttpRequest, queryset: QuerySet[ApprovalPolicyVersion]
    ) -> HttpResponse | None:
        activate = approval_policies.activate_policy
        return self._once_proved(request, queryset, "activate", "Put into force", activate)

    @admin_access.needs_capability("approval_policy.activate")
    @admin.action(description="End")
    def retire(
        self, request: HttpRequest, queryset: QuerySet[ApprovalPolicyVersion]
    ) -> HttpResponse | None:
        retire = approval_policies.retire_policy
        return self._once_proved(request, queryset, "retire", "End", retire)

    def _once_proved(
        self,
        request: HttpRequest,
        policies: QuerySet[ApprovalPolicyVersion],
        action: str,
        title: str,
        change: Callable[..., ApprovalPolicyVersion],
    ) -> HttpResponse | None:
        if page := proving.page_before(self, request, policies, action=action, title=title):
            return page
        is_fresh = step_up.is_fresh(request)
        self.act_on(
            request,
            policies,
            lambda row: change(policy_id=row.pk, is_fresh=is_fresh),
            told=_status,
        )
        return None


def _status(row: Approval | ApprovalPolicyVersion) -> str:
    return row.status
