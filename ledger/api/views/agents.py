"""Agents, and the switch that stops them, over HTTP. One call down for each action."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from ledger import selectors
from ledger.access import authority
from ledger.api.serializers.agents import AgentIn, AgentOut, SwitchOut
from ledger.bodies import ReasonIn, valid
from ledger.models import Agent
from ledger.services import agents


class AgentViewSet(viewsets.ReadOnlyModelViewSet[Agent]):
    """The caller's agents; all agents for an administrator. The permission to stop one is the
    permission to stop any: an emergency does not wait for the owner."""

    capabilities = {
        "list": "agent.read",
        "retrieve": "agent.read",
        "create": "agent.create",
        "stop": "agent.stop",
        "resume": "agent.stop",
        "switch": "agent.read",
        "stop_all": "agent.stop",
        "resume_all": "agent.administer",
    }
    queryset = Agent.objects.none()
    serializer_class = AgentOut
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Agent]:
        if self.action in {"stop", "resume"}:
            return Agent.objects.select_related("owner")
        return selectors.agents_visible_to(authority.caller_of(self.request))

    @extend_schema(request=AgentIn, responses={201: AgentOut})
    def create(self, request: Request) -> Response:
        """Introduce an agent of the caller's. It may do nothing until something is delegated."""
        asked = valid(AgentIn, request.data)
        owner = authority.caller_of(request).user
        assert owner is not None
        return self._created(agents.create_agent(owner=owner, **asked))

    @extend_schema(request=ReasonIn, responses=AgentOut)
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: UUID) -> Response:
        """Let one agent do nothing more, at once."""
        return Response(AgentOut(agents.stop_agent(agent_id=pk, reason=_reason(request))).data)

    @extend_schema(request=ReasonIn, responses=AgentOut)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: UUID) -> Response:
        """Resume a stopped agent."""
        return Response(AgentOut(agents.resume_agent(agent_id=pk, reason=_reason(request))).data)

    @extend_schema(responses=SwitchOut)
    @action(detail=False, methods=["get"], pagination_class=None, filter_backends=[])
    def switch(self, request: Request) -> Response:
        """Say whether all agents are stopped."""
        return _switch(request)

    @extend_schema(request=ReasonIn, responses=SwitchOut)
    @action(detail=False, methods=["post"], url_path="switch/stop")
    def stop_all(self, request: Request) -> Response:
        """Let no agent do anything more, at once."""
        agents.stop_all_agents(reason=_reason(request))
        return _switch(request)

    @extend_schema(request=ReasonIn, responses=SwitchOut)
    @action(detail=False, methods=["post"], url_path="switch/resume")
    def resume_all(self, request: Request) -> Response:
        """Take the kill switch off."""
        agents.resume_all_agents(reason=_reason(request))
        return _switch(request)

    def rebuild_response(self, request: Request, reference: str) -> Response:
        """Answer a repeated request with what it made."""
        if self.action in {"stop_all", "resume_all"}:
            return _switch(request)
        agent = self.get_queryset().get(pk=reference)
        return self._created(agent) if self.action == "create" else Response(AgentOut(agent).data)

    def _created(self, agent: Agent) -> Response:
        return Response(
            AgentOut(agent).data,
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/ledger/agents/{agent.pk}"},
        )


def _reason(request: Request) -> str:
    asked = valid(ReasonIn, request.data)
    return str(asked["reason"])


def _switch(request: Request) -> Response:
    switch = selectors.agent_switch()
    body = {
        "stopped": switch is not None,
        "stopped_at": switch.stopped_at if switch else None,
        "reason": switch.reason if switch else "",
    }
    shown = SwitchOut(body, context={"request": request})  # type: ignore[arg-type] # Made plain.
    return Response(shown.data)
