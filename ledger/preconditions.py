"""Optimistic concurrency over HTTP: the ETag of a thing is its version."""

import re
from typing import Any, Final, TypeAlias

from events.domain.errors import PreconditionFailed, PreconditionRequired

# What somebody means to change: one version, or any of several.
Expected: TypeAlias = int | frozenset[int]

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
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
        super().__init__("The header If-Match with the version to change is missing.")


def etag(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


def expected_version(request: Any, *, required: bool = True) -> Expected | None:
    """Return the versions that If-Match names; None for `*`, or when it is absent and optional.

    Of a list one has to be right; tags that are weak or not ours never are (RFC 9110 §13.1.1).

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
    if not _TAGS.fullmatch(header):
        raise VersionMoved
    tags = re.findall(_TAG, header)
    versions = frozenset(int(it[1]) for it in map(_STRONG_VERSION.fullmatch, tags) if it)
    if not versions:
        raise VersionMoved
    return versions


def check_version(expected: Expected | None, current: int) -> None:
    """Compare under the lock that holds `current` still.

    :raises VersionMoved: if it is another one.
    """
    if expected is None:
        return
    if current not in (expected if isinstance(expected, frozenset) else (expected,)):
        raise VersionMoved(current=current)
