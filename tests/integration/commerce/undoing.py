"""Undo things in tests as somebody who may do everything."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import User

from ledger.access.authority import Caller
from ledger.models import Entry, ReversalStanding
from ledger.reversing import previews
from ledger.reversing.previews import Preview
from ledger.services import reversals
from ledger.services.reversals import Reversed


def entry_of(action_name: str, target_id: object) -> Entry:
    """Return the newest entry of an action on a target."""
    found = Entry.objects.filter(action_name=action_name, target_id=str(target_id))
    return found.select_related("mutation").order_by("-occurred_at", "-pk")[0]


def look(entry: Entry, **asked: Any) -> Preview:
    return previews.preview(entry.pk, **asked)


def kinds_of(preview: Preview) -> list[str]:
    """Return the kinds of all effects, from the top down."""
    assert preview.plan is not None
    return [effect.kind.value for root in preview.plan.effects for effect in root.walk()]


def refusal_of(preview: Preview) -> str:
    return preview.refusal.code if preview.refusal else ""


def undo(entry: Entry, **asked: Any) -> Reversed:
    """Look, and do what was seen."""
    token = look(
        entry, command=asked.get("command", ""), asked_cents=asked.get("amount_cents")
    ).token
    return reversals.execute_reversal(
        entry_id=entry.pk,
        token=token,
        reason=asked.pop("reason", "Asked for by the customer"),
        caller=Caller(chief()),
        **asked,
    )


def chief() -> User:
    """Return somebody who may do everything."""
    return User.objects.filter(username="chief").first() or User.objects.create_superuser("chief")


def standing_of(entry: Entry | UUID) -> ReversalStanding:
    return ReversalStanding.objects.get(entry=entry.pk if isinstance(entry, Entry) else entry)
