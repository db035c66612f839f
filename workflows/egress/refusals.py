"""The errors of outgoing calls."""

from typing import ClassVar

from events.domain.errors import Rejected, Unavailable


class EgressRefused(Rejected):
    """The call is not allowed, or was aborted. Repeating it will not help."""

    code = "egress_refused"
    hint = "Use a public http(s) address, or have the operator allow the network."

    def __init__(self, reason: str, *, host: str = "") -> None:
        super().__init__(f"The call was refused: {reason}.", reason=reason, host=host)


class EgressFailed(Unavailable):
    """The call failed; another attempt may succeed."""

    code = "egress_failed"
    hint = "Check whether the other service responds; the call may be tried again."
    error_class: ClassVar[str] = "network"

    def __init__(self, reason: str, *, host: str = "") -> None:
        super().__init__(f"The call failed: {reason}.", reason=reason, host=host)


class EgressTimedOut(EgressFailed):
    """The call did not end within its deadline."""

    code = "egress_timed_out"
    hint = "Have the other service respond faster, or raise the timeout."
    error_class: ClassVar[str] = "timeout"


class AnswerTooLarge(Rejected):
    """The response exceeds the size limit of the caller, after decompression."""

    code = "egress_answer_too_large"
    hint = "Have the other service send a smaller response."

    def __init__(self, *, host: str, what: str, limit: int) -> None:
        super().__init__(f"The {what} exceeds {limit} bytes.", host=host, what=what, limit=limit)
