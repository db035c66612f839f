"""Permissions of the admin: each page and each action names the capability that it requires.

Users who lack it are not offered the action; an attempt all the same is recorded.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from events.admin_lists import M, ReadOnlyAdmin
from events.domain.errors import DomainError
from ledger import recording
from ledger.access import authority
from ledger.approving.gate import ApprovalRequired
from ledger.domain.capability import CapabilityMissing
from ledger.models import Approval

BY_HAND = "From the admin."
"""The reason of actions that ask for none."""

F = TypeVar("F", bound=Callable[..., Any])


def needs_capability(capability_id: str) -> Callable[[F], F]:
    """Name the capability of an admin action: as a decorator, outside of Django's own."""

    def name(action: F) -> F:
        action.needs = capability_id  # type: ignore[attr-defined]
        return action

    return name


def demand_capability(request: HttpRequest, capability_id: str) -> None:
    """Check that the visitor holds the capability; for pages of the admin of their own.

    :raises PermissionDenied: if not, which is on record if it is grave; a refusal of ours would
        be a fault of the page.
    """
    if not authority.holds(request, capability_id):
        recording.record_denial(capability_id, target_id="", why=CapabilityMissing(capability_id))
        raise PermissionDenied(f"It asks for the permission “{capability_id}”.")


class CapabilityActions(ReadOnlyAdmin[M]):
    """A read-only page whose actions name their capabilities."""

    def get_actions(self, request: HttpRequest, action_location: Any = None) -> Any:
        """Offer the actions whose capability is held."""
        # Django 6.1 says where the actions are to be shown; 5.2 has one place for them.
        where = () if action_location is None else (action_location,)
        offered: dict[str, Any] = {**super().get_actions(request, *where)}
        return {name: each for name, each in offered.items() if _may(request, function_of(each))}

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, or carry out an action; note the try of one that is not offered."""
        tried = getattr(self, request.POST.get("action") or "-", None)
        needs = getattr(tried, "needs", None)
        if needs is not None and not authority.holds(request, needs):
            chosen = request.POST.getlist("_selected_action")
            target_id = chosen[0] if len(chosen) == 1 else ""
            recording.record_denial(needs, target_id=target_id[:200], why=CapabilityMissing(needs))
        return super().changelist_view(request, extra_context)

    def act_on(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        act: Callable[[Any], Any],
        *,
        describe: Callable[[Any], str] = lambda _: "done",
    ) -> None:
        """Do `act` to each row, and say of each what came of it, as `describe` puts it."""
        for row in rows:
            try:
                came_of_it = act(row)
            except ApprovalRequired as required:
                messages.warning(request, format_html("{}: {}", row, awaits(required.approval)))
            except DomainError as refusal:
                messages.warning(request, f"{row}: {refusal} {refusal.hint}".strip())
            else:
                messages.success(request, f"{row}: {describe(came_of_it)}.")


class CapabilityAdmin(CapabilityActions[M]):
    """A read-only page that is opened by the capability `reads`."""

    reads: ClassVar[str]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return authority.holds(request, self.reads)

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return authority.holds(request, self.reads)


class ThroughServices:
    """A page whose forms are saved by services, which own their transactions."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        # Django would open a transaction around it, and a service has to own its own.
        try:
            answer: HttpResponseBase = self._changeform_view(  # type: ignore[attr-defined]
                request, object_id, form_url, extra_context
            )
        except ApprovalRequired as required:
            self.show_refusal(request, required)
            return HttpResponseRedirect(request.get_full_path())
        except DomainError as refusal:
            # The form again, with what was typed in it and why it was refused.
            request.daybook_refusal = refusal  # type: ignore[attr-defined]
            answer = self._changeform_view(  # type: ignore[attr-defined]
                request, object_id, form_url, extra_context
            )
        return answer

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the form; after a refusal, one that says so where it belongs."""
        form = super().get_form(request, *args, **kwargs)  # type: ignore[misc]
        refusal: DomainError | None = getattr(request, "daybook_refusal", None)
        return form if refusal is None else _refused(form, refusal)

    def show_refusal(self, request: HttpRequest, refusal: DomainError) -> None:
        """Say on the next page why the form was not saved."""
        if isinstance(refusal, ApprovalRequired):
            messages.warning(request, awaits(refusal.approval))
        else:
            messages.error(request, f"{refusal} {refusal.hint}".strip())


def _refused(form: Any, refusal: DomainError) -> Any:
    class Refused(form):  # type: ignore[misc]  # Django makes these classes as it goes, too.
        def clean(self) -> Any:
            cleaned = super().clean()
            field = (refusal.pointer or "").removeprefix("/")
            self.add_error(field if field in self.fields else None, refusal.sentences)
            return cleaned

    return Refused


def awaits(approval: Approval) -> str:
    """Say that somebody else has to agree, and lead to the request."""
    return format_html(
        'It awaits approval: <a href="{}">see the request</a>. Once it is approved, do just the '
        "same again.",
        reverse("console:approval", args=[approval.pk]),
    )


def function_of(action: Any) -> Any:
    """Return the function of an action as Django keeps it."""
    # A tuple on Django 5.2, an object on 6.1.
    return action[0] if type(action) is tuple else action.func


def _may(request: HttpRequest, action: Any) -> bool:
    needs: str | None = getattr(action, "needs", None)
    return needs is None or authority.holds(request, needs)
