"""API keys on HTTP: `Authorization: Bearer daybook_…`."""

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from events import context
from events.domain.problem import CHALLENGE
from ledger.access import credentials
from ledger.access.credentials import AgentStopped, CredentialRefused
from ledger.models import AgentKey, ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """Read the key; from here on it is the key that acts, in its owner's name.

    An agent is no user: the user of the request stays anonymous.
    """

    def authenticate(
        self, request: Request
    ) -> tuple[User, ApiKey] | tuple[AnonymousUser, AgentKey] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        written = text.strip().decode("latin-1")
        try:
            if credentials.is_of_agent(written):
                agent_key = credentials.agent_key_for(written)
                context.become(agent_key.delegation.principal)
                return AnonymousUser(), agent_key
            key = credentials.key_for(written)
        except AgentStopped as stopped:
            raise PermissionDenied(str(stopped), code=stopped.code) from stopped
        except CredentialRefused as refused:
            raise AuthenticationFailed(str(refused), code=refused.code) from refused
        context.become(key.principal)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
