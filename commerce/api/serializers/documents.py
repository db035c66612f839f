"""Access to documents."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from commerce import selectors
from commerce.domain.access import AccessStatus
from commerce.models import DocumentAccess
from commerce.models.constraints import choices
from ledger.bodies import Body, Moment

GRANTEE_CHARS_MAX = 200
PURPOSE_CHARS_MAX = 500


class DocumentAccessIn(Body):
    grantee = serializers.CharField(
        max_length=GRANTEE_CHARS_MAX, help_text="A principal: user:7, or api_key:<prefix>."
    )
    purpose = serializers.CharField(
        max_length=PURPOSE_CHARS_MAX, help_text="What they need it for; no personal data."
    )
    expires_at = Moment(required=False, help_text="In 14 days, if it is left out.")


class DocumentAccessOut(serializers.ModelSerializer[DocumentAccess]):
    document_id = serializers.UUIDField(read_only=True)
    status = serializers.SerializerMethodField(help_text="As of now.")

    class Meta:
        model = DocumentAccess
        fields = [
            "id",
            "document_id",
            "grantee",
            "purpose",
            "status",
            "granted_at",
            "granted_by",
            "expires_at",
            "revoked_at",
            "revoked_by",
            "revoke_reason",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=choices(AccessStatus)))
    def get_status(self, access: DocumentAccess) -> str:
        return selectors.access_status(access, at=timezone.now()).value
