"""The errors of outgoing calls."""

from typing import ClassVar

from events.domain.errors import Rejected, Unavailable


class EgressRefused(Rejected):
    """We would not make this call, or not go on with it. Repeating it changes nothing."""

    code = "egress_refused"
    hint = "Use a public http(s) address, or have the operator allow the network."

    def __init__(self, reason: str, *, host: str = "") -> None:
        super().__init__(f"The call was refused: {reason}.", reason=reason, host=host)


class EgressFailed(Unavailable):
    """The call was made and came to nothing; another attempt may succeed."""

    code = "egress_failed"
    hint = "Look whether the other side answers; the call may be tried again."
    error_class: ClassVar[str] = "network"

    def __init__(self, reason: str, *, host: str = "") -> None:
        super().__init__(f"The call failed: {reason}.", reason=reason, host=host)


class EgressTimedOut(EgressFailed):
    """The whole exchange did not end within its deadline."""

    code = "egress_timed_out"
    hint = "Let the other side answer sooner, or allow it more time."
    error_class: ClassVar[str] = "timeout"


class AnswerTooLarge(Rejected):
    """The answer exceeds what the caller is willing to read, after decompression."""

    code = "egress_answer_too_large"
    hint = "Let the other side answer less."

    def __init__(self, *, host: str, what: str, limit: int) -> None:
        super().__init__(f"The {what} exceeds {limit} bytes.", host=host, what=what, limit=limit)
