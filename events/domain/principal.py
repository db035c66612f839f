"""The principal: who acts. Made from a credential at the edge, never from a body.

The delegation under which an agent acts is part of its principal, so it goes wherever the
principal goes: into every event, row of work and message header.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_UNDER = "@"


class PrincipalKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    AGENT = "agent"
    WORKFLOW = "workflow"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A user by primary key, an API key by its prefix, an agent by its id, a part of the
    system by its name. Written as `kind:id`, for an agent as `agent:id@delegation`."""

    kind: PrincipalKind
    id: str
    delegation_id: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}{_UNDER}{self.delegation_id}".removesuffix(_UNDER)

    def as_json(self) -> dict[str, str]:
        """Return the public shape: what is empty is left out."""
        data = {"kind": self.kind.value, "id": self.id, "delegationId": self.delegation_id}
        return {name: value for name, value in data.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> "Principal":
        """Read what `as_json` wrote."""
        kind = PrincipalKind(data["kind"])
        return cls(kind=kind, id=data["id"], delegation_id=data.get("delegationId", ""))

    @classmethod
    def parse(cls, text: str) -> "Principal":
        """Read what `str()` wrote.

        :raises ValueError: if `text` names no kind of principal.
        """
        kind, _, id_ = text.partition(":")
        if kind != PrincipalKind.AGENT:
            return cls(kind=PrincipalKind(kind), id=id_)
        id_, _, delegation_id = id_.partition(_UNDER)
        return cls(kind=PrincipalKind.AGENT, id=id_, delegation_id=delegation_id)


SYSTEM = Principal(kind=PrincipalKind.SYSTEM, id="daybook")
"""Daybook itself: timers, sweepers, migrations."""

ANONYMOUS = Principal(kind=PrincipalKind.ANONYMOUS, id="anonymous")
"""Somebody who showed no credential. May read what is public, and change nothing."""
