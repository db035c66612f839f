"""Carries the context (principal, correlation) in the headers of every Celery message."""

import select
from contextlib import ExitStack
from typing import Any, Final

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.db import connections

from config import logs
from events import context

_HEADERS: Final = ("daybook_principal", "daybook_correlation", "daybook_causation")

_entered: dict[str, ExitStack] = {}


def connect() -> None:
    """Wire it up; twice does no harm."""
    before_task_publish.connect(_send, weak=False, dispatch_uid="daybook.context.send")
    task_prerun.connect(_enter, weak=False, dispatch_uid="daybook.context.enter")
    task_postrun.connect(_leave, weak=False, dispatch_uid="daybook.context.leave")


def _send(headers: dict[str, Any] | None = None, **_signal: Any) -> None:
    if headers is not None:
        headers.update(context.as_headers())


def _enter(task_id: str, task: Any, **_signal: Any) -> None:
    stack = _entered[task_id] = ExitStack()
    token = logs.request_id.set(f"task:{task_id}")
    stack.callback(logs.request_id.reset, token)
    if task.request.is_eager:
        return  # Nothing was sent: the task runs in the caller's own context.
    _renew_connections()
    sent = {name: task.request.get(name) for name in _HEADERS}
    stack.enter_context(
        context.from_headers({name: text for name, text in sent.items() if text is not None})
    )


def _renew_connections() -> None:
    """Close the connections that were lost, or grew too old, since the last task.

    A new connection for each task would cost more than most tasks do: its process of PostgreSQL has
    no table, function or prepared statement cached. Nor is the connection probed before every task,
    which takes a round trip: a server that hangs up sends something first.
    """
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
        if connection.connection is not None and _is_silent(connection.connection):
            connection.health_check_done = True  # type: ignore[attr-defined]  # Its stubs lack it.
        else:
            connection.close_if_health_check_failed()


def _is_silent(connection: Any) -> bool:
    """Return whether nothing has come from the server since its last answer: no end either."""
    if connection.closed:
        return False
    looks = select.poll()
    looks.register(connection.fileno(), select.POLLIN)
    return not looks.poll(0)


def _leave(task_id: str, **_signal: Any) -> None:
    stack = _entered.pop(task_id, None)
    if stack is not None:
        stack.close()
