"""Optimistic concurrency over HTTP: the ETag of a thing is its version."""

import re
from typing import Any, Final

from events.domain.errors import PreconditionFailed, PreconditionRequired

_STRONG_VERSION: Final = re.compile(r'"([0-9]{1,18})"')


class VersionMoved(PreconditionFailed):
    code = "version_moved"
    hint = "Read it again, decide again, and send the new ETag in If-Match."

    def __init__(self, *, current: int | None = None) -> None:
        super().__init__("It has changed since you read it.")
        if current is not None:
            self.facts["current"] = current


class IfMatchRequired(PreconditionRequired):
    code = "if_match_required"
    hint = "Read it first and repeat its ETag in If-Match."

    def __init__(self) -> None:
        super().__init__("Say in If-Match which version you mean to change.")


def etag(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


def expected_version(request: Any, *, required: bool = True) -> int | None:
    """Return the version that If-Match names; None for `*`, or when it is absent and optional.

    :raises IfMatchRequired: if it is absent and required.
    :raises VersionMoved: if it names nothing that could be one of our versions.
    """
    header = request.headers.get("If-Match", "").strip()
    if not header:
        if required:
            raise IfMatchRequired
        return None
    if header == "*":
        return None
    written = _STRONG_VERSION.fullmatch(header)
    if written is None:
        raise VersionMoved
    return int(written[1])


def check_version(expected: int | None, current: int) -> None:
    """Compare under the lock that holds `current` still.

    :raises VersionMoved: if it is another one.
    """
    if expected is not None and expected != current:
        raise VersionMoved(current=current)
