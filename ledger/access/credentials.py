"""Resolves a presented secret to its API key. The only place that sees secrets."""

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import cache
from itertools import islice
from typing import Any, Final, LiteralString

from django.conf import settings
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Model
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from events import wire
from events.domain.errors import Forbidden, Unauthenticated
from ledger.access import grants
from ledger.access.delegations import Chain
from ledger.domain import api_key as written
from ledger.domain.api_key import SECRET_BYTES, WrittenKey
from ledger.domain.delegation import DelegationEnded
from ledger.models import Agent, AgentKey, ApiKey, Delegation

# One write per key and minute, however many requests it makes.
LAST_USED_RESOLUTION: Final = timedelta(minutes=1)

_PREFIX_BYTES = 8


class CredentialRefused(Unauthenticated):
    """One answer for every reason: an attacker must not learn which part was right."""

    code = "credential_refused"
    hint = "Send a live API key as `Authorization: Bearer daybook_…`, or log in."

    def __init__(self) -> None:
        super().__init__("The credential is unknown, expired or revoked.")


class AgentStopped(Forbidden):
    """Returned only to a caller with a valid key."""

    code = "agent_stopped"
    hint = "Ask its owner; the same key works again once the agent is resumed."

    def __init__(self) -> None:
        super().__init__("The key is valid, but its agent, or every agent, is stopped.")


def new_key(*, is_of_agent: bool = False) -> WrittenKey:
    """Generate a new key."""
    prefix = written.prefix_from(secrets.token_bytes(_PREFIX_BYTES))
    return written.write(
        prefix=prefix, random_bytes=secrets.token_bytes(SECRET_BYTES), is_of_agent=is_of_agent
    )


def digest(text: str, *, pepper: str | bytes | None = None) -> str:
    """Return what is stored of a key."""
    return salted_hmac("daybook.api_key", text, secret=pepper, algorithm="sha256").hexdigest()


def logged_digest(stored: str) -> str:
    """Return what the log says of a stored digest: SHA-256, in hex."""
    return hashlib.sha256(stored.encode()).hexdigest()


def key_for(text: str) -> ApiKey:
    """Return the live key whose written form is `text`, with its owner loaded.

    :raises CredentialRefused: if there is none, or not any more.
    """
    parts = written.read(text)
    if parts is None or parts.is_of_agent:
        raise CredentialRefused
    key = live_key(parts.prefix)
    if key is None or not _matches(text, key.digest):
        raise CredentialRefused
    _note_use(key)
    return key


def agent_key_for(text: str) -> AgentKey:
    """Return the live key of an agent whose written form is `text`, with its delegations loaded.

    :raises CredentialRefused: if there is none, or no link of its chain is in force any more.
    :raises AgentStopped: if there is one, and its agent is stopped for a while.
    """
    parts = written.read(text)
    if parts is None or not parts.is_of_agent:
        raise CredentialRefused
    key = live_agent_key(parts.prefix)
    if key is None or not _matches(text, key.digest):
        raise CredentialRefused
    chain, at = Chain.of(key.delegation), timezone.now()
    why = chain.why_ended(at)
    if isinstance(why, DelegationEnded):
        raise AgentStopped if chain.is_stopped(at) else CredentialRefused from why
    _note_use(key)
    return key


def live_key(prefix: str) -> ApiKey | None:
    """Return the live key with this prefix, its owner loaded with all that they may do."""
    sql, of_key, of_owner = _live_keys()
    rows = wire.fetch(sql, {"prefix": prefix})
    if not rows:
        return None
    [row] = rows
    key = ApiKey.from_db(DEFAULT_DB_ALIAS, of_key, row[: len(of_key)])
    *owner, granted = row[len(of_key) :]
    key.owner = User.from_db(DEFAULT_DB_ALIAS, of_owner, owner)
    grants.remember(key.owner, granted)
    return key


def live_agent_key(prefix: str) -> AgentKey | None:
    """Return the agent's key that is good by itself, with the whole chain behind it."""
    rows = wire.fetch(_live_agent_keys(), {"prefix": prefix})
    key, above = None, None
    for row in rows:
        found, link, link.agent, link.root = _instances(row, _BEHIND_AGENT_KEYS)
        link.parent = above
        found.delegation = above = link
        key = found
    return key


def is_of_agent(text: str) -> bool:
    """Return whether `text` has the written form of an agent's key."""
    parts = written.read(text)
    return parts is not None and parts.is_of_agent


@cache
def _live_keys() -> tuple[LiteralString, list[str], list[str]]:
    """Return the query that finds a live key by its prefix, with its owner and all that they may
    do, and the columns of the two.

    Every request asks it: the ORM takes longer to write it down than PostgreSQL to answer.
    """
    query = ApiKey.objects.live().select_related("owner").filter(prefix="").query
    sql, params = query.sql_with_params()
    assert params == ("",), "whether a key is live is said without parameters"
    granted = grants.granted_to("k.owner_id")
    of_prefix = sql.replace("%s", "%(prefix)s")
    with_grants = f"SELECT k.*, ARRAY({granted}) FROM ({of_prefix}) k"  # noqa: S608 - all our own.
    return with_grants, _columns(ApiKey), _columns(User)


_BEHIND_AGENT_KEYS: Final = (AgentKey, Delegation, Agent, User)


@cache
def _live_agent_keys() -> LiteralString:
    """Return the query for a live key of an agent by its prefix, and all that stands behind it.

    A row for each link of the chain, from the root down: the key, the link, its agent and its
    root. The ORM, with all of them in one row, takes ten times as long to write it down.
    """
    query = AgentKey.objects.live().filter(prefix="").query
    sql, params = query.sql_with_params()
    assert params == ("",), "whether a key is live is said without parameters"
    live = sql.replace("%s", "%(prefix)s")
    columns = [
        f'{alias}."{column}"'
        for alias, model in zip("kdau", _BEHIND_AGENT_KEYS, strict=True)
        for column in _columns(model)
    ]
    return f"""
WITH RECURSIVE k AS ({live}),
link (id, above, place) AS (
  SELECT d.id, d.parent_id, 0 FROM ledger_delegation d JOIN k ON d.id = k.delegation_id
   UNION ALL
  SELECT d.id, d.parent_id, place + 1 FROM ledger_delegation d JOIN link ON d.id = link.above)
SELECT {", ".join(columns)}
  FROM k CROSS JOIN link JOIN ledger_delegation d ON d.id = link.id
  JOIN ledger_agent a ON a.id = d.agent_id JOIN auth_user u ON u.id = d.root_id
 ORDER BY place DESC
"""  # noqa: S608 - all our own.


def _instances(row: wire.Row, models: Iterable[type[Model]]) -> Iterator[Any]:
    values = iter(row)
    for model in models:
        names = _columns(model)
        yield model.from_db(DEFAULT_DB_ALIAS, names, list(islice(values, len(names))))


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]  # noqa: SLF001 - public.


def _matches(text: str, stored: str) -> bool:
    # SECRET_KEY_FALLBACKS keep keys good while the secret key is rotated.
    peppers = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(constant_time_compare(digest(text, pepper=pepper), stored) for pepper in peppers)


def _note_use(key: ApiKey | AgentKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at >= LAST_USED_RESOLUTION:
        type(key).objects.filter(pk=key.pk).update(last_used_at=now)
