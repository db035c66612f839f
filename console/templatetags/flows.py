"""Template filters of the pages of flows: durations, countdowns and links within a flow."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import addresses, text
from console.flows import history, waterfall
from console.flows.editor import StepForm
from console.flows.page import Page
from events.domain.envelope import Envelope
from events.domain.times import rfc3339
from workflows.flows.execution.aggregates import stream_of
from workflows.flows.explanations.why_waiting import in_one_line

register = template.Library()


@register.simple_tag
def look(page: Page, **changes: Any) -> str:
    """Return the query of the page with something else picked."""
    return page.address(**changes)


@register.simple_tag
def flow_stream(flow_id: str) -> str:
    """Return the address of the stream of a flow."""
    return addresses.url_of(stream_of(flow_id))


@register.simple_tag
def countdown(at: datetime) -> SafeString:
    """Write a time to come; scripts count the seconds down to it."""
    utc = at.astimezone(UTC)
    stamp = rfc3339(at)
    shown = f"at {utc:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" data-countdown>{}</time>', stamp, shown)


@register.filter
def in_zone(at: datetime, zone: str) -> str:
    """Write a time as it is in a time zone, with its day of the week."""
    there = at.astimezone(ZoneInfo(zone or "UTC"))
    return f"{there:%a %d %b %Y, %H:%M} {there.tzname()}"


@register.filter
def lasting(span: timedelta | None) -> str:
    """Return how long something took."""
    return waterfall.lasting(span)


@register.filter
def milliseconds(count: int) -> str:
    """Return how long that many milliseconds are."""
    return waterfall.lasting(timedelta(milliseconds=count))


@register.filter
def one_line(error: str) -> str:
    """Write an error of several lines in one."""
    return in_one_line(error)


@register.filter
def compact_json(value: Any) -> str:
    """Write a value as JSON in one line."""
    return text.visible(json.dumps(value, ensure_ascii=False, default=str))


@register.filter
def part(form: StepForm, name: str) -> list[BoundField]:
    """Return the fields of one part of a step's form."""
    return [form[field] for field in form.fields if field == name or field.startswith(f"{name}.")]


@register.filter
def any_error(fields: list[BoundField]) -> bool:
    """Return whether one of the fields is wrong."""
    return any(field.errors for field in fields)


@register.filter
def event_says(event: Envelope) -> str:
    """Return the name of an event and what it is about, in a few words."""
    about = history.says(event) or event.data.get("step_id", "")
    return f"{event.name} ({about})" if about else event.name
