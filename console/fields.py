"""Form fields of the console."""

import re
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from console import addresses
from events.domain import strict_json
from events.domain.envelope import Stream
from events.domain.errors import DomainError
from events.domain.patterns import checked
from events.domain.streams import key_of

NAMES_MAX = 50
JSON_CHARS_MAX = 500_000
JSON_BYTES_MAX = 4 * JSON_CHARS_MAX
_JSON_NAMES: dict[type, str] = {dict: "object", list: "array", str: "string"}
_AGO = re.compile(r"(?P<count>\d{1,6})\s*(?P<unit>[smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class MomentField(forms.CharField):
    """A point in time: `15m`, `2h`, `7d` ago, or a moment with its offset."""

    def clean(self, value: Any) -> datetime | None:
        """Return the moment.

        :raises ValidationError: if it is neither.
        """
        text = super().clean(value)
        if not text:
            return None
        try:
            return _moment(text)
        except (ValueError, OverflowError) as error:
            raise ValidationError(
                "Give a duration (15m, 2h, 7d), or a time with its offset: "
                "2026-01-31T18:00+01:00, or 2026-01-31T18:00Z for UTC."
            ) from error


def _moment(text: str) -> datetime:
    if match := _AGO.fullmatch(text):
        return timezone.now() - timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return moment


class StreamField(forms.CharField):
    """A stream or the beginning of one: `invoice` or `invoice/7`."""

    def clean(self, value: Any) -> Stream | None:
        """Return the path.

        :raises ValidationError: if it names no stream.
        """
        stream = addresses.stream_at(super().clean(value))
        if not stream:
            return None
        try:
            key_of(stream)
        except DomainError as error:
            raise ValidationError("No stream has that name. Try invoice, or invoice/7.") from error
        return stream


class NamesField(forms.CharField):
    """Event names or patterns, with commas between them."""

    def clean(self, value: Any) -> list[str]:
        """Return them.

        :raises ValidationError: if one of them can match no event, or there are too many.
        """
        names = [name.strip() for name in super().clean(value).split(",") if name.strip()]
        if len(names) > NAMES_MAX:
            raise ValidationError(f"Up to {NAMES_MAX} types.")
        try:
            return [checked(name) for name in names]
        except DomainError as error:
            raise ValidationError("Give a type such as invoice.settled, or invoice.*") from error


class JsonField(forms.CharField):
    """JSON, as strict as the API reads it, of one Python type if `kind` says so."""

    def __init__(self, *, kind: type | None = None, **options: Any) -> None:
        options.setdefault("max_length", JSON_CHARS_MAX)
        super().__init__(**options)
        self.kind = kind

    def clean(self, value: Any) -> Any:
        """Return the value; None if there is none and none is needed.

        :raises ValidationError: if it is not JSON, or of another type.
        """
        text = super().clean(value)
        if not text:
            return None
        try:
            found = strict_json.loads(text, bytes_max=JSON_BYTES_MAX)
        except (DomainError, ValueError, RecursionError) as error:
            raise ValidationError(f"This is not JSON: {error}") from error
        if self.kind is not None and not isinstance(found, self.kind):
            raise ValidationError(f"Write a JSON {_JSON_NAMES[self.kind]}.")
        return found


class ScriptField(forms.CharField):
    """A text of several lines: browsers end each in two characters, a script's have one."""

    def to_python(self, value: Any) -> Any:
        """Return the text as it was before it was sent."""
        return (super().to_python(value) or "").replace("\r\n", "\n")


class LabelField(forms.CharField):
    """One label of a flow: `key=value`."""

    def clean(self, value: Any) -> tuple[str, str] | None:
        """Return key and value.

        :raises ValidationError: if one of them is missing.
        """
        text = super().clean(value)
        if not text:
            return None
        key, _, labelled = (part.strip() for part in text.partition("="))
        if not key or not labelled:
            raise ValidationError("Give a label as key=value, such as env=prod.")
        return key, labelled
