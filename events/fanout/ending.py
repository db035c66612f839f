"""Why the server ends a conversation."""

from dataclasses import dataclass

FAILED = 1011
RESTARTING = 1012
CREDENTIAL_ENDED = 4401
LAGGING = 4408


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A WebSocket close code, its reason, and perhaps a last frame before it."""

    code: int
    reason: str
    farewell: str | None = None


def failed() -> Ending:
    return Ending(code=FAILED, reason="something broke here; come back")


def restarting() -> Ending:
    return Ending(code=RESTARTING, reason="the server restarts; come back")


def credential_ended() -> Ending:
    return Ending(code=CREDENTIAL_ENDED, reason="the credential has ended")


def lagging(after: int, farewell: str | None) -> Ending:
    return Ending(code=LAGGING, reason=f"lagging, resume after {after}", farewell=farewell)
