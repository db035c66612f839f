"""The events of this room. None of them, and no stream, ever holds a secret."""

from uuid import UUID

from events.catalogue import declare, declare_stream
from events.domain.envelope import Stream
from ledger.models import ApiKey


def _api_key_of(stream: Stream) -> ApiKey | None:
    try:
        return ApiKey.objects.filter(pk=UUID(stream[1])).first()
    except (IndexError, ValueError):
        return None


_KEY = {
    "keyId": {"type": "string", "format": "uuid"},
    "prefix": {"type": "string", "pattern": "^[0-9a-z]{12}$"},
    "name": {"type": "string"},
}
_TIME = {"type": "string", "format": "date-time"}


def _about_a_key(**more: object) -> dict[str, object]:
    properties = {**_KEY, **more}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


declare_stream(
    "api_key",
    meaning="The life of one API key.",
    read="api_key.administer",
    object_resolver=_api_key_of,
)
declare(
    "api_key.issued",
    category="domain",
    stream="api_key",
    meaning="An API key was made. Whoever asked has seen its secret, once.",
    schema=_about_a_key(
        owner={"type": "string"},
        scopes={"type": "array", "items": {"type": "string"}, "minItems": 1},
        expiresAt=_TIME,
    ),
)
declare(
    "api_key.rotated",
    category="domain",
    stream="api_key",
    meaning="An API key got a successor, and ends with the overlap.",
    schema=_about_a_key(successorId={"type": "string", "format": "uuid"}, endsAt=_TIME),
)
declare(
    "api_key.revoked",
    category="domain",
    stream="api_key",
    meaning="An API key was ended at once.",
    schema=_about_a_key(),
)
