"""No column is forgotten by forgetting: each is searched, sealed, or said to name nobody."""

import re

from django.apps import apps
from django.db import models

from ledger.erasing import erasure
from tests.architecture.source import ROOT

_NOTE = re.compile(
    r"^text$|reason|comment|summary|description|title|error|purpose|label|why|excerpt"
)

BY_A_PLACE_OF_ITS_OWN = {
    "ledger.IdempotencyKey.response_body",
    "ledger.Payload.content",
    "ledger.Remark.text",
    "ledger.Remark.salt",
    "commerce.TravellerPersonal.sealed",
    "commerce.BookingContact.sealed",
    "commerce.Rendition.content_sealed",
    "commerce.Delivery.recipient_sealed",
}
WITHIN_WHAT_IS_SEARCHED = {
    # The body of an entry says all of it once more.
    "ledger.Entry.old_reason",
    "ledger.Mutation.summary",
    "ledger.Mutation.risk_facts",
    "ledger.Mutation.reversal_why",
    "ledger.Disclosure.old_reason_code",
    # What is in the view is in work.Attempt.
    "work.EveryAttempt.error",
    "work.EveryAttempt.stack",
}
NAMES_NOBODY = {
    # Keys, seals and their errors.
    "ledger.SubjectKey.wrapped",
    "ledger.Checkpoint.statement",
    "ledger.Witness.error",
    "webhooks.Secret.sealed",
    # Names of classes, steps, attributes, headers; ids.
    "ledger.IdempotencyKey.response_headers",
    "ledger.Delegation.resources",
    "work.Work.last_error_class",
    "work.Attempt.error_class",
    "work.EveryAttempt.error_class",
    "work.Checkup.findings",
    "webhooks.Delivery.error_class",
    "webhooks.Attempt.error_class",
    "webhooks.Attempt.request_headers",
    "webhooks.Attempt.response_headers",
    "flows.FlowSummary.goals",
    "flows.FlowStart.goals",
    "flows.FlowStart.takes",
    "flows.FlowStart.paused_because",
    "commerce.Delivery.document_keys",
    # What operators write about rules, receivers and what is sold.
    "ledger.ApprovalPolicyVersion.reason_code",
    "ledger.Approval.reason_code",
    "webhooks.Subscription.description",
    "commerce.CancellationRule.label",
    "commerce.Product.description",
    "commerce.Product.tags",
    "commerce.Booking.entitlement",
    "commerce.BookingItem.title",
    "commerce.BookingItem.terms",
}


def is_of_a_room(model: type[models.Model]) -> bool:
    return (ROOT / model.__module__.split(".", maxsplit=1)[0]).is_dir()


def free_columns() -> set[str]:
    """Return the columns in which anything may be written."""
    return {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if is_of_a_room(model) and not model._meta.proxy
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField | models.JSONField | models.BinaryField)
        or (isinstance(field, models.CharField) and not field.choices and _NOTE.search(field.name))
    }


def test_every_column_that_could_name_somebody_is_known_to_the_erasure() -> None:
    known = erasure.searched() | BY_A_PLACE_OF_ITS_OWN | WITHIN_WHAT_IS_SEARCHED | NAMES_NOBODY

    assert free_columns() - known == set()


def test_nothing_is_listed_that_is_searched_or_gone() -> None:
    listed = BY_A_PLACE_OF_ITS_OWN | WITHIN_WHAT_IS_SEARCHED | NAMES_NOBODY

    # Payloads are searched too, where nobody's key seals them.
    assert listed & erasure.searched() == set()
    assert listed - free_columns() == set()
