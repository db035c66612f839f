"""No receiver holds more than a few workers, however slowly it answers (ADR 0185).

Of the messages to one origin that workers have claimed, wherever they run, the first few are
sent; the others are put back. The claims are counted, not the workers of this process: a process
of a pool knows nothing of the others. A burst of claims within a millisecond may be off by one.
"""

from django.conf import settings

from workflows.egress import urls
from workflows.webhooks.models import Delivery
from workflows.work import selectors
from workflows.work.domain.claim import Claim


def is_crowded(claim: Claim, url: str) -> bool:
    """Whether as many messages to the origin of `url` as it may have were claimed before."""
    limit: int = settings.WEBHOOK_CALLS_PER_RECEIVER
    before = selectors.claimed_before(claim)
    if len(before) < limit:
        return False
    origin = urls.origin_of(url)
    others = Delivery.objects.filter(pk__in=before).values_list("subscription__url", flat=True)
    return sum(urls.origin_of(other) == origin for other in others) >= limit
