"""Idempotent requests: the `Idempotency-Key` of the API.

Rule: the row that says "done" is inserted in the transaction that does it. Everything
else here (the lock while a request is under way, the stored response) may be lost without
anything being done twice.

An edge opens `exchange()`, announces the request with `begin`, and hands the response to
`Exchange.keep`. A service opens `transaction()`, and needs to know nothing of this.
"""

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db import connection
from django.db.models.functions import Now
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from events import beginning, context
from events.domain import canonical
from events.domain.errors import Conflict, Malformed, Rejected, Unauthenticated
from events.domain.principal import PrincipalKind
from events.failpoints import declare, failpoint
from ledger.domain.keyed import Keyed
from ledger.models import IdempotencyKey
from ledger.privacy import subjects

BEFORE_COMMIT: Final = declare("service.before_commit")
AFTER_COMMIT: Final = declare("service.after_commit")

KEY_CHARS_MAX: Final = 255
KEPT_FOR: Final = timedelta(hours=24)

_KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Cache-Control")


class IdempotencyKeyRequired(Malformed):
    code = "idempotency_key_required"
    hint = "Send a new Idempotency-Key, such as a UUID, and repeat it on every retry."

    def __init__(self) -> None:
        super().__init__("This request needs an Idempotency-Key header.")


class IdempotencyKeyMalformed(Malformed):
    code = "idempotency_key_malformed"
    hint = "Use a UUID."

    def __init__(self) -> None:
        super().__init__(f"An Idempotency-Key is 1 to {KEY_CHARS_MAX} visible ASCII characters.")


class IdempotencyKeyReused(Rejected):
    code = "idempotency_key_reused"
    hint = "Every new request needs a new key; only a retry of the same one repeats it."

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key belongs to a different request.")


class RequestInProgress(Conflict):
    code = "request_in_progress"
    hint = "Repeat the request after the seconds in Retry-After."
    retry_after_seconds: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__("The first request with this Idempotency-Key is still under way.")


class ResponseLost(Conflict):
    code = "idempotency_response_lost"
    hint = "Do not repeat it; read its result."

    def __init__(self, reference: str) -> None:
        super().__init__(
            "The request was carried out, but its response was lost.", reference=reference
        )


class AnonymousMayNotWrite(Unauthenticated):
    code = "anonymous_may_not_write"
    hint = "Send an API key or log in."

    def __init__(self) -> None:
        super().__init__("The request has no authenticated principal, and a change needs one.")


