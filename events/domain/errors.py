"""The base classes of anticipated errors. Any other exception is a bug.

Subclasses own their message and hint: callers pass facts, never text.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """An anticipated failure, with a stable code for programs and a hint for people.

    `facts` are JSON-able. `pointer` is the JSON pointer of the offending part of the
    input, where there is one.
    """

    code: ClassVar[str]
    hint: ClassVar[str] = ""

    def __init__(self, message: str, *, pointer: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.pointer = pointer
        self.facts = facts

    @property
    def sentences(self) -> str:
        """The message and the hint as people read them: some messages are a protocol's words."""
        says = str(self)
        stop = "" if not self.hint or says.endswith((".", "?", "!")) else "."
        return f"{says}{stop} {self.hint}".strip()


class Malformed(DomainError):
    """The input is malformed; only the caller can fix it."""


class Unauthenticated(DomainError):
    """The credential is missing, wrong, or no longer valid."""


class TooLarge(DomainError):
    """The input exceeds a size limit."""


class Rejected(DomainError):
    """The command makes no sense in the current state; repeating it will not help."""


class NotFound(DomainError):
    """The object does not exist, or not for this principal."""

    hint: ClassVar[str] = "Take the id from a list; what you may not see is not found either."


class Forbidden(DomainError):
    """The principal is known, but lacks the permission."""


class Throttled(DomainError):
    """The principal has exceeded a rate limit, and may try again later."""

    retry_after_seconds: ClassVar[int] = 60


class Conflict(DomainError):
    """Someone else got there first; reload and decide again."""


class PreconditionFailed(DomainError):
    """The object has changed since the caller last read it."""


class PreconditionRequired(DomainError):
    """The request lacks a required header: `If-Match`, or the access reason."""


class Unavailable(DomainError):
    """A transient fault of a dependency. The only family that is worth a retry."""

    retry_after_seconds: ClassVar[int] = 1
