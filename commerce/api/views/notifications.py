"""The endpoint to which payment providers send their notifications."""

from collections.abc import Callable, Mapping
from typing import IO, Any

from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from commerce.api.responses import accepted
from commerce.api.serializers.fields import CurrencyField, PositiveCentsField
from commerce.api.serializers.invoices import JobRefOut
from commerce.domain import chargebacks as rules
from commerce.domain.chargebacks import ChargebackStatus
from commerce.ports import notifications
from commerce.services import chargeback_resolutions, chargeback_reviews, chargebacks
from commerce.services.chargeback_resolutions import ReportedOutcome
from commerce.services.chargebacks import ReportedClaim
from events import context
from events.domain.context import Origin
from events.domain.strict_json import BYTES_MAX, JsonTooLarge
from ledger.access.authority import PUBLIC
from ledger.bodies import Moment, NamesChoices, valid
from workflows.work.domain.claim import WorkRef

CHARGED_BACK = "payment.charged_back"
REVIEWED = "payment.chargeback_under_review"
RESOLVED = "payment.chargeback_resolved"
REF_CHARS_MAX = 200


class ChargedBackIn(NamesChoices):
    """What else a provider says is its own business: other fields are left aside."""

    id = serializers.CharField(max_length=REF_CHARS_MAX)
    payment_id = serializers.CharField(max_length=REF_CHARS_MAX)
    amount_cents = PositiveCentsField()
    currency = CurrencyField()
    reason = serializers.CharField(max_length=200)
    occurred_at = Moment()


class ReviewedIn(NamesChoices):
    """That a chargeback is looked at again; `id` is the provider's own name for it."""

    id = serializers.CharField(max_length=REF_CHARS_MAX)
    reason = serializers.CharField(max_length=200)
    occurred_at = Moment()


class ResolvedIn(ReviewedIn):
    """How a chargeback ended."""

    status = serializers.ChoiceField(choices=[status.value for status in rules.RESOLVED])


class NotificationIn(serializers.Serializer[Any]):
    type = serializers.CharField(max_length=100)
    data = serializers.DictField()  # type: ignore[assignment]  # The metaclass takes it away.


class ChargedBackNotificationIn(NotificationIn):
    data = ChargedBackIn()  # type: ignore[assignment]  # As above.


class ReviewedNotificationIn(NotificationIn):
    data = ReviewedIn()  # type: ignore[assignment]  # As above.


class ResolvedNotificationIn(NotificationIn):
    data = ResolvedIn()  # type: ignore[assignment]  # As above.


class _RawBodyParser(BaseParser):
    """Hand the bytes on, one character each: what is signed are the bytes."""

    media_type = "application/json"
    charset = "latin-1"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None
    ) -> dict[str, str]:
        body = stream.read(BYTES_MAX + 1)
        if len(body) > BYTES_MAX:
            raise JsonTooLarge(BYTES_MAX)
        return {"body": body.decode(self.charset)}


class ProviderNotificationView(APIView):
    """Signed messages of a payment provider. The signature is the credential."""

    capabilities = PUBLIC
    is_signed = True
    authentication_classes = ()
    parser_classes = [_RawBodyParser]

    @extend_schema(
        request=PolymorphicProxySerializer(
            component_name="ProviderNotificationIn",
            serializers=[
                ChargedBackNotificationIn,
                ReviewedNotificationIn,
                ResolvedNotificationIn,
            ],
            resource_type_field_name=None,
        ),
        responses={202: JobRefOut, 204: None},
    )
    def post(self, request: Request, provider: str) -> Response:
        """Take in a chargeback, its review or its end, for a job to note.

        What is not our matter is answered with 204.
        """
        came: Any = request.data
        body = came.get("body", "").encode(_RawBodyParser.charset)
        notification = notifications.read(provider, body, request.headers)
        report = _REPORTS.get(valid(NotificationIn, notification)["type"])
        if report is None:
            return Response(status=status.HTTP_204_NO_CONTENT)
        happened = context.current()
        with context.acting(
            notifications.sender(provider),
            correlation_id=happened.correlation_id,
            causation_id=happened.causation_id,
            origin=Origin(caller_type="webhook", route=happened.origin.route),
        ):
            return accepted(report(provider, notification))


def _report_chargeback(provider: str, notification: Any) -> WorkRef:
    data = valid(ChargedBackNotificationIn, notification)["data"]
    report = ReportedClaim(
        provider=provider,
        provider_ref=data["id"],
        capture_ref=data["payment_id"],
        amount_cents=data["amount_cents"],
        currency=data["currency"],
        reason=data["reason"],
        occurred_at=data["occurred_at"],
    )
    return chargebacks.report_chargeback(report=report)


def _report_review(provider: str, notification: Any) -> WorkRef:
    data = valid(ReviewedNotificationIn, notification)["data"]
    report = _outcome(provider, data, ChargebackStatus.UNDER_REVIEW)
    return chargeback_reviews.report_review(report=report)


def _report_resolution(provider: str, notification: Any) -> WorkRef:
    data = valid(ResolvedNotificationIn, notification)["data"]
    report = _outcome(provider, data, ChargebackStatus(data["status"]))
    return chargeback_resolutions.report_resolution(report=report)


def _outcome(provider: str, data: Mapping[str, Any], status: ChargebackStatus) -> ReportedOutcome:
    return ReportedOutcome(
        provider=provider,
        provider_ref=data["id"],
        status=status,
        reason=data["reason"],
        occurred_at=data["occurred_at"],
    )


_REPORTS: dict[str, Callable[[str, Any], WorkRef]] = {
    CHARGED_BACK: _report_chargeback,
    REVIEWED: _report_review,
    RESOLVED: _report_resolution,
}
