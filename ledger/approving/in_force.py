"""The policies in force: cached by each process, validated by the database.

A version in force never changes; whenever the set changes, so does its mark, which the entry's
statement compares. Reading the rows for every action cost more than writing its entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import LiteralString
from uuid import UUID

from events import wire
from events.domain.principal import PrincipalKind
from ledger import statements
from ledger.domain.policy import Policy
from ledger.models import ApprovalPolicyVersion


@dataclass(frozen=True, slots=True)
class InForce:
    """The policies that were in force at one time."""

    mark: UUID
    rows: Sequence[ApprovalPolicyVersion]
    rules: Sequence[Policy]
    _about: dict[tuple[str, PrincipalKind], list[Policy]] = field(default_factory=dict)

    def about(self, capability_id: str, kind: PrincipalKind) -> list[Policy]:
        """Return the policies that cover it; computed once."""
        key = (capability_id, kind)
        if key not in self._about:
            self._about[key] = [each for each in self.rules if each.is_about(capability_id, kind)]
        return self._about[key]


class _Seen:
    last: InForce | None = None


def last_seen() -> InForce:
    """Return the cached policies. Others may be in force by now."""
    return _Seen.last or look()


def look() -> InForce:
    """Read the policies in force, as this transaction sees them, and cache them."""
    [(mark, ids)] = wire.run(_IN_FORCE)
    seen = _Seen.last
    if seen is None or seen.mark != mark:
        rows = ApprovalPolicyVersion.objects.select_related("assigned_group").in_bulk(ids)
        in_order = [rows[id_] for id_ in ids]
        seen = _Seen.last = InForce(mark, in_order, [each.rule for each in in_order])
    return seen  # Another thread may have seen others since.


# Relies on ledger_policy_has_one_version_in_force.
_IN_FORCE: LiteralString = f"""
SELECT {statements.MARK_IN_FORCE}, ARRAY(
  SELECT id FROM ledger_approvalpolicyversion WHERE status = 'active' ORDER BY name
)
"""  # noqa: S608
