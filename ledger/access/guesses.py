"""Limits wrong passwords within the minute: of one address, and for one account.

Beyond the limit no password is looked at, not even the right one. An account takes more of them
than an address may send, so that no single stranger can keep its owner out.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest

from events.domain.errors import Throttled
from ledger.access import counting

OF_AN_ADDRESS_MAX: Final = 30
FOR_AN_ACCOUNT_MAX: Final = 300


class TooManyWrongPasswords(Throttled):
    code = "too_many_wrong_passwords"
    hint = "Wait for the seconds in Retry-After."

    def __init__(self) -> None:
        super().__init__("Too many wrong passwords were given in this minute.")


def check(request: HttpRequest, *, account: str) -> None:
    """Return if one more password for `account` may be tried.

    :raises TooManyWrongPasswords: if too many were wrong.
    """
    for name, most in _limits(request, account):
        if counting.so_far(name) >= most:
            raise TooManyWrongPasswords


def note_wrong(request: HttpRequest, *, account: str) -> None:
    """Count a password that was wrong."""
    for name, _ in _limits(request, account):
        counting.one_more(name)


def _limits(request: HttpRequest, account: str) -> Iterator[tuple[str, int]]:
    # Whatever a stranger wrote for a name: its digest is short and plain.
    digest = hashlib.sha256(account.casefold().encode(errors="replace")).hexdigest()
    yield f"wrong-passwords:account:{digest}", FOR_AN_ACCOUNT_MAX
    # Who comes over a Unix socket has none, unless a proxy tells it: then all would share one.
    if address := request.META.get("REMOTE_ADDR"):
        yield f"wrong-passwords:address:{address}", OF_AN_ADDRESS_MAX
