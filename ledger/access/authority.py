"""Authentication and permissions: who calls, and what they may do. Never read from a body.

A `Caller` is a checked credential with its permissions. It lives as long as its request; a
socket keeps one, and checks it again from time to time (`revalidated`).
"""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property, wraps
from importlib import import_module
from typing import Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as FieldError
from django.db import models
from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from guardian.shortcuts import get_objects_for_user
from guardian.utils import get_group_obj_perms_model, get_user_obj_perms_model

from events import catalogue
from events.domain.catalogue import StreamKind
from events.domain.envelope import Stream
from events.domain.principal import ANONYMOUS, Principal, PrincipalKind
from ledger import capabilities, recording, target_types
from ledger.access import credentials
from ledger.access.credentials import CredentialRefused
from ledger.access.delegations import Chain
from ledger.domain.capability import CapabilityMissing, covers
from ledger.models import AgentKey, ApiKey

PUBLIC: Final = "public"
"""`capabilities = PUBLIC` on a view: no credential is needed."""

AUTHENTICATED: Final = "authenticated"
"""`capabilities = {"get": AUTHENTICATED}`: any credential will do; the view checks the rest."""

_M = TypeVar("_M", bound=models.Model)
_View = Callable[..., HttpResponseBase]


class Caller:
    """A checked credential and its permissions. Build it with `caller_of`."""

    def __init__(
        self,
        user: User | None,
        *,
        key: ApiKey | None = None,
        session_key: str | None = None,
        agent_key: AgentKey | None = None,
    ) -> None:
        # Of an agent: the root of its delegation, whose current permissions are the limit.
        self.user = user
        self.key = key
        self.agent_key = agent_key
        self.session_key = session_key
        self._streams: dict[Stream, bool] = {}

    def __repr__(self) -> str:
        return f"<Caller {self.principal}>"

    @cached_property
    def principal(self) -> Principal:
        """Return who acts."""
        if self.user is None:
            return ANONYMOUS
        if self.key is not None:
            return self.key.principal
        if self.agent_key is not None:
            return self.agent_key.delegation.principal
        return Principal(kind=PrincipalKind.USER, id=str(self.user.pk))

    @property
    def is_agent(self) -> bool:
        """Return whether the caller is an agent."""
        return self.agent_key is not None

    @cached_property
    def chain(self) -> Chain | None:
        """The delegations that an agent acts under; None for other callers."""
        return Chain.of(self.agent_key.delegation) if self.agent_key is not None else None

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """What the user may do, within the scopes of the key or of every delegation."""
        return frozenset(
            capability.id
            for capability in capabilities.every()
            if f"ledger.{capability.id}" in self._permissions and self.has_in_scope(capability.id)
        )

    @cached_property
    def _permissions(self) -> Collection[str]:
        return frozenset() if self.user is None else self.user.get_all_permissions()

    def has_in_scope(self, capability_id: str) -> bool:
        """Return whether the scopes of the credential include it, whatever its user may do."""
        if self.principal.kind not in capabilities.get(capability_id).principals:
            return False
        if self.chain is not None:
            return self.chain.covers(capability_id)
        return self.key is None or covers(self.key.scopes, capability_id)

    def holds(self, capability_id: str, obj: models.Model | None = None) -> bool:
        """Return whether the capability is held over everything, or over `obj`."""
        capability = capabilities.get(capability_id)
        if not all(self.holds(other, obj) for other in capability.all_of):
            return False
        if capability.any_of and not any(self.holds(other, obj) for other in capability.any_of):
            return False
        if self._is_out_of_reach(obj):
            return False
        if f"ledger.{capability_id}" in self._permissions and self.has_in_scope(capability_id):
            return True
        if obj is None or capability.object_permission is None or self.user is None:
            return False
        return self.has_in_scope(capability_id) and self.user.has_perm(
            capability.object_permission, obj
        )

    def holds_somewhere(self, capability_id: str) -> bool:
        """Return whether the capability is held over everything, or over any one object."""
        if self.holds(capability_id):
            return True
        if self.chain is not None and capability_id in self.capabilities:
            return True  # Over the things that its filters name.
        permission = capabilities.get(capability_id).object_permission
        if permission is None or self.user is None or not self.user.is_active:
            return False
        return self.has_in_scope(capability_id) and _is_granted_on_any(self.user, permission)

    def reads_stream(self, stream: Stream) -> bool:
        """Return whether the stream may be read. One query per stream, then cached."""
        kind = catalogue.stream_kind(stream[0])
        if kind is None:
            return False
        if self.reads_kind(kind):
            return True
        if stream not in self._streams:
            self._streams[stream] = self._may_read_as_object(kind, stream)
        return self._streams[stream]

    def reads_kind(self, kind: StreamKind) -> bool:
        """Return whether every stream of this kind may be read."""
        return self.holds("event.read") or self.holds(kind.read)

    def demand(self, capability_id: str, obj: models.Model | None = None) -> None:
        """Check that the capability is held.

        :raises CapabilityMissing: if it is not.
        """
        if not self.holds(capability_id, obj):
            why = CapabilityMissing(capability_id)
            recording.record_denial(
                capability_id, target_id="" if obj is None else str(obj.pk), why=why
            )
            raise why

    def revalidated(self) -> "Caller":
        """Check the credential again and return a fresh caller. For sockets, which keep one.

        :raises CredentialRefused: if the key or session ended, or the user may not log in.
        """
        if self.user is None:
            return self
        if self.key is not None:
            return Caller._of_key(self.key)
        if self.agent_key is not None:
            return Caller._of_agent_key(self.agent_key)
        if self.session_key is not None:
            return Caller._of_session(self.session_key)
        return Caller._of_user(self.user)

    def reaches(self, type_: str, id_: str) -> bool:
        """Return whether every filter of a delegation includes this, whether it exists or not."""
        return self.chain is None or self.chain.includes(type_, id_)

    def _is_out_of_reach(self, obj: models.Model | None) -> bool:
        """Return whether a filter of a delegation excludes `obj`, or "all" if it is None."""
        if obj is None:
            return self.chain is not None and self.chain.is_filtered
        return not self.reaches(target_types.type_of(type(obj)), str(obj.pk))

    def _may_read_as_object(self, kind: StreamKind, stream: Stream) -> bool:
        if kind.object_resolver is None or not self.has_in_scope(kind.read):
            return False
        if len(stream) == 1:
            return False  # All streams of a kind: there is no object.
        try:
            obj = kind.object_resolver(stream)
        except (FieldError, ValueError):
            return False  # The id comes from the request: no object has such an id.
        return self.holds(kind.read, obj)

    @classmethod
    def _of_key(cls, key: ApiKey) -> "Caller":
        fresh = credentials.live_key(key.prefix)
        if fresh is None:
            raise CredentialRefused
        return cls(fresh.owner, key=fresh)

    @classmethod
    def _of_agent_key(cls, key: AgentKey) -> "Caller":
        fresh = credentials.live_agent_key(key.prefix)
        if fresh is None or Chain.of(fresh.delegation).why_ended(timezone.now()) is not None:
            raise CredentialRefused
        return cls(fresh.delegation.root, agent_key=fresh)

    @classmethod
    def _of_user(cls, user: User) -> "Caller":
        fresh = User.objects.filter(pk=user.pk, is_active=True).first()
        if fresh is None:
            raise CredentialRefused
        return cls(fresh)

    @classmethod
    def _of_session(cls, session_key: str) -> "Caller":
        # get_user compares the session with the password, so that changing it ends sessions.
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
        user = get_user(request)
        if not isinstance(user, User):
            raise CredentialRefused
        return cls(user, session_key=session_key)


