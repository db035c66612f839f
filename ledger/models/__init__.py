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
from ledger.models.payloads import Payload, SubjectKey

__all__ = [
    "API_KEY_LIFETIME_MAX",
    "ApiKey",
    "ApiKeyQuerySet",
    "Capability",
    "Disclosure",
    "Entry",
    "IdempotencyKey",
    "Mutation",
    "Payload",
    "SocketTicket",
    "SubjectKey",
]
