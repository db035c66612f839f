"""Group commit: concurrent appends of several threads of a process are one statement.

No thread waits for others to join. While one thread writes, those that come wait; then the
first of them writes for all. A shared statement does not wait for the lock of a stream. If any
part of it fails, nothing is written and each thread writes its own part again, so a failure
reaches only the thread that caused it.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

from events import failpoints, interrupted, wire
from events.failpoints import failpoint

WRITTEN = failpoints.declare("group.written")

PATIENCE_S = 0.5
"""How long to wait for the thread that writes: it may be waiting for a lock itself. Among sixty
threads, each of which makes what it writes before, a turn comes after a tenth of a second."""

MEMBERS_MAX = 100

Rows = list[wire.Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """One part of a statement that writes for several.

    Each of its parameters is a list: `parts` has by name what this one adds to it, or None.
    What is looked at several times is in a list of its own, without what is long: each look
    reads all of the JSON, at 10 microseconds per kilobyte. A row that the statement returns is
    for whom its first column is among the `keys`. The `premise` of several is looked at once.
    """

    parts: Mapping[str, object]
    keys: Sequence[Any] = ()
    premise: str = ""


@dataclass(slots=True, eq=False)
class _Member:
    stream: str
    joint: Callable[[], Joint]
    sql: str
    called: threading.Event = field(init=False)
    """Made for those who wait: most write at once."""
    is_writer: bool = False
    rows: Rows | None = None


class _Turn(AbstractContextManager[Rows | None]):
    """A class: each step of a flow enters one, and a generator takes three times as long."""

    def __init__(self, group: "Group", member: _Member) -> None:
        self._group = group
        self._member = member

    def __enter__(self) -> Rows | None:
        self._group.begin(self._member)
        return self._member.rows

    def __exit__(self, *_how: object) -> None:
        self._group.end(self._member)


class Group:
    """The threads that write. One per process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_writing = False
        self._waiting: list[_Member] = []
        self._db: BaseDatabaseWrapper | None = None

    def turn(
        self, stream: str, sql: str, joint: Callable[[], Joint]
    ) -> AbstractContextManager[Rows | None]:
        """Wait for this thread's turn. Gives its rows if it was written together with others,
        and None if it is to write by itself within the block.

        `joint` is asked only if there are others.
        """
        return _Turn(self, _Member(stream, joint, sql))

    def begin(self, member: _Member) -> None:
        """Wait until `member` is written, or is to write; then write for its company too."""
        try:
            with self._lock:
                if not self._is_writing:
                    # Nobody waits either.
                    self._is_writing = member.is_writer = True
                    return
                member.called = threading.Event()
                self._waiting.append(member)
            self._wait(member)
            if member.is_writer:
                self._write_for(self._company(member))
        except BaseException:
            self._withdraw(member)
            raise

    def end(self, member: _Member) -> None:
        """Let the next one write, if `member` did."""
        if member.is_writer:
            self._pass_on(member)

    def _withdraw(self, member: _Member) -> None:
        """Take away the place of who was interrupted: else it would be called, and not come."""
        with self._lock:
            if member in self._waiting:
                self._waiting.remove(member)
        self.end(member)

    def _wait(self, member: _Member) -> None:
        if member.called.wait(PATIENCE_S):
            return
        with self._lock:
            if member in self._waiting:
                self._waiting.remove(member)
                return
        # It is being written right now, by a statement that waits for no stream.
        member.called.wait()

    def _company(self, writer: _Member) -> list[_Member]:
        """Take those who can be written with `writer`: of the same statement, and a stream each."""
        company = {writer.stream: writer}
        with self._lock:
            for other in self._waiting:
                if other.sql == writer.sql and len(company) < MEMBERS_MAX:
                    company.setdefault(other.stream, other)
            self._waiting = [one for one in self._waiting if one not in company.values()]
        return list(company.values())

    def _write_for(self, company: list[_Member]) -> None:
        if len(company) == 1:
            return
        writer, *others = company
        try:
            self._write_together(company)
        except Error:
            # Each finds out alone whether it is at fault, without blocking the others.
            self._connection().close_if_unusable_or_obsolete()
        except BaseException:
            # Interrupted in mid-statement, whose answer would be taken for that of the next one.
            interrupted.cancel_statement(self._connection())
            self._connection().close()
            raise
        finally:
            # PostgreSQL has nothing to do until the next one writes. Those who are called before
            # it take the interpreter, one after the other, for what each does next.
            try:
                self._pass_on(writer)
            finally:
                for member in others:
                    member.called.set()

    def _write_together(self, company: list[_Member]) -> None:
        joints = [member.joint() for member in company]
        rows = wire.fetch(company[0].sql, _lists_of(joints), db=self._connection())
        failpoint(WRITTEN)
        found = {row[0]: row for row in rows}
        for member, joint in zip(company, joints, strict=True):
            member.rows = [found[key] for key in joint.keys if key in found]

    def _connection(self) -> BaseDatabaseWrapper:
        """Return the connection of all that is written together, which only the writer uses.

        Each thread's own would do, but a process of PostgreSQL for each would have to plan
        these statements, and few of them come to any one.
        """
        if self._db is None:
            self._db = wire.connection().copy()
            self._db.inc_thread_sharing()
        return self._db

    def forget(self) -> None:
        """A forked child has its parent's connection, which it must leave alone, and the places
        of its parent's threads, but none of these threads."""
        self._db = None
        self._lock = threading.Lock()
        self._is_writing = False
        self._waiting = []

    def _pass_on(self, writer: _Member) -> None:
        with self._lock:
            if not writer.is_writer:
                return
            writer.is_writer = False
            if not self._waiting:
                self._is_writing = False
                return
            following = self._waiting.pop(0)
            following.is_writer = True
        following.called.set()


def _lists_of(joints: Sequence[Joint]) -> dict[str, wire.JsonText]:
    """Return the parameters of a statement for all; a list without parts is empty."""
    lists: defaultdict[str, list[object]] = defaultdict(list)
    for joint in joints:
        for name, part in joint.parts.items():
            if part is not None:
                lists[name].append(part)
    written = {name: wire.JsonText(orjson.dumps(parts)) for name, parts in lists.items()}
    premises = ",".join({one.premise for one in joints if one.premise})
    written["premises"] = wire.JsonText(b"[%s]" % premises.encode())
    return defaultdict(lambda: wire.JsonText(b"[]"), written)


group = Group()
os.register_at_fork(after_in_child=group.forget)