def caller_of(source: Any) -> Caller:
    """Return the caller of a request (Django or DRF) or a WebSocket scope, or the user as one."""
    if isinstance(source, Caller):
        return source
    if isinstance(source, User | AnonymousUser):
        return Caller(source if isinstance(source, User) else None)
    if isinstance(source, Mapping):
        return _of_scope(source)
    # A DRF request hands unknown attributes on to the request it wraps; vars() does not.
    kept: Caller | None = vars(source).get("daybook_caller")
    if kept is None:
        kept = source.daybook_caller = _of_request(source)
    return kept


def bearer(authorization: str) -> Caller:
    """Return the caller with the API key in an `Authorization` header.

    :raises CredentialRefused: if there is no live key in it.
    :raises AgentStopped: if it is the key of an agent that is stopped.
    """
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise CredentialRefused
    if credentials.is_of_agent(text.strip()):
        agent_key = credentials.agent_key_for(text.strip())
        return Caller(agent_key.delegation.root, agent_key=agent_key)
    key = credentials.key_for(text.strip())
    return Caller(key.owner, key=key)


def session(session_key: str) -> Caller:
    """Return the caller with this session.

    :raises CredentialRefused: if it has ended, or its user may not log in.
    """
    return Caller._of_session(session_key)  # noqa: SLF001 - one class, one module.