class Replayed(Exception):
    """Control flow, not an error: the request was answered before, like this."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__("answered before")
        response["Idempotency-Replayed"] = "true"
        self.response = response


@dataclass(kw_only=True)
class Request:
    """What makes a repeated request the same one."""

    scope: str
    key: str
    fingerprint: Keyed
    keeps_response: bool = True

    @property
    def lock_id(self) -> int:
        """Return the 64 bits under which PostgreSQL knows that it is under way."""
        name = f"{self.scope}\0{self.key}".encode()
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)


@dataclass
class Unit:
    """The open transaction of a service."""

    reference: str = ""
    ending: Callable[[], object] | None = None
    """What is written last, and may be sent with the COMMIT in one round trip."""

    def refer(self, reference: str) -> None:
        """Record what the request made, in case its response is lost."""
        self.reference = reference


@dataclass
class Exchange:
    """One request on its way to its response."""

    request: Request | None = None
    row_id: int | None = None
    is_private: bool = False
    """Whether something was disclosed: a stored response would show it again, unrecorded."""
    _locked: list[int] = field(default_factory=list)

    def begin(self, request: Request) -> str | None:
        """Take `request` up. Return its reference if only its response was lost.

        :raises RequestInProgress: if another process is at it.
        :raises IdempotencyKeyReused: if the key belongs to another request.
        :raises Replayed: with the response, if it was answered before.
        """
        self._lock(request.lock_id)
        self.request = request
        row = IdempotencyKey.objects.filter(
            scope=request.scope, key=request.key, expires_at__gt=Now()
        ).first()
        if row is None:
            return None
        if row.fingerprint not in request.fingerprint.under:
            raise IdempotencyKeyReused
        if row.response_status is not None:
            raise Replayed(_response_from(row))
        self.row_id = row.pk
        return row.reference

    def keep(self, response: HttpResponseBase) -> None:
        """Store the response of a request that had an effect."""
        if self.row_id is None or self.request is None or not self.request.keeps_response:
            return
        if self.is_private:
            return
        if not 200 <= response.status_code < 300 or not isinstance(response, HttpResponse):  # noqa: PLR2004
            return
        headers = {name: response[name] for name in _KEPT_HEADERS if response.has_header(name)}
        IdempotencyKey.objects.filter(pk=self.row_id).update(
            response_status=response.status_code,
            response_headers=headers,
            response_body=response.content,
        )

    def end(self) -> None:
        """Release the lock of the key. The death of the process releases it too."""
        while self._locked:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [self._locked.pop()])

    def _lock(self, lock_id: int) -> None:
        # A lock of the session, not of the transaction: it spans the whole request, and
        # PostgreSQL gives it back the moment that this process is gone.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [lock_id])
            (taken,) = cursor.fetchone()
        if not taken:
            raise RequestInProgress
        self._locked.append(lock_id)


_exchange: ContextVar[Exchange | None] = ContextVar("daybook_idempotent_exchange", default=None)


@contextmanager
def exchange() -> Iterator[Exchange]:
    """Open an exchange for one idempotent request within the block. The caller ends it."""
    opened = Exchange()
    token = _exchange.set(opened)
    try:
        yield opened
    finally:
        _exchange.reset(token)


def current_exchange() -> Exchange:
    """Return the exchange in force, or an unused one."""
    return _in_force() or Exchange()


def current_request() -> Request | None:
    """Return the request that is in force with its key; None if there is none."""
    opened = _in_force()
    return None if opened is None else opened.request


def _in_force() -> Exchange | None:
    # A handler after the commit is not the request: the key is for another action.
    return None if context.delivering.envelope is not None else _exchange.get()


class transaction:  # noqa: N801 - used as a function. No generator: every service enters it.
    """Open the durable transaction of a public service.

    :raises AnonymousMayNotWrite: if no credential stands behind it.
    :raises RequestInProgress: if the same request was carried out meanwhile.
    """

    __slots__ = ("_block", "_opened", "_row_id", "_unit")
    _row_id: int | None

    def __enter__(self) -> Unit:
        if context.current().principal.kind is PrincipalKind.ANONYMOUS:
            raise AnonymousMayNotWrite
        self._opened, self._unit, self._row_id = _in_force(), Unit(), None
        self._block = beginning.durable()
        self._block.__enter__()
        return self._unit

    def __exit__(self, *how: Any) -> None:
        if how[0] is not None:
            self._block.__exit__(*how)
            return
        try:
            self._end()
        except BaseException:
            self._block.__exit__(*sys.exc_info())
            raise
        self._block.__exit__(*how)
        failpoint(AFTER_COMMIT)
        if self._opened is not None and self._row_id is not None:
            self._opened.row_id = self._row_id

    def _end(self) -> None:
        opened, unit = self._opened, self._unit
        # Once per request: what a second service does in it belongs to the same answer.
        if opened is not None and opened.request is not None and opened.row_id is None:
            self._row_id = _insert(opened.request, unit.reference)
        failpoint(BEFORE_COMMIT)
        if unit.ending is not None:
            unit.ending()


def fingerprint(*, method: str, path: str, query: Mapping[str, Any], body: Any) -> Keyed:
    """Return a keyed fingerprint of a request: the same for requests that ask for the same.

    It stays in entries for good, and a body may be about a person who is erased one day. So it is
    keyed: without the key, a guess at the body cannot be confirmed.
    """
    digest = canonical.fingerprint([method, path, dict(query), body])
    return subjects.fingerprint_of(digest, of="request")


def prune() -> int:
    """Delete the expired keys; return how many."""
    forgotten, _ = IdempotencyKey.objects.filter(expires_at__lte=Now()).delete()
    return forgotten


# Relies on ledger_idempotency_key_is_used_once. An expired row makes way; a live one
# can only be there if the lock was lost with its connection: then the other was first.
# By the clock by which `begin` found none, so that the two never differ about a row.
_INSERT = """
INSERT INTO ledger_idempotencykey
       (scope, key, fingerprint, reference, response_headers, created_at, expires_at)
VALUES (%(scope)s, %(key)s, %(fingerprint)s, %(reference)s, '{}', statement_timestamp(),
        statement_timestamp() + make_interval(secs => %(kept_seconds)s))
ON CONFLICT (scope, key) DO UPDATE
   SET fingerprint = EXCLUDED.fingerprint, reference = EXCLUDED.reference,
       response_status = NULL, response_headers = '{}', response_body = NULL,
       created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at
 WHERE ledger_idempotencykey.expires_at <= statement_timestamp()
RETURNING id
"""


def _insert(request: Request, reference: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            {
                "scope": request.scope,
                "key": request.key,
                "fingerprint": request.fingerprint,
                "reference": reference,
                "kept_seconds": KEPT_FOR.total_seconds(),
            },
        )
        row = cursor.fetchone()
    if row is None:
        raise RequestInProgress
    return int(row[0])


def _response_from(row: IdempotencyKey) -> HttpResponse:
    assert row.response_status is not None
    assert row.response_body is not None
    return HttpResponse(
        bytes(row.response_body), status=row.response_status, headers=row.response_headers
    )
