"""Authentication and permissions: who calls, and what they may do. Never read from a body.

A `Holder` is a checked credential with its grants. It lives as long as its request; a socket
keeps one, and has it checked again (`revalidated`).
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
from ledger import capabilities, credentials, recording, target_types
from ledger.credentials import CredentialRefused
from ledger.delegations import Chain
from ledger.domain.capability import CapabilityMissing, covers
from ledger.models import AgentKey, ApiKey

PUBLIC: Final = "public"
"""`capabilities = PUBLIC` on a view: anybody may, without a credential."""

AUTHENTICATED: Final = "authenticated"
"""`capabilities = {"get": AUTHENTICATED}`: any credential will do; the view checks the rest."""

_M = TypeVar("_M", bound=models.Model)
_View = Callable[..., HttpResponseBase]


class Holder:
    """A checked credential and what it grants. Build it with `holder_of`."""

    def __init__(
        self,
        user: User | None,
        *,
        key: ApiKey | None = None,
        session_key: str | None = None,
        agent_key: AgentKey | None = None,
    ) -> None:
        # Of an agent: the root of its delegation, whose live grants are the outermost limit.
        self.user = user
        self.key = key
        self.agent_key = agent_key
        self.session_key = session_key
        self._streams: dict[Stream, bool] = {}

    def __repr__(self) -> str:
        return f"<Holder {self.principal}>"

    @cached_property
    def principal(self) -> Principal:
        """Who acts."""
        if self.user is None:
            return ANONYMOUS
        if self.key is not None:
            return self.key.principal
        if self.agent_key is not None:
            return self.agent_key.delegation.principal
        return Principal(kind=PrincipalKind.USER, id=str(self.user.pk))

    @property
    def is_agent(self) -> bool:
        """Return whether an agent asks."""
        return self.agent_key is not None

    @cached_property
    def chain(self) -> Chain | None:
        """The delegations that an agent acts under; None for everybody else."""
        return Chain.of(self.agent_key.delegation) if self.agent_key is not None else None

    @cached_property
    def capabilities(self) -> frozenset[str]:
        """All that the user may do, within the scopes of the key or of every delegation."""
        return frozenset(
            capability.id
            for capability in capabilities.every()
            if f"ledger.{capability.id}" in self._permissions and self.has_in_scope(capability.id)
        )

    @cached_property
    def _permissions(self) -> Collection[str]:
        return frozenset() if self.user is None else self.user.get_all_permissions()

    def has_in_scope(self, capability_id: str) -> bool:
        """Return whether the credential reaches that far, whatever its user may."""
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
        """Return whether the stream may be read. Asked of the database once per stream."""
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

    def revalidated(self) -> "Holder":
        """Check the credential again and return a fresh holder, for who keeps one.

        :raises CredentialRefused: if the key or session ended, or the user may not log in.
        """
        if self.user is None:
            return self
        if self.key is not None:
            return Holder._of_key(self.key)
        if self.agent_key is not None:
            return Holder._of_agent_key(self.agent_key)
        if self.session_key is not None:
            return Holder._of_session(self.session_key)
        return Holder._of_user(self.user)

    def reaches(self, type_: str, id_: str) -> bool:
        """Return whether every filter of a delegation names this, be it there or not."""
        return self.chain is None or self.chain.includes(type_, id_)

    def _is_out_of_reach(self, obj: models.Model | None) -> bool:
        """Say whether a filter of a delegation leaves this out; everything is always left out."""
        if obj is None:
            return self.chain is not None and self.chain.is_filtered
        return not self.reaches(target_types.type_of(type(obj)), str(obj.pk))

    def _may_read_as_object(self, kind: StreamKind, stream: Stream) -> bool:
        if kind.object_resolver is None or not self.has_in_scope(kind.read):
            return False
        if len(stream) == 1:
            return False  # All of a kind is no object.
        try:
            obj = kind.object_resolver(stream)
        except (FieldError, ValueError):
            return False  # Whoever asks may say what they like: no object has such an id.
        return obj is not None and self.holds(kind.read, obj)

    @classmethod
    def _of_key(cls, key: ApiKey) -> "Holder":
        fresh = credentials.live_key(key.prefix)
        if fresh is None:
            raise CredentialRefused
        return cls(fresh.owner, key=fresh)

    @classmethod
    def _of_agent_key(cls, key: AgentKey) -> "Holder":
        fresh = credentials.live_agent_key(key.prefix)
        if fresh is None or Chain.of(fresh.delegation).why_ended(timezone.now()) is not None:
            raise CredentialRefused
        return cls(fresh.delegation.root, agent_key=fresh)

    @classmethod
    def _of_user(cls, user: User) -> "Holder":
        fresh = User.objects.filter(pk=user.pk, is_active=True).first()
        if fresh is None:
            raise CredentialRefused
        return cls(fresh)

    @classmethod
    def _of_session(cls, session_key: str) -> "Holder":
        # get_user compares the session with the password, so that changing it ends sessions.
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
        user = get_user(request)
        if not isinstance(user, User):
            raise CredentialRefused
        return cls(user, session_key=session_key)


NOBODY: Final = Holder(None)


def holder_of(source: Any) -> Holder:
    """Return the holder behind a request (Django or DRF), a WebSocket scope or a user."""
    if isinstance(source, Holder):
        return source
    if isinstance(source, User | AnonymousUser):
        return Holder(source if isinstance(source, User) else None)
    if isinstance(source, Mapping):
        return source["holder"] if "holder" in source else _of_scope(source)
    # A DRF request hands unknown attributes on to the request it wraps; vars() does not.
    kept: Holder | None = vars(source).get("daybook_holder")
    if kept is None:
        kept = source.daybook_holder = _of_request(source)
    return kept


def bearer(authorization: str) -> Holder:
    """Return the holder of the API key in an `Authorization` header.

    :raises CredentialRefused: if there is no live key in it.
    :raises AgentStopped: if it is that of an agent who is stopped.
    """
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise CredentialRefused
    if credentials.is_of_agent(text.strip()):
        agent_key = credentials.agent_key_for(text.strip())
        return Holder(agent_key.delegation.root, agent_key=agent_key)
    key = credentials.key_for(text.strip())
    return Holder(key.owner, key=key)


def session(session_key: str) -> Holder:
    """Return the holder who logged in with a session.

    :raises CredentialRefused: if it has ended, or its user may not log in.
    """
    return Holder._of_session(session_key)  # noqa: SLF001 - one class, one module.


def principal_of(source: Any) -> Principal:
    """Return who acts in a request, scope or user."""
    return holder_of(source).principal


def holds(source: Any, capability_id: str, obj: models.Model | None = None) -> bool:
    """Return whether whoever asks holds the capability, over everything or over `obj`."""
    return holder_of(source).holds(capability_id, obj)


def visible(queryset: models.QuerySet[_M], source: Any, capability_id: str) -> models.QuerySet[_M]:
    """Keep the rows over which the capability is held. No query per row."""
    holder = holder_of(source)
    if holder.holds(capability_id):
        return queryset
    permission = capabilities.get(capability_id).object_permission
    if holder.user is None or not holder.user.is_active:
        return queryset.none()
    if not holder.has_in_scope(capability_id):
        return queryset.none()
    if holder.chain is not None:
        queryset = holder.chain.within(queryset)
        if capability_id in holder.capabilities:
            return queryset
    if permission is None:
        return queryset.none()
    # Global Django permissions are for the admin; over the API only capabilities count.
    return get_objects_for_user(
        holder.user, permission, klass=queryset, with_superuser=False, accept_global_perms=False
    )


def may_read_stream(source: Any, stream: Stream) -> bool:
    """Return whether whoever asks may read this stream; nobody reads an undeclared kind."""
    return holder_of(source).reads_stream(stream)


def readable_kinds(source: Any) -> frozenset[str]:
    """Return the kinds of stream of which whoever asks may read every one."""
    holder = holder_of(source)
    return frozenset(kind.kind for kind in catalogue.all_streams() if holder.reads_kind(kind))


def requires(capability_id: str) -> Callable[[_View], _View]:
    """Guard a plain Django view: log in first, then 403 without the capability.

    `AUTHENTICATED` asks for a log-in only.
    """
    if capability_id != AUTHENTICATED:
        capabilities.get(capability_id)  # A bug shows when the process starts.

    def guard(view: _View) -> _View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            holder = holder_of(request)
            if holder.user is None:
                return redirect_to_login(page_of(request))
            if capability_id != AUTHENTICATED and not holder.holds(capability_id):
                why = CapabilityMissing(capability_id)
                recording.record_denial(capability_id, target_id="", why=why)
                raise PermissionDenied
            return view(request, *args, **kwargs)

        guarded.capabilities = {"*": capability_id}  # type: ignore[attr-defined]
        return guarded

    return guard


def page_of(request: HttpRequest) -> str:
    """Return the page to come back to: what a form sent is no page, the one it stood on is."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}):
        return "/"
    page = urlsplit(referrer)
    return f"{page.path}?{page.query}" if page.query else page.path


def public(view: _View) -> _View:
    """Declare that a plain Django view is for everybody."""
    view.capabilities = PUBLIC  # type: ignore[attr-defined]
    return view


def _of_request(request: Any) -> Holder:
    user = request.user
    agent_key = getattr(request, "auth", None)
    if isinstance(agent_key, AgentKey):
        return Holder(agent_key.delegation.root, agent_key=agent_key)
    if not isinstance(user, User):
        # SimpleLazyObject passes isinstance for the class it wraps; AnonymousUser does not.
        return NOBODY
    key = getattr(request, "auth", None)
    if isinstance(key, ApiKey):
        return Holder(user, key=key)
    return Holder(user, session_key=request.session.session_key)


def _of_scope(scope: Mapping[str, Any]) -> Holder:
    user = scope.get("user")
    if not isinstance(user, User):
        return NOBODY
    session = scope.get("session")
    return Holder(user, session_key=session.session_key if session is not None else None)


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
