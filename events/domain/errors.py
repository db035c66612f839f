"""The anticipated ways to say no. Anything else that is raised is a bug.

Subclasses own their message and their hint: callers pass facts, never text.
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
    """The input cannot be read at all; only the caller can mend it."""


class Unauthenticated(DomainError):
    """The credential is missing, wrong, or no longer good."""


class TooLarge(DomainError):
    """The input is larger than we are willing to read."""


class Rejected(DomainError):
    """The command makes no sense in the current state; repeating it will not help."""


class NotFound(DomainError):
    """There is no such thing, or not for this principal."""

    hint: ClassVar[str] = "Take the id from a list; what you may not see is not found either."


class Forbidden(DomainError):
    """The principal is known, and may not."""


class Throttled(DomainError):
    """The principal may, but not so often; later it may again."""

    retry_after_seconds: ClassVar[int] = 60


class Conflict(DomainError):
    """Someone else got there first; reload and decide again."""


class PreconditionFailed(DomainError):
    """The thing is no longer as the caller last saw it."""


class PreconditionRequired(DomainError):
    """The caller must say more first: which version it means, or why it looks."""


class Unavailable(DomainError):
    """A passing fault of something we depend on. The only family that is worth a retry."""

    retry_after_seconds: ClassVar[int] = 1
