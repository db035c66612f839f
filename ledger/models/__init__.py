"""The tables of the ledger."""

from ledger.models.approvals import (
    Approval,
    ApprovalPolicyVersion,
    ApprovalVote,
    PoliciesInForce,
)
from ledger.models.credentials import (
    API_KEY_LIFETIME_MAX,
    ApiKey,
    ApiKeyQuerySet,
    Capability,
    IdempotencyKey,
    SocketTicket,
)
from ledger.models.delegations import Agent, AgentKey, AgentKeyQuerySet, AgentSwitch, Delegation
from ledger.models.entries import Disclosure, Entry, Mutation
from ledger.models.payloads import Erasure, LegalHold, Payload, SubjectKey
from ledger.models.remarks import Remark
from ledger.models.reversals import ReversalStanding
from ledger.models.seals import Checkpoint, Sealed, SigningKey, Unsealed, Witness

__all__ = [
    "API_KEY_LIFETIME_MAX",
    "Agent",
    "AgentKey",
    "AgentKeyQuerySet",
    "AgentSwitch",
    "ApiKey",
    "ApiKeyQuerySet",
    "Approval",
    "ApprovalPolicyVersion",
    "ApprovalVote",
    "Capability",
    "Checkpoint",
    "Delegation",
    "Disclosure",
    "Entry",
    "Erasure",
    "IdempotencyKey",
    "LegalHold",
    "Mutation",
    "Payload",
    "PoliciesInForce",
    "Remark",
    "ReversalStanding",
    "Sealed",
    "SigningKey",
    "SocketTicket",
    "SubjectKey",
    "Unsealed",
    "Witness",
]
