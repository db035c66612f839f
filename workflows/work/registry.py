"""The kinds of work this process can do. Each app declares its own in jobs.py."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings

from events import wire
from events.domain import schema
from events.domain.errors import Conflict, Forbidden, NotFound, Rejected
from workflows.work import queues
from workflows.work.domain.claim import Claim, PermanentFailure
from workflows.work.domain.retry import RetryPolicy

JSON = Any
Handler = Callable[[Claim], JSON]

_PERMANENT: tuple[type[Exception], ...] = (PermanentFailure, Rejected, NotFound, Forbidden)
"""What says of itself that repeating will not help."""

CRASH_BUDGET = 3


class KindUnknown(Rejected):
    code = "job_kind_unknown"
    hint = "GET /api/v1/jobs shows kinds that are in use; apps declare theirs in jobs.py."

    def __init__(self, name: str, *, pointer: str = "/name") -> None:
        near = get_close_matches(name, [kind.name for kind in all_kinds() if kind.public], n=1)
        says = f"There is no kind of work called {name!r}"
        super().__init__(
            f"{says}; did you mean {near[0]}?" if near else f"{says}.", pointer=pointer, name=name
        )


class InputInvalid(Rejected):
    code = "job_input_invalid"
    hint = "Correct the input; see the schema of this kind."

    def __init__(self, kind: str, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            f"The input of {kind} is not valid: {problems[0][1]}.",
            pointer=problems[0][0],
            kind=kind,
            errors=[{"pointer": pointer, "detail": detail} for pointer, detail in problems],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkKind:
    """How one kind of work is done, and what happens when it goes wrong.

    - `light`: it is quick, and cheap to repeat. Many rows share one claim and one completion,
      except a row that has already lost a worker.
    - `permanent`: the exceptions after which it becomes a dead letter at once.
    - `capability`: needed, besides that of enqueueing, to enqueue it over the API.
    - `housekeeping`: a schedule enqueues it. Lists may leave out what went well, which is deleted
      after WORK_HOUSEKEEPING_DAYS (`retention`).
    - `queue`: work waits only for work of its own queue, where each queue has workers (`queues`).
    - `part_of`: names what waits for its outcome ("a flow"). Such work cannot be cancelled or
      discarded, because what waits for it would never end.
    - `reads`: returns the query for what the handler needs to know, by the id of the work. It
      shares the round trip of the claim where possible (`Watch.read`), and has to find no rows for
      the id of another kind of work.
    """

    name: str
    handler: Handler
    input_schema: dict[str, Any] | None = None
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_s: float = 60
    permanent: tuple[type[Exception], ...] = ()
    light: bool = False
    queue: str = queues.DEFAULT
    crash_budget: int = CRASH_BUDGET
    public: bool = False
    capability: str = ""
    housekeeping: bool = False
    part_of: str = ""
    reads: Callable[[UUID], wire.Statement] | None = None

    def __post_init__(self) -> None:
        assert self.timeout_s > 0, "an attempt takes some time"
        assert self.crash_budget >= 1, "one crash at least is tolerated"
        if self.input_schema is not None:
            schema.check(self.input_schema)

    def is_permanent(self, error: BaseException) -> bool:
        """Return whether trying again after `error` is pointless."""
        return isinstance(error, _PERMANENT + self.permanent)

    def validate(self, value: JSON) -> None:
        """Do nothing if `value` is an input that this kind takes.

        :raises InputInvalid: with a JSON pointer for each problem.
        """
        if self.input_schema is None:
            return
        problems = schema.faults(self.input_schema, value, at="/input")
        if problems:
            raise InputInvalid(self.name, problems)


class KindTaken(Conflict):
    code: ClassVar[str] = "job_kind_taken"
    hint = "Give one of the two handlers another name."

    def __init__(self, name: str) -> None:
        super().__init__(f"Two handlers are registered as {name!r}.", name=name)


_kinds: dict[str, WorkKind] = {}


def register(kind: WorkKind) -> None:
    """Make `kind` known to this process, in the queue that WORK_QUEUES gives it if it does.

    :raises KindTaken: if another handler has that name.
    """
    queue = settings.WORK_QUEUES.get(kind.name)
    if queue is not None:
        kind = replace(kind, queue=queue)
    known = _kinds.get(kind.name)
    if known is not None and known.handler is not kind.handler:
        raise KindTaken(kind.name)
    _kinds[kind.name] = kind


def all_reads() -> list[Callable[[UUID], wire.Statement]]:
    """Return what the kinds of this process read with their claims."""
    return list(dict.fromkeys(kind.reads for kind in _kinds.values() if kind.reads is not None))


def job(name: str, **options: Any) -> Callable[[Handler], Handler]:
    """Register the decorated `handler(claim)` as the way to do work called `name`.

    Options are the fields of WorkKind. The handler runs outside any transaction, at
    least once; what it returns is the result.
    """

    def decorate(handler: Handler) -> Handler:
        register(WorkKind(name=name, handler=handler, **options))
        return handler

    return decorate


def get(name: str, *, pointer: str = "/name") -> WorkKind:
    """Return the kind called `name`, which `pointer` of the input says.

    :raises KindUnknown: if this process has none.
    """
    try:
        return _kinds[name]
    except KeyError:
        raise KindUnknown(name, pointer=pointer) from None


def is_known(name: str) -> bool:
    """Return whether this process can do work of this name."""
    return name in _kinds


def whole_of(name: str) -> str:
    """Return what work of this name is a part of; empty if it stands alone or is not known."""
    return _kinds[name].part_of if name in _kinds else ""


def parts() -> list[str]:
    """Return the names of all kinds that are parts of something else."""
    return [name for name in sorted(_kinds) if _kinds[name].part_of]


def all_kinds() -> list[WorkKind]:
    """Return every kind, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def names(*, queue: str | None = None) -> list[str]:
    """Return the names of the kinds that this process can do, of one queue or of all."""
    return [kind.name for kind in all_kinds() if queue is None or kind.queue == queue]


def all_queues() -> list[str]:
    """Return every queue that some kind waits in, by name."""
    return sorted({kind.queue for kind in _kinds.values()})


def housekeeping() -> list[str]:
    """Return the names of the kinds that come round by themselves."""
    return [kind.name for kind in all_kinds() if kind.housekeeping]


def forget(name: str) -> None:
    """Take a kind away again. For tests and for nothing else."""
    _kinds.pop(name, None)
