"""Ownership of the rows of webhooks: to which subscription each belongs."""

from ledger.boundaries import declare
from workflows.webhooks.models import Attempt, Delivery, Secret, Subscription

declare(Subscription, subscription="pk")
declare(Secret, subscription="subscription")
declare(Delivery, subscription="subscription")
declare(Attempt, subscription="delivery__subscription")
