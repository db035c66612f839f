"""Metrics of webhooks."""

from collections.abc import Iterator

from events.metrics import Figure, gauge, reader
from workflows.webhooks import selectors

SUBSCRIPTIONS = gauge("daybook_webhook_subscriptions", "Subscriptions by status.", label="standing")
PENDING = gauge("daybook_webhook_deliveries_pending", "Messages that are still to be delivered.")


@reader
def read_webhooks() -> Iterator[Figure]:
    for standing, count in selectors.count_by_standing().items():
        yield SUBSCRIPTIONS.is_now(count, standing)
    yield PENDING.is_now(selectors.count_pending())
