"""Serializers of erasures and legal holds."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ledger.api.serializers.words import WordsOut
from ledger.bodies import Body
from ledger.domain.action import REASON_CHARS_MAX
from ledger.domain.erasure import Means
from ledger.domain.payload import SUBJECT_CHARS_MAX
from ledger.models import Entry, LegalHold


def _subject() -> serializers.RegexField:
    return serializers.RegexField(
        r"^[a-z][a-z0-9_]*/[^/\s]+$",
        max_length=SUBJECT_CHARS_MAX,
        error_messages={"invalid": "Say whom as traveller/ID or contact/ID."},
        help_text="Whom: traveller/<id>, or contact/<id of a booking> for who made it.",
    )


class SubjectIn(Body):
    subject = _subject()


class ErasureIn(SubjectIn):
    reason = serializers.CharField(max_length=REASON_CHARS_MAX)


class LegalHoldIn(ErasureIn):
    pass


class PlaceOut(serializers.Serializer[Any]):
    place = serializers.CharField()
    holds = serializers.CharField(help_text="What stands there.")
    means = serializers.ChoiceField(choices=[each.value for each in Means])
    rows = serializers.IntegerField()
    because = serializers.CharField(help_text="Why they are kept, if they are.")
    until = serializers.DateTimeField(allow_null=True, help_text="Null: no day is known.")
    # Certificates from before name no rows, and are shown as they were issued.
    ids = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The rows one by one, where they are entries whose reason was taken away.",
    )


class ForgottenOut(serializers.Serializer[Any]):
    """What is, or would be, forgotten, place by place."""

    subject = serializers.CharField()
    subjects = serializers.ListField(
        child=serializers.CharField(), help_text="All that were found to be the same person."
    )
    others = serializers.ListField(
        child=serializers.CharField(),
        help_text="Under the same address and another name: left alone.",
    )
    erased_at = serializers.DateTimeField()
    places = PlaceOut(many=True)


class CertificateOut(ForgottenOut):
    """What was forgotten, place by place. Export the entry to prove it."""

    entry_id = serializers.UUIDField()


class EvidenceOut(serializers.Serializer[Any]):
    """A certificate, and what ties it to its entry."""

    format = serializers.CharField()
    entry_id = serializers.UUIDField()
    certificate = ForgottenOut()
    salt = serializers.CharField(help_text="Of the HMAC-SHA256 of the certificate (RFC 8785).")
    digest = serializers.CharField(help_text="That HMAC; the sealed entry names it.")


class ErasureOut(serializers.ModelSerializer[Entry]):
    """That somebody was forgotten; the certificate is at its address."""

    entry_id = serializers.UUIDField(source="pk", read_only=True)
    subject = serializers.SerializerMethodField()
    reason = WordsOut()

    class Meta:
        model = Entry
        fields = ["entry_id", "occurred_at", "subject", "reason", "principal_type", "principal_id"]
        read_only_fields = fields

    @extend_schema_field(str)
    def get_subject(self, entry: Entry) -> str:
        is_whole = entry.target_type == "subject"
        return entry.target_id if is_whole else f"{entry.target_type}/{entry.target_id}"


class LegalHoldOut(serializers.ModelSerializer[LegalHold]):
    placed_by = serializers.UUIDField(
        source="placed_by_id", read_only=True, help_text="The entry that says who."
    )
    lifted_by = serializers.UUIDField(source="lifted_by_id", read_only=True, allow_null=True)
    reason = WordsOut()

    class Meta:
        model = LegalHold
        fields = ["id", "subject", "reason", "placed_at", "placed_by", "lifted_at", "lifted_by"]
        read_only_fields = fields