def principal_of(source: Any) -> Principal:
    """Return who acts in a request, scope or user."""
    return caller_of(source).principal


def holds(source: Any, capability_id: str, obj: models.Model | None = None) -> bool:
    """Return whether the caller holds the capability, over everything or over `obj`."""
    return caller_of(source).holds(capability_id, obj)


def visible(queryset: models.QuerySet[_M], source: Any, capability_id: str) -> models.QuerySet[_M]:
    """Keep the rows over which the capability is held. No query per row."""
    caller = caller_of(source)
    if caller.holds(capability_id):
        return queryset
    permission = capabilities.get(capability_id).object_permission
    if caller.user is None or not caller.user.is_active:
        return queryset.none()
    if not caller.has_in_scope(capability_id):
        return queryset.none()
    if caller.chain is not None:
        queryset = caller.chain.within(queryset)
        if capability_id in caller.capabilities:
            return queryset
    if permission is None:
        return queryset.none()
    # Global Django permissions are for the admin; over the API only capabilities count.
    return get_objects_for_user(
        caller.user, permission, klass=queryset, with_superuser=False, accept_global_perms=False
    )


def may_read_stream(source: Any, stream: Stream) -> bool:
    """Return whether the caller may read this stream; never one of an undeclared kind."""
    return caller_of(source).reads_stream(stream)


def readable_kinds(source: Any) -> frozenset[str]:
    """Return the kinds of stream of which the caller may read every one."""
    caller = caller_of(source)
    return frozenset(kind.kind for kind in catalogue.all_streams() if caller.reads_kind(kind))


def requires(capability_id: str) -> Callable[[_View], _View]:
    """Guard a plain Django view: log in first, then 403 without the capability.

    `AUTHENTICATED` asks for a log-in only.
    """
    if capability_id != AUTHENTICATED:
        capabilities.get(capability_id)  # A bug shows when the process starts.

    def guard(view: _View) -> _View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            caller = caller_of(request)
            if caller.user is None:
                return redirect_to_login(page_of(request))
            if capability_id != AUTHENTICATED and not caller.holds(capability_id):
                why = CapabilityMissing(capability_id)
                recording.record_denial(capability_id, target_id="", why=why)
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.capabilities = {"*": capability_id}  # type: ignore[attr-defined]
        return guarded

    return guard


def page_of(request: HttpRequest) -> str:
    """Return the page to come back to; for a form that was sent, the page it was on."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}):
        return "/"
    page = urlsplit(referrer)
    return f"{page.path}?{page.query}" if page.query else page.path


def public(view: _View) -> _View:
    """Declare that a plain Django view needs no credential."""
    view.capabilities = PUBLIC  # type: ignore[attr-defined]
    return view


def _of_request(request: Any) -> Caller:
    user, key = request.user, getattr(request, "auth", None)
    if isinstance(key, AgentKey):
        return Caller(key.delegation.root, agent_key=key)
    if not isinstance(user, User):
        # SimpleLazyObject passes isinstance for the class it wraps; AnonymousUser does not.
        return Caller(None)
    if isinstance(key, ApiKey):
        return Caller(user, key=key)
    return Caller(user, session_key=request.session.session_key)


def _of_scope(scope: Mapping[str, Any]) -> Caller:
    user = scope.get("user")
    if not isinstance(user, User):
        return Caller(None)
    session = scope.get("session")
    return Caller(user, session_key=session.session_key if session is not None else None)


def _is_granted_on_any(user: User, permission: str) -> bool:
    app_label, codename = permission.split(".")
    model = (
        Permission.objects.select_related("content_type")
        .get(content_type__app_label=app_label, codename=codename)
        .content_type.model_class()
    )
    assert model is not None, f"{permission} belongs to no model"
    of = Q(permission__codename=codename, permission__content_type__app_label=app_label)
    grants_to_user: Any = get_user_obj_perms_model(cast("Any", model))
    grants_to_group: Any = get_group_obj_perms_model(cast("Any", model))
    return bool(
        grants_to_user.objects.filter(of, user=user).exists()
        or grants_to_group.objects.filter(of, group__user=user).exists()
    )
