"""API keys on HTTP: `Authorization: Bearer daybook_…`."""

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from events import context
from ledger import credentials
from ledger.credentials import CredentialRefused
from ledger.models import ApiKey


class ApiKeyAuthentication(BaseAuthentication):
    """Read the key; from here on it is the key that acts, in its owner's name."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            key = credentials.key_for(text.strip().decode("latin-1"))
        except CredentialRefused as refused:
            raise AuthenticationFailed(str(refused), code=refused.code) from refused
        context.become(key.principal)
        return key.owner, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="daybook"'
