"""What templates say: times, states, streams, money and JSON. All of it is escaped as usual."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from console import addresses, text

register = template.Library()

_TONES = {
    "ok": {"succeeded", "done", "confirmed", "completed", "paid", "settled", "delivered", "sent"},
    "run": {
        "ready",
        "running",
        "leased",
        "in_progress",
        "issued",
        "awaiting_payment",
        "processing",
    },
    "wait": {"scheduled", "retry", "waiting", "pending", "draft", "on_hold", "partially_paid"},
    "bad": {"failed", "overdue", "bounced", "unreachable"},
    "dead": {"dead", "poisoned"},
}
_TONE_OF = {state: tone for tone, states in _TONES.items() for state in states}
CENTS = 100
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
def money(cents: int | None, currency: str) -> str:
    """Write minor units as `1,234.50 EUR`."""
    if cents is None:
        return ""
    sign = "-" if cents < 0 else ""
    whole, part = divmod(abs(cents), CENTS)
    return f"{sign}{whole:,}.{part:02d} {currency}"


@register.simple_tag
def when(at: datetime | None, otherwise: str = "") -> SafeString | str:
    """Write a time in UTC; scripts turn it into what the visitor chose to see."""
    if at is None:
        return otherwise
    utc = at.astimezone(UTC)
    shown = f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    stamp = utc.isoformat().replace("+00:00", "Z")
    return format_html('<time datetime="{}" title="{}">{}</time>', stamp, shown, shown)


@register.filter
def took(duration: timedelta | None) -> str:
    """Write a duration as 84 ms, 2.5 s or 3 min."""
    if duration is None:
        return ""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < MINUTE_S else f"{seconds / MINUTE_S:.0f} min"
