"""What tests of agents begin with."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from events import context
from events.domain.context import Origin
from events.domain.principal import SYSTEM
from ledger import recording
from ledger.domain.action import Action, Kind, Target
from ledger.domain.delegation import Terms
from ledger.models import Agent, Delegation
from ledger.services import agents, delegations

ENDS = timezone.now() + timedelta(days=7)


def an_agent(owner: User, name: str = "clerk") -> Agent:
    with context.acting(SYSTEM):
        return agents.create_agent(name=name, subtype="tool_runner", owner=owner)


def terms(*scopes: str, **limits: Any) -> Terms:
    limits.setdefault("expires_at", ENDS)
    return Terms(scopes=scopes or ("*",), **limits)


def delegated(
    agent: Agent, *scopes: str, parent_id: UUID | None = None, **limits: Any
) -> Delegation:
    with context.acting(SYSTEM):
        return delegations.create_delegation(
            agent_id=agent.pk,
            root=agent.owner,
            terms=terms(*scopes, **limits),
            reason="a test",
            parent_id=parent_id,
        )


def key_of(delegation: Delegation) -> str:
    with context.acting(SYSTEM):
        _, written = delegations.issue_agent_key(delegation_id=delegation.pk, root=delegation.root)
    return written.text


@contextmanager
def acting(delegation: Delegation) -> Iterator[None]:
    """Act as the agent, as if it had come in over HTTP."""
    with context.acting(delegation.principal, origin=Origin(caller_type="api")):
        yield


def act(
    *, target: str = "t1", type_: str = "thing", capability: str = "event.read", **facts: Any
) -> None:
    """Do something of which there is nothing but its entry."""
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type=type_, id=target),
        capability=capability,
        risk_facts=facts,
    )
    with recording.recorded(action):
        pass
