"""The reasons for which the server closes a socket."""

from dataclasses import dataclass

FAILED = 1011
RESTARTING = 1012
CREDENTIAL_ENDED = 4401
LAGGING = 4408


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseReason:
    """A WebSocket close code, its reason, and perhaps a last frame before it."""

    code: int
    reason: str
    last_frame: str | None = None


def failed() -> CloseReason:
    return CloseReason(code=FAILED, reason="something broke here; come back")


def restarting() -> CloseReason:
    return CloseReason(code=RESTARTING, reason="the server restarts; come back")


def credential_ended() -> CloseReason:
    return CloseReason(code=CREDENTIAL_ENDED, reason="the credential has ended")


def lagging(after: int, last_frame: str | None) -> CloseReason:
    return CloseReason(code=LAGGING, reason=f"lagging, resume after {after}", last_frame=last_frame)
