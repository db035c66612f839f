"""The statement that writes an entry with its details, built once per set of columns.

Most columns of most entries are empty and have defaults, so they are not sent: forty values
took a client as long to send as all the rest of an entry.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, LiteralString
from uuid import UUID

import orjson

from events.companions import Beside
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


BESIDE: Final[LiteralString] = "entry"
"""What the WITH of an entry is called that is written beside an append."""

_WRITTEN_TOGETHER: Final = (
    "id", "occurred_at", "action_name", "action_version", "action_kind", "status",
    "evaluated_risk", "actor_type", "principal_type", "principal_id", "principal_subtype",
    "session_id", "api_token_id", "internal_request", "caller_type", "route_or_tool_name",
    "correlation_id", "causation_id", "idempotency_scope", "idempotency_key",
    "idempotency_fingerprint", "target_type", "target_id", "capability_id",
    "capability_version", "authorization_source", "delegated_by_type", "delegated_by_id",
    "workflow_run_id", "workflow_step_id", "body", "digest", "command_result_ref", "summary",
    "risk_facts",
)  # fmt: skip

_NULLABLE: Final = frozenset({"idempotency_scope", "idempotency_key"})
_OTHERWISE: Final[dict[str, object]] = {"internal_request": False, "risk_facts": {}}
_ABSENT: Final = {
    name: _OTHERWISE.get(name, None if name in _NULLABLE else "") for name in _WRITTEN_TOGETHER
}

INSERT_TOGETHER: Final[LiteralString] = (
    f"INSERT INTO ledger_entry ({', '.join(_WRITTEN_TOGETHER)}) "  # noqa: S608 (names of our own)
    f"SELECT {', '.join(_WRITTEN_TOGETHER)} "
    f"FROM json_populate_recordset(NULL::ledger_entry, %({BESIDE})s::json)"
)
"""Inserts a list of entries, each as `_together` returns it."""


def beside(columns: Mapping[str, Any], *, policies: UUID | None) -> Beside:
    """Return what writes an entry beside an append, if those `policies` are in force.

    None if none had to be asked: only then can it be written together with others.
    """
    row: dict[str, object] = {f"{BESIDE}_{name}": value for name, value in columns.items()}
    if "risk_facts" in columns:
        row[f"{BESIDE}_risk_facts"] = orjson.dumps(columns["risk_facts"]).decode()
    if policies is not None:
        row[f"{BESIDE}_policies"] = policies
    can_join = policies is None and columns.keys() <= _ABSENT.keys()
    return Beside(
        name=BESIDE,
        sql=_insert_beside(tuple(columns), is_asked=policies is not None),
        params=row,
        part=(lambda: _together(columns)) if can_join else None,
    )


@cache
def _insert_beside(columns: tuple[str, ...], *, is_asked: bool) -> LiteralString:
    when = condition(is_asked=is_asked, refuses=True)
    return _PARAMETER.sub(rf"%({BESIDE}_\1)s", insert(columns, when=when))


def _together(columns: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns of an entry for `INSERT_TOGETHER`."""
    return {**_ABSENT, **columns, "body": f"\\x{columns['body'].hex()}"}


_PARAMETER: Final = re.compile(r"%\((\w+)\)s")


def condition(*, is_asked: bool, refuses: bool) -> LiteralString:
    """Return what lets an entry in only if `policies` are in force, if it `is_asked`.

    Else nothing is inserted, or the statement fails with POLICIES_MOVED if it `refuses`.
    """
    if not is_asked:
        return ""
    return _OR_REFUSE if refuses else _IF_ASKED


def _values(columns: Iterable[str]) -> list[str]:
    return [f"%({name})s{_CASTS.get(name, '')}" for name in columns]
