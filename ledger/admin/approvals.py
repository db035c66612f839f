"""Approvals and their policies in the admin: decided through services, never edited."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from events.admin_lists import LatestValues
from ledger import admin_access, selectors
from ledger.access import authority, people, step_up
from ledger.admin import proving
from ledger.admin_access import BY_HAND, CapabilityAdmin
from ledger.disclosure import free_texts
from ledger.domain.action import UNKNOWN_TARGET
from ledger.domain.approval import ApprovalStatus, Decision
from ledger.domain.money import written
from ledger.models import Approval, ApprovalPolicyVersion, Mutation
from ledger.services import approval_policies, approvals

_AMOUNT = "requested_entry__mutation__risk_facts__amount_cents"


class WaitsForMe(admin.SimpleListFilter):
    """What the visitor could decide now: the inbox of the console."""

    title = "whose decision"
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "Waits for mine")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:
        if self.value() is None:
            return queryset
        mine = selectors.approvals_to_decide(authority.caller_of(request)).order_by()
        return queryset.filter(pk__in=mine.values("pk"))


@admin.register(Approval)
class ApprovalAdmin(CapabilityAdmin[Any]):
    """The inbox as a table. What is critical asks for the password first, on its own page."""

    reads = "approval.read"
    list_display = [
        "what",
        "about",
        "status",
        "risk",
        "amount",
        "asked_by",
        "waits_for",
        "open_until",
        "requested_at",
    ]
    list_filter = [
        WaitsForMe,
        "status",
        "risk",
        "policy_name",
        "action_name",
        ("target_type", LatestValues),
        "execute",
        "assigned_group",
        ("assigned_to", admin.RelatedOnlyFieldListFilter),
        "requested_at",
        "expires_at",
    ]
    list_select_related = ["assigned_to", "assigned_group", "requested_entry__mutation"]
    search_fields = ["=target_id", "=requested_by", "=reference", "=correlation_id", "=id"]
    exclude = ["old_reason"]
    readonly_fields = ["why"]
    ordering = ["-requested_at", "-id"]
    actions = ["approve", "deny"]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list, whose rows know what to call who asked: one look for all of them."""
        listed = super().get_changelist_instance(request)
        names = people.names_of(row.requested_by for row in listed.result_list)
        for row in listed.result_list:
            row.requester_name = names[row.requested_by]
        return listed

    @admin.display(description="What", ordering="title")
    def what(self, approval: Approval) -> str:
        """Say what is wanted."""
        return approval.title

    @admin.display(description="About", ordering="target_id")
    def about(self, approval: Approval) -> str:
        """Name the target; what is yet to be made has no id."""
        type_ = approval.target_type.replace("_", " ")
        is_named = approval.target_id != UNKNOWN_TARGET
        return f"{type_} {approval.target_id}" if is_named else f"any or a new {type_}"

    @admin.display(description="Amount", ordering=_AMOUNT)
    def amount(self, approval: Approval) -> str:
        """Say how much it is about, if it is about money."""
        facts = _facts_of(approval)
        cents = facts.get("amount_cents")
        return (
            "-" if cents is None else written(int(cents), str(facts.get("currency") or "")).strip()
        )

    @admin.display(description="Requested by", ordering="requested_by")
    def asked_by(self, approval: Approval) -> str:
        """Name who asked, as people do."""
        name: str = getattr(approval, "requester_name", approval.requested_by)
        return name

    @admin.display(description="Waits for")
    def waits_for(self, approval: Approval) -> str:
        """Say whose decision is missing, and of how many people."""
        if approval.status != ApprovalStatus.PENDING:
            return "-"
        whose = "whoever may decide"
        if approval.assigned_to is not None:
            whose = approval.assigned_to.get_username()
        elif approval.assigned_group is not None:
            whose = f"the group {approval.assigned_group}"
        return whose if approval.quorum == 1 else f"{whose}: {approval.quorum} people"

    @admin.display(description="Expires", ordering="expires_at", empty_value="-")
    def open_until(self, approval: Approval) -> datetime | None:
        """Say until when it can be decided, or used."""
        is_open = approval.status in {ApprovalStatus.PENDING, ApprovalStatus.APPROVED}
        return approval.expires_at if is_open else None

    @admin.display(description="Why")
    def why(self, approval: Approval) -> str:
        """Say it in the words of who asked, as all may see them."""
        return free_texts.redacted_for(approval.reason, None) or "-"

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
        caller, is_fresh = authority.caller_of(request), step_up.is_fresh(request)
        self.act_on(
            request,
            queryset,
            lambda row: approvals.decide_approval(
                approval_id=row.pk,
                decision=decision.value,
                decider=caller,
                comment=BY_HAND,
                is_fresh=is_fresh,
            ),
            describe=_status,
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
            describe=_status,
        )
        return None


def _facts_of(approval: Approval) -> Mapping[str, Any]:
    try:
        facts: Mapping[str, Any] = approval.requested_entry.mutation.risk_facts
    except Mutation.DoesNotExist:
        return {}
    return facts


def _status(row: Approval | ApprovalPolicyVersion) -> str:
    return row.status
