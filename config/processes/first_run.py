"""Sets up a new installation: tables, demo users, an API key, demo data."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from django.contrib.auth.hashers import check_password, is_password_usable, make_password
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.utils import timezone

from config.embedded.state import State
from events import context
from events.domain.principal import Principal, PrincipalKind
from events.tables import migration_status
from examples import step_catalogue
from examples.demo_peers.server import STEPS_URL
from ledger.access import credentials
from ledger.domain.rights import Rights
from ledger.services import accounts, api_keys
from workflows.flows import services as flows
from workflows.flows.domain.step_json import step_from_json
from workflows.flows.execution import engine
from workflows.flows.triggers import starts

ADMIN = "admin"
# Who may do what; the example's people, so that the difference can be seen.
DEMO_PEOPLE = {"operator": "Operators", "viewer": "Viewers"}
API_KEY = "API_KEY"
PASSWORD = "DEMO_PASSWORD"  # noqa: S105 - the name under which it is kept.
API_KEY_DAYS = 365


@contextmanager
def written_at_the_end() -> Iterator[None]:
    """Wait for the disk once, at the end of the block, and not at each of its commits.

    Nobody is told of what is made here before it is over, and what is lost with the machine's
    power is made again.
    """
    connection_created.connect(_write_later, dispatch_uid=__name__)
    connection.close()
    try:
        yield
    finally:
        connection_created.disconnect(dispatch_uid=__name__)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO on")
            # A commit that has a number is written, and with it all before.
            cursor.execute("SELECT pg_current_xact_id()")
        connection.close()


def _write_later(connection: BaseDatabaseWrapper, **_signal: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")


def prepare(state: State) -> None:
    """Migrate, and make what is missing: somebody who may do everything, and a key."""
    # The hash takes a fifth of a second of a core, and migrating leaves one alone.
    with ThreadPoolExecutor(max_workers=1) as aside:
        if PASSWORD not in state.secrets():
            aside.submit(_password_hash, state.secret(PASSWORD, _password))
        call_command("migrate", verbosity=0, interactive=False)
    migration_status.check()
    admin = _person(ADMIN, state, Rights(is_staff=True, is_superuser=True))
    # A key of somebody who was made inactive would open nothing either.
    if admin.is_active and not _opens(state.secrets().get(API_KEY, "")):
        _, written = api_keys.issue_api_key(
            name="Made by `up`",
            owner=admin,
            scopes=["*"],
            expires_at=timezone.now() + timedelta(days=API_KEY_DAYS),
        )
        state.keep_secret(API_KEY, written.text)


def _opens(key: str) -> bool:
    # It ends after a year, and its database may have been replaced by a new one.
    try:
        credentials.key_for(key)
    except credentials.CredentialRefused:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """What has become of the accounts that `up` made, which are the administrators' since."""

    people: list[str]
    """Who of them may log in with the password that was made for them."""
    key_opens: bool
    key_remark: str = ""
    """What has to be said of the key, empty if nothing has."""
    with_other_passwords: list[str] = field(default_factory=list)
    """Who of them may log in with another, which was set since."""

    def told(self, *, password: str) -> str:
        """Return who may log in, and how, in one line."""
        others = ", ".join(self.with_other_passwords)
        if self.people:
            people = f"{', '.join(self.people)}; password {password}"
            return f"{people} ({others}: another, which was set since)" if others else people
        if others:
            return f"{others}, with the passwords that were set since"
        return "nobody that was made here is active"


def accounts_as_they_are(state: State) -> Accounts:
    """Look at the people of a new installation, and at the key that acts as its first."""
    people = User.objects.filter(username__in=[ADMIN, *DEMO_PEOPLE], is_active=True)
    kept = people.values_list("username", "password")
    hashes = {name: each for name, each in kept if is_password_usable(each)}
    active = [name for name in (ADMIN, *DEMO_PEOPLE) if name in hashes]
    opened = _opened_by(state.secrets().get(PASSWORD, ""), set(hashes.values()))
    known = [name for name in active if hashes[name] in opened]
    others = [name for name in active if hashes[name] not in opened]
    try:
        owner = credentials.key_for(state.secrets().get(API_KEY, "")).owner
    except credentials.CredentialRefused:
        opens, remark = False, f"{ADMIN} is inactive"
    else:
        opens, remark = True, _remark_on(owner)
    return Accounts(people=known, key_opens=opens, key_remark=remark, with_other_passwords=others)


def _remark_on(owner: User) -> str:
    return "" if owner.is_superuser else f"{owner} is no superuser any more: it may do less"


def _opened_by(password: str, hashes: set[str]) -> set[str]:
    # Who was made just now need not be asked, nor, as people share one, each of them.
    made = {_password_hash(password)} if _password_hash.cache_info().currsize else set()
    return {each for each in hashes if each in made or check_password(password, each)}


def make_people(state: State) -> dict[str, User]:
    """Return the example's people by name, made if they are missing."""
    return {username: demo_person(username, state) for username in DEMO_PEOPLE}


def make_example(state: State) -> None:
    """Make what is missing of the example: its people, its steps, and a business."""
    people = make_people(state)
    if base_url := os.environ.get(STEPS_URL):
        is_new = not engine.catalog().steps
        register_steps(base_url)
        if is_new:  # Later it is the operator's to change or remove.
            declare_start_of(people["operator"])
    call_command("seed_demo", verbosity=0)


def demo_person(username: str, state: State) -> User:
    """Return one of the example's people, who may do what their group may: all of it, or nobody."""
    group = DEMO_PEOPLE[username]
    if not Group.objects.filter(name=group).exists():
        permissions = accounts.labels_of(_permissions(group))
        accounts.create_group(name=group, permissions=permissions, caller=None)
    return _person(username, state, Rights(is_staff=True, groups=frozenset({group})))


def register_steps(base_url: str) -> None:
    """Register the demo catalogue, or tell it where its services are now."""
    known = engine.catalog().steps
    for document in step_catalogue.steps(base_url):
        step = step_from_json(document)
        if step.id in known:
            flows.update_step(step=step)
        else:
            flows.register_step(step=step)


def declare_start_of(person: User) -> None:
    """Let seats be held for every Monday's first show, in the name of `person`."""
    who = Principal(kind=PrincipalKind.USER, id=str(person.pk))
    with context.acting(who):
        starts.declare_start(**step_catalogue.MONDAY_SEATS)


def _person(username: str, state: State, rights: Rights) -> User:
    """Return somebody, made with these rights if they are missing; later those are the admin's."""
    person = User.objects.filter(username=username).first()
    if person is not None:
        return person
    password_hash = _password_hash(state.secret(PASSWORD, _password))
    return accounts.create_account(
        username=username, password_hash=password_hash, rights=rights, reason="Made by `up`"
    )


# A good hash takes a fifth of a second, and the example's people share one password.
_password_hash = lru_cache(maxsize=1)(make_password)


def _password() -> str:
    return secrets.token_urlsafe(9)


def _permissions(group_name: str) -> list[Permission]:
    # Capabilities are Django permissions whose codename is `noun.verb`.
    capabilities = Permission.objects.filter(codename__contains=".")
    if group_name == "Viewers":
        return list(capabilities.filter(codename__endswith=".read"))
    people = capabilities.exclude(codename="user.administer")
    return list(people.exclude(codename__startswith="api_key."))
