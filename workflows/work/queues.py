"""The queues that kinds of work wait in, and what Celery calls them (ADR 0185).

A kind names its queue where it is declared; `WORK_QUEUES` gives it another. For each queue there
is one of Celery's, so that an operator decides by `-Q` which workers take from which.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

DEFAULT: Final = "default"
"""Celery's own default queue."""
WEBHOOKS: Final = "webhooks"
"""Calls of addresses that users entered, for which nothing in the product waits."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def celery_name(queue: str, default: str) -> str:
    """Return what Celery calls `queue`, where it calls its default queue `default`."""
    return default if queue == DEFAULT else f"{default}.{queue}"


def named(celery_name: str | None, default: str) -> str:
    """Return the queue that Celery calls so: the reverse of `celery_name`."""
    if celery_name is None or celery_name == default:
        return DEFAULT
    return celery_name.removeprefix(f"{default}.")


def declared(default: str, routes: Mapping[str, str]) -> list[Queue]:
    """Return the queues of Celery for every kind, as Celery itself would declare them.

    A worker that is started without `-Q` takes from all of them.
    """
    every = sorted({DEFAULT, WEBHOOKS, *routes.values()})
    names = [celery_name(queue, default) for queue in every]
    return [Queue(name, Exchange(name), name) for name in names]


def added_by(routes: Mapping[str, str]) -> list[str]:
    """Return the queues, in order, that are there only because of `routes`."""
    return sorted({*routes.values()} - {DEFAULT, WEBHOOKS})


def routes(pairs: Iterable[str]) -> dict[str, str]:
    """Read `kind=queue` pairs.

    :raises ImproperlyConfigured: if one is none, or names a kind twice.
    """
    found: dict[str, str] = {}
    for pair in pairs:
        kind, _, queue = (part.strip() for part in pair.partition("="))
        if not kind or not _NAME.fullmatch(queue):
            raise ImproperlyConfigured(
                f"WORK_QUEUES says {pair!r}; say kind=queue, the name of a queue in lower case "
                "(a letter, then letters, digits, - and _; 40 at most)."
            )
        if kind in found:
            raise ImproperlyConfigured(f"WORK_QUEUES names {kind} twice.")
        found[kind] = queue
    return found
