"""Step-up authentication: whether a logged-in user has just entered their password again.

Critical decisions are not made from a session that was left open: the password is asked for
again, and counts for five minutes of the same session.
"""

import time
from typing import Any, Final

from django.contrib.auth import authenticate
from django.http import HttpRequest

from ledger.access import guesses

FRESH_FOR_S: Final = 300
_PROVED_AT: Final = "daybook_proved_at"


def prove(request: HttpRequest, password: str) -> bool:
    """Return whether this is the password of the user who is logged in; if so, remember that.

    :raises TooManyWrongPasswords: if too many were wrong before.
    """
    username = request.user.get_username()
    guesses.check(request, account=username)
    user = authenticate(request, username=username, password=password)
    if user is None or user.pk != request.user.pk:
        guesses.note_wrong(request, account=username)
        return False
    request.session[_PROVED_AT] = time.time()
    return True


def is_fresh(request: Any) -> bool:
    """Return whether the password was entered in this session within the last minutes."""
    session = getattr(request, "session", None)
    proved_at = session.get(_PROVED_AT, 0.0) if session is not None else 0.0
    return bool(0 <= time.time() - proved_at <= FRESH_FOR_S)
