"""Appends that are written in one statement with what else belongs to them, and with others'.

`append_with` writes at once; an append that is `Deferred` waits for what its transaction writes
last, and is one statement with it, which needs no BEGIN and no COMMIT.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, LiteralString, NamedTuple

import orjson
from django.db import DatabaseError

from events import finishing, store, wire
from events.domain.draft import Draft, Provenance
from events.domain.envelope import Stream
from events.domain.streams import key_of
from events.group_commit import Joint, Rows, group
from events.store import Appending

PREMISE_MOVED: Final = "DB005"
"""SQLSTATE of our own, raised by `events_demand_premises`."""

JOINT_APPEND: Final[LiteralString] = (
    f"events_demand_premises(%(premises)s::json, {store.APPENDED_MANY})"
)


class PremiseMoved(Exception):
    """Control flow: what was decided on another stream's state is to be decided again."""


class Premise(NamedTuple):
    """Where a stream was when it was read, and has to be when what follows from it is written."""

    stream: Stream
    sequence: int
    event_id: str

    def text(self) -> str:
        """Return it as `events_demand_premises` reads it."""
        at = {"sequence": self.sequence, "event_id": self.event_id}
        return orjson.dumps({"stream": key_of(self.stream), **at}).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a companion statement writes besides, as `name` in its WITH.

    Where several are written together it is an item of the list of that name: what `part`
    returns. Without `part` it cannot be written so.
    """

    name: LiteralString
    sql: LiteralString
    params: Mapping[str, object]
    part: Callable[[], object] | None = None


class CompanionStatement(NamedTuple):
    """What else is written in the statement of an append: one round trip, all or nothing.

    In `sql`, `{head}` stands for the new head of the stream, an integer: a function that
    takes it as an argument runs after the append, under the lock of the stream. `on_rows` is
    told the rows; `refusal` turns an SQLSTATE and its detail into an exception of its own.
    With `joint_sql` it can be written in one statement with those of other streams
    (group_commit), whose append is `JOINT_APPEND`; `joint` gives this one's part.
    An append whose rows the transaction need not know may be `deferred`.
    """

    sql: LiteralString
    params: Mapping[str, object]
    on_rows: Callable[[list[wire.Row]], None]
    refusal: Callable[[str, str], Exception | None]
    joint_sql: LiteralString = ""
    joint: Callable[[], Joint] | None = None
    beside: Sequence[Beside] = ()
    premise: Premise | None = None
    deferred: "Deferred | None" = None


class _Append(NamedTuple):
    """An append on its way, with its companion. Without `new` events only that is written."""

    stream: Stream
    expected: int
    new: Appending
    companion: CompanionStatement

    def write(self, *, is_transaction: bool) -> Rows:
        """Write it; if it `is_transaction` of its own, then perhaps together with others."""
        with self._turn() if is_transaction else nullcontext() as together:
            return self._written(is_transaction) if together is None else together

    def write_last(self, *, guarded: bool) -> Rows:
        """Write it as the last of an open transaction, and commit."""
        try:
            [rows] = finishing.commit_with([self.statement()], guarded=guarded)
        except DatabaseError as error:
            raise self._refusal(error) or error from error.__cause__
        return rows

    def statement(self) -> wire.Statement:
        """Return the statement that writes it."""
        companion, new = self.companion, self.new
        params: dict[str, object] = {"head": self.expected}
        head: LiteralString = "%(head)s::int"
        if new.records:
            head, params = new.sql, new.params()
        if companion.premise is not None:
            head = f"events_demand_premises(%(premises)s::json, {head})"
            params["premises"] = f"[{companion.premise.text()}]"
        params.update(companion.params)
        sql = _with_head(companion.sql, head)
        if companion.beside:
            members = []
            for one in companion.beside:
                members.append(f"{one.name} AS ({one.sql})")
                params.update(one.params)
            sql = f"WITH {', '.join(members)} {sql}"
        return sql, params

    def _turn(self) -> AbstractContextManager[Rows | None]:
        """Write together with other threads, if all of it can be."""
        companion = self.companion
        ours = companion.joint
        if ours is None or None in [one.part for one in companion.beside]:
            return nullcontext()

        def joint() -> Joint:
            part = ours()
            beside = {one.name: one.part() for one in companion.beside if one.part is not None}
            return replace(
                part,
                parts={**self.new.parts(), **part.parts, **beside},
                premise=companion.premise.text() if companion.premise else "",
            )

        return group.turn(str(self.new.common["stream"]), companion.joint_sql, joint)

    def _written(self, is_transaction: bool) -> Rows:  # noqa: FBT001 - said by its only caller.
        try:
            return wire.fetch(*self.statement(), begins=not is_transaction)
        except DatabaseError as error:
            raise self._refusal(error) or error from error.__cause__

    def _refusal(self, error: DatabaseError) -> Exception | None:
        state, detail = store.diagnosis(error)
        if state == PREMISE_MOVED:
            return PremiseMoved(detail)
        moved = store.refusal(error, self.stream, self.expected)
        return moved or self.companion.refusal(state, detail)


@lru_cache(maxsize=64)
def _with_head(sql: LiteralString, head: LiteralString) -> LiteralString:
    # The same text is found among the prepared statements at once, without its being read.
    return sql.replace("{head}", head)


class Deferred:
    """Holds an append back, so that it can be one statement with the last of its transaction."""

    def __init__(self) -> None:
        self._held: _Append | None = None
        self._rows: Rows = []

    def hold(self, append: _Append) -> None:
        """Hold `append` back. Its rows are told after the commit."""
        assert self._held is None, "a transaction has one deferred append"
        self._held = append
        # Now: what rings for its work is to come before what else follows the commit.
        wire.after_commit(lambda: append.companion.on_rows(self._rows))

    def write(self) -> None:
        """Write what is held back, if anything is, in the transaction of the caller.

        Raises as `append_with` does.
        """
        held, self._held = self._held, None
        if held is not None:
            self._rows = held.write(is_transaction=False)

    def write_with(self, beside: Beside, *, guarded: bool = False) -> bool:
        """Write it in one statement with `beside`, and commit. Return False if nothing is held.

        For who could `finishing.commit_with`, and with `guarded` as there. Raises as
        `append_with` does; then it is held as before.
        """
        held = self._held
        if held is None:
            return False
        companion = held.companion._replace(beside=[*held.companion.beside, beside])
        last = held._replace(companion=companion)
        if finishing.has_begun():
            self._rows = last.write_last(guarded=guarded)
        else:
            self._rows = last.write(is_transaction=True)
        self._held = None
        return True


def append_with(
    companion: CompanionStatement,
    stream: Stream,
    drafts: Sequence[Draft],
    provenance: Provenance,
    *,
    expected: int,
) -> None:
    """Append as `store.append` does, and write `companion` in the same statement.

    Without `drafts` only the companion is written, whatever the stream has become. What is
    deferred raises when it is written.

    :raises StreamMoved: if there are drafts and the stream is not at `expected`.
    :raises PremiseMoved: if the premise of the companion holds no longer.
    """
    new = store.appending(stream, drafts, provenance, expected=expected, once=False)
    append = _Append(stream=stream, expected=expected, new=new, companion=companion)
    if companion.deferred is not None and drafts:
        companion.deferred.hold(append)
    else:
        is_transaction = bool(drafts) and not wire.connection().in_atomic_block
        companion.on_rows(append.write(is_transaction=is_transaction))
