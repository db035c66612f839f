"""Where webhooks may store personal data: messages, and responses of receivers."""

import hashlib
from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from ledger.domain.erasure import masked_text
from ledger.erasing import erasure
from ledger.erasing.erasure import Place
from ledger.erasing.searching import Search, Texts
from workflows.webhooks.models import Attempt, Delivery, DeliveryStatus

UNDER_WAY = "The message is still to be sent; once it has been, ask again"
ONLY_GROWS = "The log of attempts only grows"


def _without(delivery: Delivery, sought: Sequence[str]) -> dict[str, Any]:
    body = masked_text(delivery.body, sought)
    return {
        "body": body,
        "body_hash": hashlib.sha256(body.encode()).hexdigest(),
        "error": masked_text(delivery.error, sought)[:500],
    }


erasure.declare_place(
    Place(
        name="webhooks.messages",
        holds="Messages to subscribers, and their answers",
        handle=Search(
            Texts(
                rows=Delivery.objects.all,
                columns=("body", "error"),
                change=_without,
                keeps=Q(status=DeliveryStatus.PENDING),
                because=UNDER_WAY,
            ),
            Texts(
                rows=Attempt.objects.all,
                columns=("request_excerpt", "response_excerpt", "error"),
                because=ONLY_GROWS,
            ),
        ),
    )
)
