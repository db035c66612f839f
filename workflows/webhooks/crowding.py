"""No receiver holds more than a few workers, however slowly it answers (ADR 0185).

Of the messages to one origin that workers have claimed, wherever they run, the first few are
sent; the others are put back. The claims are counted, not the workers of this process: a process
of a pool knows nothing of the others. A burst of claims within a millisecond may be off by one.
"""

import time

from django.conf import settings

from workflows.egress import urls
from workflows.webhooks.models import Delivery
from workflows.work import selectors
from workflows.work.domain.claim import Claim

PATIENCE_S = 0.25
"""A receiver that answers sooner soon has room: to put messages back would only cost time."""
LOOKS = 5


def finds_room(claim: Claim, url: str) -> bool:
    """Whether the origin of `url` may be sent this message now, or within a moment."""
    for _ in range(LOOKS):
        under_way_s = _under_way_s(claim, urls.origin_of(url))
        if len(under_way_s) < settings.WEBHOOK_CALLS_PER_RECEIVER:
            return True
        if max(under_way_s) > PATIENCE_S:
            return False
        time.sleep(PATIENCE_S / LOOKS)
    return False


def _under_way_s(claim: Claim, origin: str) -> list[float]:
    """Return for how long the messages to `origin` that were claimed before have been."""
    before = selectors.claimed_before(claim)
    if len(before) < settings.WEBHOOK_CALLS_PER_RECEIVER:
        return []
    others = Delivery.objects.filter(pk__in=before).values_list("pk", "subscription__url")
    return [before[id_].total_seconds() for id_, url in others if urls.origin_of(url) == origin]
