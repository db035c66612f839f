"""Forms about webhooks: filters, a new subscription, and replays."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils.html import escape
from django.utils.safestring import mark_safe

from console.fields import MomentField
from console.forms import Filters, MarkedForm
from events.domain.catalogue import EventType
from events.domain.errors import DomainError
from ledger.preconditions import VersionMoved
from workflows.egress.urls import URL_CHARACTERS_MAX
from workflows.webhooks.models import (
    DeliveryQuerySet,
    DeliveryStatus,
    Purpose,
    Subscription,
    SubscriptionQuerySet,
    SubscriptionStatus,
)

MOMENTS = "15m, 24h, 2026-01-31T18:00Z"
MOVED = "It has changed since this form was opened. Nothing was saved; to replace it, save again."
STANDINGS = [each for each in SubscriptionStatus if each != SubscriptionStatus.DELETED]


class SubscriptionFilters(Filters):
    search = "url"

    url = forms.CharField(
        required=False,
        max_length=200,
        label="URL",
        widget=forms.TextInput(attrs={"placeholder": "any part of it"}),
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in STANDINGS)],
        widget=forms.HiddenInput,
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def narrowed(self, rows: SubscriptionQuerySet, *, sees_all: bool) -> SubscriptionQuerySet:
        """Return those of `rows` that fit. `sees_all`: whether whole addresses are searched.

        Who could search for a part that is not shown would guess it, letter by letter.
        """
        asked = self.cleaned_data
        fits = {"standing": asked["status"], "pk__lt": asked["before"]}
        rows = rows.filter(**{field: value for field, value in fits.items() if value})
        if not asked["url"]:
            return rows
        return (
            rows.filter(url__icontains=asked["url"]) if sees_all else rows.with_origin(asked["url"])
        )


def _as_code(meaning: str) -> str:
    """Return what an event means as HTML: the catalogue quotes names as Markdown does."""
    return mark_safe(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(meaning)))  # noqa: S308 - escaped.


class SubscriptionForm(MarkedForm):
    """A subscription, a new or a `known` one; `event.<name>` says that it is sent that event."""

    url = forms.CharField(
        max_length=URL_CHARACTERS_MAX,
        label="URL",
        help_text="An https URL of a public host.",
        widget=forms.TextInput(attrs={"class": "mono", "placeholder": "https://example.org/hooks"}),
    )
    description = forms.CharField(
        required=False, max_length=500, help_text="What it is for, and whom to ask about it."
    )
    version = forms.IntegerField(
        required=False, min_value=0, max_value=2**31 - 1, widget=forms.HiddenInput
    )

    def __init__(
        self,
        data: QueryDict | None,
        *,
        types: Iterable[EventType],
        known: Subscription | None = None,
    ) -> None:
        initial = _initial_of(known) if known else {}
        super().__init__(data, auto_id="subscription-%s", label_suffix="", initial=initial)
        self.known = known
        self.has_moved = False
        self.waits_for: UUID | None = None
        self._events = {f"event.{type_.name}": type_.name for type_ in types}
        for type_ in types:
            self.fields[f"event.{type_.name}"] = forms.BooleanField(
                required=False, label=type_.name, help_text=_as_code(type_.meaning)
            )

    def event_fields(self) -> list[forms.BoundField]:
        """Return the fields of events."""
        return [self[field] for field in self._events]

    def ended(self) -> list[str]:
        """Return the events of the known one that are sent to nobody any more."""
        return sorted({*self.known.events} - {*self._events.values()}) if self.known else []

    def clean(self) -> dict[str, Any]:
        """Check that there is something to send."""
        asked: dict[str, Any] = super().clean() or {}
        if not any(asked.get(field) for field in self._events):
            self.add_error(None, "Choose at least one event.")
        return asked

    def asked(self) -> dict[str, Any]:
        """Return what the service is asked for. Valid forms only."""
        asked = self.cleaned_data
        events = [name for field, name in self._events.items() if asked[field]]
        return {"url": asked["url"], "description": asked["description"], "events": events}

    def refuse(self, refusal: DomainError) -> None:
        """Put a refusal of the service beside the field that it is about."""
        if isinstance(refusal, VersionMoved):
            self._show_what_moved()
        else:
            self.add_error("url" if refusal.pointer == "/url" else None, refusal.sentences)

    def expected_version(self) -> int | None:
        """Return the version that the form was written for. Valid forms only."""
        asked: int | None = self.cleaned_data["version"]
        return asked

    def _show_what_moved(self) -> None:
        """Say what stands there now. Sent again as it is, the form replaces that."""
        assert self.known is not None
        self.known.refresh_from_db()
        self.add_error(None, MOVED)
        self.has_moved = True
        self.data = {**dict(self.data.items()), "version": str(self.known.version)}


def _initial_of(known: Subscription) -> dict[str, Any]:
    chosen = {f"event.{name}": True for name in known.events}
    return {
        "url": known.url,
        "description": known.description,
        "version": known.version,
        **chosen,
    }


class DeliveryFilters(Filters):
    search = "event"

    subscription = forms.UUIDField(required=False, widget=forms.HiddenInput)
    event = forms.CharField(
        required=False,
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "invoice.settled", "list": "event-names"}),
    )
    event_id = forms.CharField(
        required=False,
        max_length=255,
        label="Event id",
        widget=forms.TextInput(attrs={"placeholder": "the whole id"}),
    )
    purpose = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((each.value, each.value) for each in Purpose)]
    )
    since = MomentField(
        required=False, max_length=40, widget=forms.TextInput(attrs={"placeholder": MOMENTS})
    )
    until = MomentField(
        required=False, max_length=40, widget=forms.TextInput(attrs={"placeholder": "now"})
    )
    status = forms.ChoiceField(
        required=False,
        choices=[("", "Any"), *((each.value, each.value) for each in DeliveryStatus)],
        widget=forms.HiddenInput,
    )
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def narrowed(self, rows: DeliveryQuerySet) -> DeliveryQuerySet:
        """Return those of `rows` that fit, the newest first."""
        asked = self.cleaned_data
        fits = {
            "subscription": asked["subscription"],
            "event_name": asked["event"].strip(),
            "purpose": asked["purpose"],
            "created_at__gte": asked["since"],
            "created_at__lt": asked["until"],
            "status": asked["status"],
        }
        rows = rows.filter(**{field: value for field, value in fits.items() if value})
        if asked["event_id"]:
            rows = rows.of_event(asked["event_id"].strip())
        if asked["before"]:
            rows = rows.older_than(asked["before"])
        return rows.order_by("-created_at", "-id")


class ReplayForm(MarkedForm):
    """A range of moments: what was given up, of what happened in it, is sent again."""

    fields_required: ClassVar = {"required": "Give a time."}

    since = MomentField(max_length=40, label="Happened since", error_messages=fields_required)
    until = MomentField(max_length=40, label="Happened before", error_messages=fields_required)

    def __init__(self, data: QueryDict | None = None, **options: Any) -> None:
        super().__init__(data, auto_id="replay-%s", label_suffix="", **options)
        self.fields["until"].help_text = f"Times with an offset, or how long ago: {MOMENTS}."

    def clean(self) -> dict[str, Any]:
        """Check that there is time between the two."""
        asked: dict[str, Any] = super().clean() or {}
        since, until = asked.get("since"), asked.get("until")
        if isinstance(since, datetime) and isinstance(until, datetime) and until <= since:
            self.add_error("until", ValidationError("Give a time after the first one."))
        return asked
