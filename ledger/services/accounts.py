"""Creates and changes users and groups. Each public function is one durable transaction.

One at a time: of two who take each other's rights away, through whatever group, the second is
refused. Users and groups are never deleted: the ledger names them. A user is made inactive, a
group emptied. No function here logs or records a password, nor anything derived from one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.auth.hashers import is_password_usable, make_password
from django.contrib.auth.models import Group, Permission, User
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Concat

from events import context, wire
from events.domain.errors import Conflict, NotFound
from events.domain.principal import PrincipalKind
from events.locks import LockClass
from ledger import recording
from ledger.access.authority import Caller
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.capability import CapabilityMissing
from ledger.domain.payload import PayloadKind
from ledger.domain.rights import ADMINISTER, Rights, check_own_access, check_reach, describe_changes
from ledger.models import ApprovalPolicyVersion
from ledger.privacy import subjects

CAPABILITY = "user.administer"
OWN_PASSWORD = "user.change_password"  # noqa: S105 - a capability.
DAYBOOK_ITSELF = Rights(is_superuser=True)
_NAMED_BY_A_POLICY = ApprovalPolicyVersion.objects.filter(assigned_group__isnull=False)


class UserNotFound(NotFound):
    code = "user_not_found"

    def __init__(self, user_id: int) -> None:
        super().__init__(f"There is no user {user_id}.", id=user_id)


class GroupNotFound(NotFound):
    code = "group_not_found"

    def __init__(self, group_id: int) -> None:
        super().__init__(f"There is no group {group_id}.", id=group_id)


class RightsGone(Conflict):
    code = "rights_gone"
    hint = "Load it again, and choose among what there is now."

    def __init__(self, names: Collection[str], *, pointer: str) -> None:
        missing = sorted(names)
        super().__init__(
            f"What was chosen is not there any more: {', '.join(missing[:20])}.",
            pointer=pointer,
            missing=missing[:20],
        )


class NameTaken(Conflict):
    code = "name_taken"
    hint = "Choose another name: it tells people who acted."

    def __init__(self, name: str, *, pointer: str) -> None:
        super().__init__(f"There is a {name!r} already.", pointer=pointer, name=name)


def create_user(*, username: str, password: str, caller: Caller | None) -> User:
    """Create a user who may log in, and nothing else until somebody gives them rights.

    `caller` is who asks; None is Daybook itself, here and below.

    :raises CapabilityMissing: if `caller` may not administer users any more.
    :raises NameTaken: if another has the name.
    """
    # Before the transaction: a good hash takes a fifth of a second.
    user = User(username=username, password=make_password(password))
    asked = {"username": _hidden(username), "has_password": bool(password)}
    with recording.recorded(_action("user.create", asked=asked)) as proof:
        _giver(caller)
        _save(user, pointer="/username")
        proof.refers_to(user.pk)
        proof.says("May log in, and nothing else yet.")
    return user


def create_account(
    *, username: str, password_hash: str, rights: Rights, email: str = "", reason: str = ""
) -> User:
    """Create a user with rights, as Daybook itself: for `up` and the command line.

    `rights` name groups and permissions that there are. The hash is made by the caller: it takes
    a fifth of a second, and several accounts of a new installation share one.

    :raises NameTaken: if another has the name.
    """
    user = User(username=username, email=email, password=password_hash, **rights.flags)
    asked = {
        "username": _hidden(username),
        "contact": _hidden({"email": email}),
        "rights": rights.as_json(),
        "has_password": is_password_usable(password_hash),
    }
    with recording.recorded(_action("user.create", asked=asked, reason=reason)) as proof:
        groups = _groups(rights.groups)
        permissions = _permissions(rights.permissions, pointer="/user_permissions")
        after = _reaching(rights, groups, permissions)
        proof.weighs(makes_superuser=after.is_superuser)
        _save(user, pointer="/username")
        user.groups.set(groups)
        user.user_permissions.set(permissions)
        proof.refers_to(user.pk)
        _record_changes(proof, Rights(), after, [])
    return user


def change_user(
    *,
    user_id: int,
    username: str,
    contact: Mapping[str, str],
    rights: Rights,
    caller: Caller | None,
) -> User:
    """Make a user what is said: `contact` are `first_name`, `last_name` and `email`.

    `rights` name groups and permissions; what they reach is found here.

    :raises UserNotFound: if there is none with this id.
    :raises RightsGone: if a group or a permission is not there, such as one renamed meanwhile.
    :raises CapabilityMissing: if `caller` may not administer users any more.
    :raises RightsTooWide: if the user may do, or would do, more than `caller`.
    :raises OwnAccess: if `caller` would lock themselves out.
    :raises NameTaken: if another has the name.
    """
    asked = {
        "username": _hidden(username),
        "contact": _hidden(dict(contact)),
        "rights": rights.as_json(),
    }
    with recording.recorded(_action("user.change", user_id, asked=asked)) as proof:
        giver, user = _locked(caller, user_id)
        before = rights_of(user)
        groups = _groups(rights.groups)
        permissions = _permissions(rights.permissions, pointer="/user_permissions")
        after = _reaching(rights, groups, permissions)
        proof.found(before.as_json())
        proof.weighs(makes_superuser=after.is_superuser and not before.is_superuser)
        check_reach(giver, before, after)
        if caller is not None and caller.user == user:
            check_own_access(before, after)
        names = _differing(user, {"username": username, **contact})
        for name, value in {"username": username, **contact, **rights.flags}.items():
            setattr(user, name, value)
        _save(user, pointer="/username")
        user.groups.set(groups)
        user.user_permissions.set(permissions)
        _record_changes(proof, before, after, names)
    return user


def set_password(*, user_id: int, password: str, caller: Caller | None, reason: str = "") -> User:
    """Give a user another password, which ends their sessions.

    :raises UserNotFound: if there is none with this id.
    :raises CapabilityMissing: if `caller` may not administer users any more.
    :raises RightsTooWide: if the user may do more than `caller`.
    """
    hashed = make_password(password)
    asked = {"has_password": bool(password)}
    action = _action("user.set_password", user_id, asked=asked, reason=reason)
    with recording.recorded(action) as proof:
        giver, user = _locked(caller, user_id)
        check_reach(giver, rights_of(user))
        user.password = hashed
        user.save(update_fields=["password"])
        proof.says("Has another password; sessions under the old one ended.")
        proof.cannot_be_undone("Nobody knows the password before it.")
    return user


def change_password(*, user_id: int, password: str) -> User:
    """Give whoever acts another password, which ends their other sessions.

    That they know the one before it is for the caller to check. Everybody may who may log in.

    :raises UserNotFound: if there is none with this id.
    """
    happened = context.current().principal
    assert (happened.kind, happened.id) == (PrincipalKind.USER, str(user_id)), "it is one's own"
    hashed = make_password(password)
    asked = {"has_password": bool(password)}
    action = replace(_action(OWN_PASSWORD, user_id, asked=asked), capability=OWN_PASSWORD)
    with recording.recorded(action) as proof:
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise UserNotFound(user_id)
        user.password = hashed
        user.save(update_fields=["password"])
        proof.says("Has chosen another password; other sessions ended.")
        proof.cannot_be_undone("Nobody else knows the password before it.")
    return user


def create_group(*, name: str, permissions: Collection[str], caller: Caller | None) -> Group:
    """Create a group whose members get `permissions`, such as `ledger.booking.read`.

    :raises CapabilityMissing: if `caller` may not administer users any more.
    :raises RightsGone: if there is no such permission.
    :raises RightsTooWide: if its members would get more than `caller` has.
    :raises NameTaken: if another has the name.
    """
    asked = {"name": name, "permissions": sorted(permissions)}
    with recording.recorded(_action("group.create", asked=asked)) as proof:
        giver = _giver(caller)
        group = Group(name=name)
        _give(giver, group, Rights(), permissions, proof, [])
        proof.refers_to(group.pk)
    return group


def change_group(
    *, group_id: int, name: str, permissions: Collection[str], caller: Caller | None
) -> Group:
    """Rename a group, and say what its members get.

    :raises GroupNotFound: if there is none with this id.
    :raises CapabilityMissing: if `caller` may not administer users any more.
    :raises RightsGone: if there is no such permission.
    :raises RightsTooWide: if its members have got, or would get, more than `caller` has.
    :raises OwnAccess: if `caller` may administer users by this group alone, and would not any more.
    :raises NameTaken: if another has the name.
    """
    asked = {"name": name, "permissions": sorted(permissions)}
    with recording.recorded(_action("group.change", group_id, asked=asked)) as proof:
        giver = _giver(caller)
        group = Group.objects.select_for_update().filter(pk=group_id).first()
        if group is None:
            raise GroupNotFound(group_id)
        before = _reaching(Rights(), Group.objects.none(), group.permissions.all())
        proof.found({"name": group.name, **_group_state(before)})
        names = _differing(group, {"name": name})
        group.name = name
        _give(giver, group, before, permissions, proof, names)
        if caller is not None:
            check_own_access(giver, _giver_now(caller))
    return group


def rights_of(user: User) -> Rights:
    """Return what a user may do, as it is in the database now."""
    flags = {name: getattr(user, name) for name in Rights().flags}
    groups, permissions = user.groups.all(), user.user_permissions.all()
    return _reaching(Rights(**flags), groups, permissions)


def labels_of(permissions: Iterable[Permission]) -> frozenset[str]:
    """Return how permissions are written: `ledger.booking.read`."""
    return frozenset(f"{each.content_type.app_label}.{each.codename}" for each in permissions)


def _action(
    name: str, target_id: int | str = "", *, asked: Mapping[str, Any], reason: str = ""
) -> Action:
    type_, verb = name.split(".")
    return Action(
        name=name,
        kind=Kind.CREATE if verb == "create" else Kind.UPDATE,
        target=Target(type=type_, id=str(target_id)),
        capability=CAPABILITY,
        reason=reason,
        input=asked,
    )


def _hidden(value: Any) -> Any:
    # It names a person, and what entries are made of does not.
    return subjects.fingerprint_of(value, of="user")


def _locked(caller: Caller | None, user_id: int) -> tuple[Rights, User]:
    """Return what whoever acts may do, and who is acted on: locked, for they may choose a
    password meanwhile."""
    giver = _giver(caller)
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise UserNotFound(user_id)
    return giver, user


def _giver(caller: Caller | None) -> Rights:
    """Return what whoever acts may do by now, and keep it so until the end."""
    wire.run("SELECT pg_advisory_xact_lock(%s, 0)", [LockClass.ACCOUNTS.value])
    if caller is None:
        return DAYBOOK_ITSELF
    rights = _giver_now(caller)
    if not rights.holds(ADMINISTER):
        raise CapabilityMissing(CAPABILITY)
    return rights


def _giver_now(caller: Caller) -> Rights:
    acting = caller.user and User.objects.filter(pk=caller.user.pk).first()
    return rights_of(acting) if acting else Rights()


def _groups(names: Collection[str]) -> QuerySet[Group]:
    groups = Group.objects.filter(name__in=names)
    if gone := set(names) - {group.name for group in groups}:
        raise RightsGone(gone, pointer="/groups")
    return groups


def _permissions(labels: Collection[str], *, pointer: str) -> QuerySet[Permission]:
    named = Permission.objects.annotate(
        label=Concat("content_type__app_label", Value("."), "codename")
    )
    permissions = named.filter(label__in=labels)
    if gone := set(labels) - labels_of(permissions.select_related("content_type")):
        raise RightsGone(gone, pointer=pointer)
    return permissions


def _reaching(rights: Rights, groups: QuerySet[Group], permissions: QuerySet[Permission]) -> Rights:
    """Return rights with the groups and permissions that there are, and all that they reach."""
    own = labels_of(permissions.select_related("content_type"))
    shared = Permission.objects.filter(group__in=groups).select_related("content_type")
    # Its members are heard where others who may decide approvals are not.
    deciding = groups.filter(pk__in=_NAMED_BY_A_POLICY.values("assigned_group"))
    return replace(
        rights,
        groups=frozenset(each.name for each in groups),
        permissions=own,
        reach=own | labels_of(shared) | {f"group:{each.name}" for each in deciding},
    )


def _give(
    giver: Rights,
    group: Group,
    before: Rights,
    labels: Collection[str],
    proof: Proof,
    names: Sequence[str],
) -> None:
    permissions = _permissions(labels, pointer="/permissions")
    after = _reaching(Rights(), Group.objects.none(), permissions)
    check_reach(giver, before, after)
    _save(group, pointer="/name")
    group.permissions.set(permissions)
    _record_changes(proof, before, after, names)


def _differing(row: User | Group, values: Mapping[str, str]) -> list[str]:
    return [name.replace("_", " ") for name, value in values.items() if getattr(row, name) != value]


def _save(row: User | Group, *, pointer: str) -> None:
    try:
        with db_transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise NameTaken(str(row), pointer=pointer) from error


def _record_changes(proof: Proof, before: Rights, after: Rights, names: Sequence[str]) -> None:
    """Say what changed; what somebody is called, by the names of the fields alone."""
    renamed = f"Changed: {', '.join(names)}." if names else ""
    summary = f"{describe_changes(before, after)} {renamed}".strip()
    if not summary and proof.action.kind is Kind.UPDATE:
        proof.changes_nothing()
        return
    proof.says(summary or "Nobody gets anything by it yet.")
    for kind, rights in ((PayloadKind.BEFORE, before), (PayloadKind.AFTER, after)):
        type_ = proof.action.target.type
        state = rights.as_json() if type_ == "user" else _group_state(rights)
        proof.keeps(kind, state, schema_tag=f"{type_}_rights/1", retention="ops-400d")


def _group_state(rights: Rights) -> dict[str, Any]:
    return {"permissions": sorted(rights.permissions)}
