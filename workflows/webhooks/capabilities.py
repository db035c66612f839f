"""The capabilities of webhooks."""

from ledger.capabilities import declare

declare(
    "webhook.read",
    meaning="See subscriptions and deliveries (never their secrets).",
    resource="webhook",
    action="read",
)
declare(
    "webhook.manage",
    meaning="Create, change, test and delete subscriptions, which send data to others.",
    resource="webhook",
    action="manage",
    risk="high",
)
declare(
    "webhook.replay",
    meaning="Send past messages again.",
    resource="webhook",
    action="replay",
    risk="medium",
)
