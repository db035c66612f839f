"""How content is taken away, and persons forgotten, as asked from outside."""

from typing import Any

from rest_framework import serializers

from ledger.bodies import Body
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.payload import SUBJECT_CHARS_MAX, Redaction

POINTERS_MAX = 100


class RedactionIn(Body):
    mode = serializers.ChoiceField(
        choices=[Redaction.REDACTED.value, Redaction.TOMBSTONED.value],
        help_text="redacted masks values, tombstoned removes all content.",
    )
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)
    pointers = serializers.ListField(
        child=serializers.RegexField(r"^(/[^/]*)+$", max_length=200),
        required=False,
        max_length=POINTERS_MAX,
        help_text="JSON pointers of what to mask; left out: what the schema calls personal.",
    )


class ErasureIn(Body):
    subject = serializers.RegexField(
        r"^[a-z][a-z0-9_]*/[^/\s]+$",
        max_length=SUBJECT_CHARS_MAX,
        help_text="Whom to forget: traveller/<id>.",
    )
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)


class CertificateOut(serializers.Serializer[Any]):
    """What was forgotten, place by place. Export the entry to prove it."""

    subject = serializers.CharField()
    erased_at = serializers.DateTimeField()
    places = serializers.DictField(child=serializers.IntegerField())
    entry_id = serializers.UUIDField()
