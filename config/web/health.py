"""The health endpoints. /livez: the process answers. /readyz: it can do its work.

Without the database, or on another schema, nothing works: not ready. Without broker, sequencer
or workers, recorded work waits and is caught up with later: degraded, but ready. Details are
shown only with the permission to see them.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from kombu import Connection
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from events import invariants
from events.tables import migration_status
from ledger.access import authority
from ledger.access.authority import PUBLIC
from workflows.work import selectors

_BROKER_TIMEOUT_SECONDS: Final = 1

Probe = Callable[[], str]


class Unhealthy(Exception):
    """What a probe found wrong, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    name: str
    is_essential: bool
    probe: Probe
    # Public: the permission to see the details cannot be checked without the database.
    is_public: bool = False


@authority.public
def livez(_request: HttpRequest) -> HttpResponse:
    """Answer. That is all."""
    return HttpResponse("alive\n", content_type="text/plain")


@extend_schema(exclude=True)
class ReadyView(APIView):
    """200 `ready` or `degraded`; 503 `not_ready`, with the reason if the schema is another one."""

    capabilities = PUBLIC
    throttle_classes = []

    def get(self, request: Request) -> Response:
        found = _all_examined()
        is_ready = all(part["ok"] or not part["essential"] for part in found)
        is_well = all(part["ok"] for part in found)
        body: dict[str, Any] = {
            "status": "ready" if is_well else "degraded" if is_ready else "not_ready"
        }
        for part, how in zip(PARTS, found, strict=False):
            if part.is_public and not how["ok"]:
                body["reason"] = how["says"]
        # Who may see the details is in the database, too.
        if is_ready and authority.holds(request, "system.health"):
            body["parts"] = found
        return Response(
            body, status=200 if is_ready else 503, headers={"Cache-Control": "no-store"}
        )


def _all_examined() -> list[dict[str, Any]]:
    """Probe one part after the other, up to an essential one that is not well.

    Without the database each of the others would wait for a connection as long again.
    """
    found: list[dict[str, Any]] = []
    for part in PARTS:
        found.append(_examined(part))
        if part.is_essential and not found[-1]["ok"]:
            break
    return found


def _examined(part: Probed) -> dict[str, Any]:
    started = time.monotonic()
    try:
        says, is_ok = part.probe(), True
    except Unhealthy as error:
        says, is_ok = str(error), False
    except DatabaseError as error:
        says, is_ok = type(error).__name__, False
    return {
        "name": part.name,
        "essential": part.is_essential,
        "ok": is_ok,
        "says": says,
        "ms": round((time.monotonic() - started) * 1000),
    }


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "answers"


@functools.cache
def _migrations() -> str:
    # Cached once it is so: a schema does not lose migrations, and asking takes long. A
    # failure raises, and is asked again.
    try:
        migration_status.check()
    except migration_status.SchemaDiffers as error:
        raise Unhealthy(str(error)) from error
    return "applied"


def _broker() -> str:
    broker = Connection(
        settings.CELERY_BROKER_URL,
        connect_timeout=_BROKER_TIMEOUT_SECONDS,
        # One that took the connection and says nothing does not answer either.
        transport_options={"socket_timeout": _BROKER_TIMEOUT_SECONDS},
    )
    try:
        with broker:
            broker.ensure_connection(max_retries=1, timeout=_BROKER_TIMEOUT_SECONDS)
    except Exception as error:
        raise Unhealthy(f"does not answer ({type(error).__name__})") from error
    return "answers"


def _sequencer() -> str:
    if late := invariants.sequencer_keeps_up():
        raise Unhealthy("; ".join(late))
    return "keeps up"


def _workers() -> str:
    # Counted as `daybook_workers` does, so that the two agree.
    known = selectors.workers()
    seen = sum(each.is_alive for each in known)
    if not seen:
        raise Unhealthy("no worker is alive")
    if unheard := [queue for queue, count in selectors.listeners(known).items() if not count]:
        raise Unhealthy(f"{seen} take work, none of them from {', '.join(unheard)}")
    return f"{seen} take work"


PARTS: Final = (
    Probed(name="database", is_essential=True, probe=_database),
    Probed(name="migrations", is_essential=True, probe=_migrations, is_public=True),
    Probed(name="broker", is_essential=False, probe=_broker),
    Probed(name="sequencer", is_essential=False, probe=_sequencer),
    Probed(name="workers", is_essential=False, probe=_workers),
)
