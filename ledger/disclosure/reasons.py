"""The header `Access-Reason`: why the caller reads private data."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from events.domain.errors import Malformed
from ledger.domain.action import REASON_CHARS_MAX

HEADER: Final = "Access-Reason"


class AccessReasonMalformed(Malformed):
    code = "access_reason_malformed"
    hint = f"Say it in one line of up to {REASON_CHARS_MAX} characters."

    def __init__(self) -> None:
        super().__init__(f"The header {HEADER} is no reason that could be put on record.")


def access_reason(request: Any) -> str:
    """Return the access reason of the caller; empty if there is none.

    :raises AccessReasonMalformed: if it is too long, or no line of text.
    """
    reason: str = request.headers.get(HEADER, "").strip()
    if len(reason) > REASON_CHARS_MAX or not reason.isprintable():
        raise AccessReasonMalformed
    return reason


def access_reason_header(*, required: bool = False) -> OpenApiParameter:
    """Return how the description of an operation says that it listens to a reason."""
    schema = {"type": "string", "maxLength": REASON_CHARS_MAX}
    # One that is empty says as little as none: it is refused only where there must be one.
    return OpenApiParameter(
        HEADER,
        schema | {"minLength": 1} if required else schema,
        OpenApiParameter.HEADER,
        required=required,
        description="Why you look. It is on record before anything is shown in clear.",
    )
