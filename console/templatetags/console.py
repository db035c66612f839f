"""Template filters for times, states, streams, money and JSON. Output is escaped as usual."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from console import addresses, text
from events.domain.times import rfc3339
from ledger.access import authority
from ledger.domain.money import written
from workflows.egress import urls
from workflows.work.models import EveryAttempt

register = template.Library()

_TONES = {
    "ok": {"done", "approved", "confirmed", "completed", "paid", "sent", "published", "settled"}
    | {"succeeded", "healthy", "on", "fired", "delivered"},
    "run": {"ready", "leased", "in_progress", "issued", "awaiting_payment", "active"},
    "wait": {"scheduled", "retry", "snoozed", "pending", "draft", "on_hold", "partially_paid"}
    | {"paused", "not_completed", "compensating", "retrying", "missed", "queued"},
    "bad": {"failed", "denied", "timed_out", "overdue", "charged_back", "compensation_failed"}
    | {"partly_undone", "unhealthy", "refused", "failing", "gone", "abandoned"},
    "dead": {"dead", "poisoned", "crashed"},
}
_JOB_STATES = {
    "": "all",
    "leased": "running",
    "retry": "to retry",
    "dead": "dead letter",
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r".{1,16}", re.DOTALL)
UUID_SHOWN = 8
MINUTE_S = 60


@register.filter
def tone(state: str) -> str:
    """Return the colour of a state; unknown states are quiet."""
    return _TONE_OF.get(str(state), "mute")


@register.filter
def words(state: str) -> str:
    """Say `in_progress` as `in progress`."""
    return str(state).replace("_", " ")


@register.filter
def visible(value: Any) -> str:
    """Show hidden and direction-changing characters as escapes."""
    return text.visible(str(value))


@register.filter
def dotted(value: Any) -> SafeString:
    """Do the same for a name such as `commerce.send_documents`, which may break between words.

    What has no words in it, and is longer than any, may break within.
    """
    words = re.split(r"(?<=[._/])", text.visible(str(value)))
    parts = [part for word in words for part in re.findall(_WORD, word) or [""]]
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in parts))


@register.simple_tag(takes_context=True)
def address(context: Mapping[str, Any], url: str) -> str:
    """Show an address of a webhook: whole to who may change it, its origin to who may only look."""
    may = authority.holds(context["request"], "webhook.manage")
    return url if may else urls.shown(url)


@register.filter
def visible_lines(value: Any) -> str:
    """Do the same for a text of several lines."""
    return text.visible_lines(str(value))


@register.filter
def pretty_json(value: Any) -> str:
    """Write `value` as indented JSON."""
    return text.pretty(value)


@register.simple_tag
def stream_url(stream: Sequence[str] | None) -> str:
    """Return the address of the page of a stream."""
    return addresses.url_of(tuple(stream or ()))


@register.filter
def stream_name(stream: Sequence[str] | None) -> str:
    """Return a stream as people write it."""
    return text.visible("/".join(stream or ()))


@register.filter
def stream_short(stream: Sequence[str] | None) -> str:
    """Return a stream with its UUIDs cut down to their ends, which differ."""
    return text.visible("/".join(map(_short, stream or ())))


@register.filter
def target_url(subject: str) -> str:
    """Return the address of the page about `booking/<id>`; empty if there is none."""
    target_type, _, target_id = subject.partition("/")
    return addresses.page_of_target(target_type, target_id)


@register.filter
def minus(number: int, less: int) -> int:
    """Subtract."""
    return number - less


@register.filter
def money(cents: int | None, currency: str) -> str:
    """Write minor units as `1,234.50 EUR`, `999 JPY` or `1.001 KWD`."""
    return "" if cents is None else written(cents, currency)


@register.simple_tag
def when(at: datetime | None, otherwise: str = "") -> SafeString | str:
    """Write a time in UTC; scripts turn it into what the visitor chose to see."""
    if at is None:
        return otherwise
    utc = at.astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    stamp = rfc3339(at)
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, shown, shown)


@register.filter
def of(names: Mapping[str, str], key: str) -> str:
    """Return the name that belongs to a key, the key itself if there is none."""
    return names.get(key, key)


@register.filter
def took(attempt: EveryAttempt) -> str:
    """Return how long an attempt took: 84 ms, 2.5 s or 3 min."""
    seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < MINUTE_S else f"{seconds / MINUTE_S:.0f} min"


@register.filter
def job_state(state: str) -> str:
    """Say the state of a job in the words of the people who watch it."""
    return _JOB_STATES.get(str(state), words(state))


def _short(element: str) -> str:
    return f"…{element[-UUID_SHOWN:]}" if _UUID.fullmatch(element) else element
