"""The statement that writes an entry with its details, built once per set of columns.

Most columns of most entries are empty and have defaults, so they are not sent: forty values
took a client as long to send as all the rest of an entry.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final, LiteralString

from ledger.reversing import standings

MARK_IN_FORCE: Final[LiteralString] = """
coalesce((SELECT mark FROM ledger_policiesinforce), '00000000-0000-0000-0000-000000000000')
"""
"""What is another one each time that other policies are in force. A trigger sees to that."""

_REMARK: Final[LiteralString] = """
, remark AS (
  INSERT INTO ledger_remark (entry_id, text, salt)
  SELECT id, %(remark)s, %(remark_salt)s FROM entry
)
"""

POLICIES_MOVED: Final = "DB004"
"""SQLSTATE of our own, raised by `ledger_demand_policies`."""

# Asking for the policies in a statement of their own cost as much as writing the entry.
_IF_ASKED: Final[LiteralString] = f" WHERE %(policies)s::uuid = {MARK_IN_FORCE}"
# The function says no better than any other expression could, and takes longest to say yes.
_OR_REFUSE: Final[LiteralString] = (
    f" WHERE CASE WHEN %(policies)s::uuid = {MARK_IN_FORCE} THEN true"
    " ELSE ledger_demand_policies(%(policies)s::uuid) END"
)

_DISCLOSURE: Final[LiteralString] = """
, disclosure AS (
  INSERT INTO ledger_disclosure (entry_id, disclosed_fields, decision_policy)
  SELECT id, %(disclosed_fields)s, %(decision_policy)s FROM entry
)
"""

_CASTS: Final = {"risk_facts": "::jsonb", "reversal_follow_ups": "::varchar[]"}


@cache
def insert(
    columns: tuple[str, ...],
    *,
    when: LiteralString,
    has_standing: bool = False,
    has_remark: bool = False,
    has_disclosure: bool = False,
) -> LiteralString:
    """Return what inserts these columns of an entry.

    Its parameters have the names of the columns; `when` is a `condition`. With `has_standing`
    it writes what `standings.INSERT` does, with `has_remark` the words of a reason beside the
    entry, with `has_disclosure` which fields were looked at.
    """
    beside = standings.INSERT if has_standing else ""
    beside += _REMARK if has_remark else ""
    beside += _DISCLOSURE if has_disclosure else ""
    entry = (
        f"INSERT INTO ledger_entry ({', '.join(columns)}) "
        f"SELECT {', '.join(_values(columns))}{when}"
    )
    # Foreign keys are checked when the statement is over: all of it comes in one.
    return f"WITH entry AS ({entry} RETURNING id) {beside}SELECT FROM entry" if beside else entry


def condition(*, is_asked: bool, refuses: bool) -> LiteralString:
    """Return what lets an entry in only if `policies` are in force, if it `is_asked`.

    Else nothing is inserted, or the statement fails with POLICIES_MOVED if it `refuses`.
    """
    if not is_asked:
        return ""
    return _OR_REFUSE if refuses else _IF_ASKED


def _values(columns: Iterable[str]) -> list[str]:
    return [f"%({name})s{_CASTS.get(name, '')}" for name in columns]
