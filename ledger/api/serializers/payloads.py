"""Serializers of redactions of payloads."""

from rest_framework import serializers

from ledger.bodies import Body
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.payload import Redaction

POINTERS_MAX = 100


class RedactionIn(Body):
    mode = serializers.ChoiceField(
        choices=[Redaction.REDACTED.value, Redaction.TOMBSTONED.value],
        help_text="redacted masks values, tombstoned removes all content.",
    )
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)
    pointers = serializers.ListField(
        child=serializers.RegexField(
            r"^(/[^/]*)+$",
            max_length=200,
            error_messages={"invalid": "Say a JSON pointer, such as /name."},
        ),
        required=False,
        max_length=POINTERS_MAX,
        help_text="JSON pointers of what to mask; left out: what the schema calls personal.",
    )
