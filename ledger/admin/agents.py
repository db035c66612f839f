"""Agents and delegations in the admin: created, stopped and revoked through services only."""

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import AdminSplitDateTime, AdminTextareaWidget
from django.db.models import DateTimeField, ForeignKey, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from events.domain import strict_json
from events.domain.errors import DomainError
from ledger import admin_access, selectors
from ledger.access import authority
from ledger.admin_access import BY_HAND, CapabilityAdmin, ThroughServices
from ledger.disclosure import free_texts
from ledger.models import Agent, Delegation
from ledger.services import agents, delegations


class _Moment(AdminSplitDateTime):
    """Django's, with names: for who cannot see the words beside them the two fields had none."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        for widget, name in zip(self.widgets, ("Date", "Time"), strict=True):
            widget.attrs["aria-label"] = name


class _MadeByServices(ThroughServices, CapabilityAdmin[Any]):
    """Rows that are looked at, and made by a service: never changed, never deleted."""

    reads = "agent.read"
    creates: str
    formfield_overrides: ClassVar[Any] = {
        DateTimeField: {"form_class": forms.SplitDateTimeField, "widget": _Moment}
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, self.creates)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 (Django's signature)
        made = self.make(request, obj)
        vars(obj).update(vars(made))  # So that Django goes on with what was made.

    def make(self, request: HttpRequest, wanted: Any) -> Any:
        """Call the service that makes what the form says."""
        raise NotImplementedError


@admin.register(Agent)
class AgentAdmin(_MadeByServices):
    creates = "agent.create"
    list_display = ["name", "subtype", "owner", "created_at", "stopped_at"]
    list_filter = ["subtype", "stopped_at"]
    list_select_related = ["owner"]
    search_fields = ["name", "owner__username", "=id"]
    ordering = ["-created_at"]
    actions = ["stop", "resume", "stop_all", "resume_all"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Return one's own; all for who may stop any: an emergency does not wait for the owner."""
        if authority.holds(request, "agent.stop"):
            return super().get_queryset(request)
        return selectors.agents_visible_to(authority.caller_of(request))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, or carry out an action. No row has to be chosen for the kill switch."""
        is_of_all = request.POST.get("action") in {"stop_all", "resume_all"}
        if is_of_all and not request.POST.getlist(ACTION_CHECKBOX_NAME):
            # Django does nothing without a choice; the actions of all look at none.
            chosen = request.POST.copy()
            chosen[ACTION_CHECKBOX_NAME] = str(UUID(int=0))
            request.POST = chosen  # type: ignore[assignment]  # The stubs know of one kind.
        return super().changelist_view(request, extra_context)

    def get_fields(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        made = ["id", "owner", "created_at", "stopped_at"] if obj else []
        return ["name", "subtype", *made]

    def make(self, request: HttpRequest, wanted: Agent) -> Agent:
        owner = authority.caller_of(request).user
        assert owner is not None
        return agents.create_agent(name=wanted.name, subtype=wanted.subtype, owner=owner)

    @admin_access.needs_capability("agent.stop")
    @admin.action(description="Stop at once")
    def stop(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        self.act_on(
            request,
            rows,
            lambda row: agents.stop_agent(agent_id=row.pk, reason=BY_HAND),
        )

    @admin_access.needs_capability("agent.stop")
    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        self.act_on(
            request,
            rows,
            lambda row: agents.resume_agent(agent_id=row.pk, reason=BY_HAND),
        )

    @admin_access.needs_capability("agent.stop")
    @admin.action(description="Kill switch: stop ALL agents at once")
    def stop_all(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        self.act_on(
            request,
            ["All agents"],
            lambda _: agents.stop_all_agents(reason=BY_HAND),
            describe=lambda _: "stopped until the kill switch is taken off",
        )

    @admin_access.needs_capability("agent.administer")
    @admin.action(description="Kill switch: resume agents")
    def resume_all(self, request: HttpRequest, rows: QuerySet[Agent]) -> None:
        self.act_on(
            request,
            ["All agents"],
            lambda _: agents.resume_all_agents(reason=BY_HAND),
            describe=lambda _: "the kill switch is off",
        )


class _DelegationForm(forms.ModelForm[Delegation]):
    # Not Django's field of JSON: it fails on what is too deep, and takes what no text can be.
    resources = forms.CharField(
        required=False,
        widget=AdminTextareaWidget({"rows": 3}),
        help_text='The only things it may touch, such as {"booking": ["0190…"]}; or nothing.',
    )
    starts_at = forms.SplitDateTimeField(
        required=False, widget=_Moment, help_text="At once if it is empty, or with its parent."
    )

    class Meta:
        model = Delegation
        fields: ClassVar[Any] = []  # Those that the page asks for.
        help_texts: ClassVar = {
            "scopes": "Capabilities or families of them, with commas: booking.read, refund.*",
            "cents_max": "In minor units of the currency.",
            "currency": "As ISO 4217 writes it: EUR.",
            "hour_from": "Of the day, in UTC.",
            "hour_until": "Of the day, in UTC; excluded.",
        }

    def clean_resources(self) -> dict[str, list[str]]:
        text: str = self.cleaned_data["resources"]
        try:
            found = strict_json.loads(text) if text else {}
        except DomainError as why:
            raise forms.ValidationError(str(why)) from None
        is_filter = isinstance(found, dict) and all(
            isinstance(ids, list) and all(isinstance(id_, str) for id_ in ids)
            for ids in found.values()
        )
        if not is_filter:
            raise forms.ValidationError('Say {"type": ["id", …]}, or nothing for no filter.')
        return found


@admin.register(Delegation)
class DelegationAdmin(_MadeByServices):
    """Who lets which agent do what. The tree shows where a delegation hangs."""

    creates = "delegation.create"
    form = _DelegationForm
    list_display = [
        "agent",
        "root",
        "depth",
        "scopes",
        "actions_used",
        "actions_max",
        "cents_used",
        "cents_max",
        "currency",
        "expires_at",
        "revoked_at",
    ]
    list_filter = [
        ("agent", admin.RelatedOnlyFieldListFilter),
        ("root", admin.RelatedOnlyFieldListFilter),
        "depth",
        "revoked_at",
        "expires_at",
    ]
    list_select_related = ["agent", "root"]
    search_fields = ["agent__name", "root__username", "=id"]
    ordering = ["-created_at"]
    actions = ["revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delegation]:
        """Return one's own; everybody's for who administers them."""
        return selectors.delegations_visible_to(authority.caller_of(request))

    def formfield_for_foreignkey(
        self, db_field: "ForeignKey[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Offer one's own agents and delegations: nobody delegates in another's name."""
        user = authority.caller_of(request).user
        if db_field.name == "agent":
            kwargs["queryset"] = Agent.objects.filter(owner=user)
        elif db_field.name == "parent":
            own = Delegation.objects.filter(root=user, revoked_at=None)
            kwargs["queryset"] = own.select_related("root", "agent")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Delegation | None = None) -> Any:
        asked = ["agent", "parent", "reason", "scopes", "resources", "actions_max", "cents_max"]
        asked += ["currency", "per_minute_max", "starts_at", "expires_at", "hour_from"]
        asked.append("hour_until")
        if obj is None:
            return asked
        shown = ["why" if name == "reason" else name for name in asked]
        return [*shown, "root", "depth", "actions_used", "cents_used", "revoked_at", "tree"]

    def get_readonly_fields(self, request: HttpRequest, obj: Delegation | None = None) -> Any:
        return ["why", "tree"] if obj else []

    @admin.display(description="Reason")
    def why(self, obj: Delegation) -> str:
        """Say it in the words of who delegated, as all may see them."""
        return free_texts.redacted_for(obj.reason, None)

    def make(self, request: HttpRequest, wanted: Delegation) -> Delegation:
        caller = authority.caller_of(request)
        assert caller.user is not None
        return delegations.create_delegation(
            agent_id=wanted.agent_id,
            parent_id=wanted.parent_id,
            root=caller.user,
            terms=wanted.terms,
            reason=wanted.reason,
            issuer=caller,
        )

    @admin.display(description="Tree")
    def tree(self, obj: Delegation) -> SafeString:
        """Show the whole chain and its branches, and what each has used up."""
        lines = (
            (
                "—" * (each.depth - 1),
                each.agent.name,
                ", ".join(each.scopes),
                each.actions_used,
                "revoked" if each.revoked_at else "in force",
                " (this one)" if each.pk == obj.pk else "",
            )
            for each in selectors.tree_of(obj)
        )
        return format_html_join("", "<div>{} {}: {} · {} actions · {}{}</div>", lines)

    @admin_access.needs_capability("delegation.revoke")
    @admin.action(description="Revoke at once, with all below")
    def revoke(self, request: HttpRequest, rows: QuerySet[Delegation]) -> None:
        self.act_on(
            request,
            rows,
            lambda row: delegations.revoke_delegation(delegation_id=row.pk, reason=BY_HAND),
        )
