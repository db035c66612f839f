"""The tables of the ledger."""

from ledger.models.credentials import (
    API_KEY_LIFETIME_MAX,
    ApiKey,
    ApiKeyQuerySet,
    Capability,
    IdempotencyKey,
    SocketTicket,
)
from ledger.models.entries import Disclosure, Entry, Mutation

__all__ = [
    "API_KEY_LIFETIME_MAX",
    "ApiKey",
    "ApiKeyQuerySet",
    "Capability",
    "Disclosure",
    "Entry",
    "IdempotencyKey",
    "Mutation",
    "SocketTicket",
]
