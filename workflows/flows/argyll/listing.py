"""The list of flows for Argyll's clients."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Any

import orjson
from django.db.models import Q, QuerySet

from events.domain.errors import Malformed
from workflows.flows.domain import decoder, shapes
from workflows.flows.domain.errors import MalformedRequest
from workflows.flows.domain.flow import FlowStatus
from workflows.flows.domain.ids import is_clean, is_storable
from workflows.flows.domain.times import written
from workflows.flows.models import ACTIVE_FIRST, FlowSummary

LIMIT_MAX = 1000
RECENT_DESC, RECENT_ASC = "recent_desc", "recent_asc"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class QueryInvalid(Malformed):
    """The message is the original's."""

    code = "flow_query_invalid"
    hint = "Correct the query; nothing was searched."


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Labels are all demanded, statuses are alternatives; limit 0 is all."""

    id_prefix: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    statuses: Sequence[str] = ()
    limit: int = 0
    cursor: str = ""
    sort: str = RECENT_ASC


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    flows: list[FlowSummary]
    total: int
    next_cursor: str


def find(query: Query) -> Page:
    """Return one page: active flows first, each group by the time of its status, then by id.

    :raises QueryInvalid: if the query makes no sense.
    """
    _check(query)
    matching = _matching(query)
    descending = query.sort == RECENT_DESC
    order = ("group", "-status_at" if descending else "status_at", "flow_id")
    rows = matching.order_by(*order)
    if query.cursor:
        rows = rows.filter(_after(_decoded(query.cursor), descending=descending))
    found = list(rows[: query.limit + 1] if query.limit else rows)
    page = found[: query.limit] if query.limit else found
    return Page(
        flows=page,
        total=matching.count(),
        next_cursor=_encoded(page[-1]) if page and len(found) > len(page) else "",
    )


def roots() -> QuerySet[FlowSummary]:
    """Return the flows that somebody started: no children of others."""
    return FlowSummary.objects.filter(parent_flow_id="")


def before(rows: QuerySet[FlowSummary], flow_id: str) -> QuerySet[FlowSummary]:
    """Return those of `rows`, newest first, that come after a flow; none if there is no such."""
    rows = rows.order_by("-started_at", "-flow_id")
    edge = FlowSummary.objects.filter(flow_id=flow_id).first()
    if edge is None:
        return rows.none()
    earlier = Q(started_at__lt=edge.started_at)
    return rows.filter(earlier | Q(started_at=edge.started_at, flow_id__lt=edge.flow_id))


def item(flow: FlowSummary) -> dict[str, Any]:
    """Return one entry of the list; labels and error are there if there are any."""
    return {
        "id": flow.flow_id,
        "status": flow.status,
        "timestamp": written(flow.status_at),
        **({"labels": flow.labels} if flow.labels else {}),
        **({"error": flow.error} if flow.error and flow.status != "active" else {}),
    }


def _check(query: Query) -> None:
    broken = (
        (not is_clean(query.id_prefix), "Invalid ID prefix"),
        (not 0 <= query.limit <= LIMIT_MAX, f"Limit must be between 0 and {LIMIT_MAX}"),
        (query.sort not in {RECENT_DESC, RECENT_ASC}, "Invalid sort"),
        (not all(key and value for key, value in query.labels.items()), "Invalid labels"),
        (not set(query.statuses) <= {one.value for one in FlowStatus}, "Invalid statuses"),
    )
    for is_broken, message in broken:
        if is_broken:
            raise QueryInvalid(message)


def _matching(query: Query) -> QuerySet[FlowSummary]:
    rows = FlowSummary.objects.filter(parent_flow_id="").annotate(group=ACTIVE_FIRST)
    if query.id_prefix:
        rows = rows.filter(flow_id__startswith=query.id_prefix)
    if query.labels:
        rows = rows.filter(labels__contains=dict(query.labels))
    if query.statuses:
        rows = rows.filter(status__in=query.statuses)
    return rows


def _after(key: Mapping[str, Any], *, descending: bool) -> Q:
    at = _instant(key["recent"])
    later = Q(status_at__lt=at) if descending else Q(status_at__gt=at)
    return Q(group__gt=key["group"]) | Q(group=key["group"]) & (
        later | Q(status_at=at, flow_id__gt=key["id"])
    )


def _encoded(flow: FlowSummary) -> str:
    since = flow.status_at - _EPOCH
    nanos = (since // timedelta(microseconds=1)) * 1000
    group = 0 if flow.status == FlowStatus.ACTIVE else 1
    key = {"id": flow.flow_id, "group": group, "recent": nanos}
    return base64.urlsafe_b64encode(orjson.dumps(key)).rstrip(b"=").decode()


_CURSOR = shapes.Struct(
    "flowQueryCursor",
    {
        "id": shapes.Scalar("string", "api.FlowID"),
        "group": shapes.INTEGER,
        "recent": shapes.INTEGER_64,
    },
)


def _decoded(cursor: str) -> dict[str, Any]:
    try:
        key = shapes.check(_read(_unarmoured(cursor)), _CURSOR)
    except (decoder.Undecodable, MalformedRequest) as reason:
        detail = str(reason).removeprefix("invalid JSON request: ")
        raise QueryInvalid(f"invalid flow cursor\n{detail}") from reason
    if not is_storable(key.get("id") or ""):
        raise QueryInvalid("invalid flow cursor")
    return {
        "id": key.get("id") or "",
        "group": key.get("group") or 0,
        "recent": key.get("recent") or 0,
    }


def _unarmoured(cursor: str) -> bytes:
    """Return the bytes of a cursor; what is wrong with it is told as the original does."""
    strange = next((at for at, c in enumerate(cursor.encode()) if chr(c) not in _ALPHABET), None)
    whole = len(cursor) // 4 * 4
    if strange is None and len(cursor) - whole == 1:
        strange = whole  # Six bits are no byte.
    if strange is not None:
        raise decoder.Undecodable(f"illegal base64 data at input byte {strange}")
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


_ALPHABET = frozenset(ascii_letters + digits + "-_")


def _read(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)  # Its numbers are exact, and nanoseconds are large.
    except orjson.JSONDecodeError:
        return decoder.only_value(raw)


def _instant(nanos: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanos // 1000)
