"""Who acts. Made from a credential at the edge, never from a body."""

from dataclasses import dataclass
from enum import StrEnum


class PrincipalKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    AGENT = "agent"
    WORKFLOW = "workflow"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user by primary key, an API key by its prefix, a part of the system by its name."""

    kind: PrincipalKind
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Principal":
        """Read what `str()` wrote.

        :raises ValueError: if `text` names no kind of principal.
        """
        kind, _, id_ = text.partition(":")
        return cls(kind=PrincipalKind(kind), id=id_)


SYSTEM = Principal(kind=PrincipalKind.SYSTEM, id="daybook")
"""Daybook itself: timers, sweepers, migrations."""

ANONYMOUS = Principal(kind=PrincipalKind.ANONYMOUS, id="anonymous")
"""Somebody who showed no credential. May read what is public, and change nothing."""
