"""Creates and stops agents. Each public function is one durable transaction."""

from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.utils import timezone

from events import recorder
from events.domain.errors import Conflict, NotFound
from ledger import recording
from ledger.access import delegations
from ledger.domain.action import UNKNOWN_TARGET, Action, Kind, Proof, Target
from ledger.models import Agent, AgentSwitch


class AgentNotFound(NotFound):
    code = "agent_not_found"

    def __init__(self, agent_id: UUID) -> None:
        super().__init__(f"There is no agent {agent_id}.", agent_id=str(agent_id))


class AgentExists(Conflict):
    code = "agent_exists"
    hint = "Choose another name: it shows people which agent acted."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is an agent {name!r} already.", pointer="/name", name=name)


def create_agent(*, name: str, subtype: str, owner: User) -> Agent:
    """Create an agent. It has no permissions until something is delegated to it.

    :raises AgentExists: if another has the name.
    """
    action = Action(
        name="agent.create",
        kind=Kind.CREATE,
        target=Target(type="agent"),
        capability="agent.create",
        input={"name": name, "subtype": subtype, "owner_id": owner.pk},
    )
    with recording.recorded(action) as proof:
        agent = Agent(name=name, subtype=subtype, owner=owner, created_at=timezone.now())
        try:
            with db_transaction.atomic():
                agent.save(force_insert=True)
        except IntegrityError as error:
            raise AgentExists(name) from error
        proof.refers_to(agent.pk)
        proof.says(f"Introduced as a {subtype}.")
        _emit("agent.created", agent, subtype=subtype, ownerId=str(owner.pk))
    return agent


def stop_agent(*, agent_id: UUID, reason: str) -> Agent:
    """Stop an agent, effective when this commits. Idempotent.

    :raises AgentNotFound: if there is none with this id.
    """
    with recording.recorded(_stopping("agent.stop", agent_id, reason)) as proof:
        delegations.stop_everything_under_way()
        agent = _locked(agent_id)
        if agent.stopped_at is None:
            agent.stopped_at = timezone.now()
            agent.save(update_fields=["stopped_at"])
            proof.says("Stopped at once.")
            _emit("agent.stopped", agent, entryId=str(proof.entry_id))
        else:
            proof.changes_nothing()
    return agent


def resume_agent(*, agent_id: UUID, reason: str) -> Agent:
    """Resume a stopped agent. Idempotent.

    :raises AgentNotFound: if there is none with this id.
    """
    with recording.recorded(_stopping("agent.resume", agent_id, reason)) as proof:
        agent = _locked(agent_id)
        if agent.stopped_at is not None:
            agent.stopped_at = None
            agent.save(update_fields=["stopped_at"])
            proof.says("May go on.")
            _emit("agent.resumed", agent, entryId=str(proof.entry_id))
        else:
            proof.changes_nothing()
    return agent


def stop_all_agents(*, reason: str) -> AgentSwitch:
    """Turn the kill switch on: stop all agents, effective when this commits. Idempotent."""
    with recording.recorded(_stopping("agent.stop_all", None, reason)) as proof:
        delegations.stop_everything_under_way()
        switch, is_new = AgentSwitch.objects.get_or_create(
            pk=1, defaults={"reason": reason, "stopped_at": timezone.now()}
        )
        if is_new:
            proof.says("All agents are stopped.")
            _emit_of_all("agent.all_stopped", proof)
        else:
            proof.changes_nothing()
    return switch


def resume_all_agents(*, reason: str) -> None:
    """Turn the kill switch off. Agents that were stopped one by one stay stopped."""
    action = _stopping("agent.resume_all", None, reason, capability="agent.administer")
    with recording.recorded(action) as proof:
        delegations.stop_everything_under_way()
        deleted, _ = AgentSwitch.objects.all().delete()
        if deleted:
            proof.says("The kill switch is off.")
            _emit_of_all("agent.all_resumed", proof)
        else:
            proof.changes_nothing()


def _stopping(
    name: str, agent_id: UUID | None, reason: str, *, capability: str = "agent.stop"
) -> Action:
    target = Target(type="agent", id=str(agent_id or UNKNOWN_TARGET))
    return Action(name=name, kind=Kind.UPDATE, target=target, capability=capability, reason=reason)


def _locked(agent_id: UUID) -> Agent:
    agent = Agent.objects.select_for_update().filter(pk=agent_id).first()
    if agent is None:
        raise AgentNotFound(agent_id)
    return agent


def _emit_of_all(name: str, proof: Proof) -> None:
    recorder.emit(name, {"entryId": str(proof.entry_id)}, stream=("agent", "all"))


def _emit(name: str, agent: Agent, **facts: str) -> None:
    data = {"agentId": str(agent.pk), "name": agent.name, **facts}
    recorder.emit(name, data, stream=("agent", str(agent.pk)))
