"""Provisions a Django permission for every declared capability, and reads who holds them."""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, LiteralString

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from events import wire
from events.tables import migration_status
from ledger import capabilities
from ledger.models import Capability

_NAME_CHARS_MAX = 255

# As a list, not a table to join: a join hashed all permissions, of which a user holds few.
_GRANTED: Final[LiteralString] = """
SELECT c.app_label || '.' || p.codename
  FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
 WHERE p.id = ANY (ARRAY(
   SELECT permission_id FROM auth_user_user_permissions WHERE user_id = {user}
   UNION ALL
   SELECT g.permission_id FROM auth_user_groups m
     JOIN auth_group_permissions g ON g.group_id = m.group_id WHERE m.user_id = {user}
 ))
"""

_EVERY = """
SELECT c.app_label || '.' || p.codename
  FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
"""


def granted_to(user: LiteralString) -> LiteralString:
    """Return the query for all permissions of a user, who is a parameter or a column of SQL."""
    return _GRANTED.replace("{user}", user)


def remember(user: User, permissions: Iterable[str]) -> None:
    """Have `user` hold what was found together with them, so that it is not asked for again."""
    if not user.is_superuser:
        user._perm_cache = set(permissions)  # type: ignore[attr-defined]  # noqa: SLF001 - where Django keeps it.


class GrantsBackend(ModelBackend):
    """Django's own, but a user comes from a session with all their permissions, in one prepared
    statement, and so do the permissions alone.

    Every request asks for them; the two queries of the ORM took a fifth of it, and a third of
    those of superusers, for whom each of the two finds every permission that there is.
    """

    def get_user(self, user_id: int) -> User | None:
        rows = wire.fetch(_user_with_grants(), {"user": user_id})
        if not rows:
            return None
        [(*columns, granted)] = rows
        user = User.from_db(DEFAULT_DB_ALIAS, _OF_USERS, columns)
        remember(user, granted)
        return user if self.user_can_authenticate(user) else None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        is_asked_now = obj is None and not hasattr(user_obj, "_perm_cache")
        if is_asked_now and user_obj.is_active and not user_obj.is_anonymous:
            statement = _EVERY if user_obj.is_superuser else _OF_USER
            rows = wire.run(statement, {"user": user_obj.pk}).fetchall()
            user_obj._perm_cache = {permission for (permission,) in rows}  # noqa: SLF001 - where Django keeps it.
        return super().get_all_permissions(user_obj, obj)


_OF_USER: Final = granted_to("%(user)s")
_OF_USERS: Final = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 - public.


@cache
def _user_with_grants() -> LiteralString:
    """Return the query for a user by id, and all that they may do."""
    query = User.objects.filter(pk=0).query
    sql, params = query.sql_with_params()
    assert params == (0,), "an id is its parameter"
    of_id = sql.replace("%s", "%(user)s")
    return f"SELECT u.*, ARRAY({granted_to('u.id')}) FROM ({of_id}) u"  # noqa: S608 - all our own.


def of_capabilities() -> QuerySet[Permission]:
    """Return the permissions of declared capabilities, by name."""
    declared = [capability.id for capability in capabilities.every()]
    of_ours = Permission.objects.filter(content_type__app_label=Capability._meta.app_label)  # noqa: SLF001
    return of_ours.filter(codename__in=declared).select_related("content_type").order_by("codename")


def provision(*, using: str = "default", plan: object = None, **_signal: Any) -> None:
    """Insert and rename permissions so that they mirror the registry. None is removed:
    a grant outlives a release in which its capability is missing."""
    # A flush has no plan, and changes no table.
    if plan is not None and not migration_status.is_complete():
        return
    content_type, _ = ContentType.objects.db_manager(using).get_or_create(
        app_label=Capability._meta.app_label,  # noqa: SLF001 - Django's own public spelling.
        model=Capability._meta.model_name,  # noqa: SLF001
    )
    Permission.objects.using(using).bulk_create(
        [
            Permission(
                content_type=content_type,
                codename=capability.id,
                name=capability.meaning[:_NAME_CHARS_MAX],
            )
            for capability in capabilities.every()
        ],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["content_type", "codename"],
    )
