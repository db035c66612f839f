"""Named points at which a test can make this process die, stop, raise or sleep.

`FAILPOINTS=sequencer.before_commit:kill:0.3:42,worker.claimed:sleep=2` in the environment:
name, action (kill, stop, raise, sleep=SECONDS), probability, seed. Without it a failpoint
is one lookup in an empty dict.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from django.core.exceptions import ImproperlyConfigured

HITS: Counter[str] = Counter()
"""How often each point was passed, while any is armed."""


class FailpointRaised(RuntimeError):
    """What the action `raise` raises."""


@dataclass(frozen=True, slots=True)
class _Armed:
    act: Callable[[], None]
    probability: float
    dice: random.Random


_names: set[str] = set()


def declare(name: str) -> str:
    """Add a name to the registry and return it. A constant beside the code that passes it."""
    _names.add(name)
    return name


def names() -> frozenset[str]:
    """Return every declared failpoint."""
    return frozenset(_names)


def demand_known() -> None:
    """Return if all that is armed was declared. To be asked once all that declares is imported.

    :raises ImproperlyConfigured: if not: it would never be passed, and a fault test prove nothing.
    """
    if unknown := sorted(_armed.keys() - _names):
        raise ImproperlyConfigured(
            f"FAILPOINTS names {', '.join(unknown)}; there are {', '.join(sorted(_names))}."
        )


def failpoint(name: str) -> None:
    """Trigger the failpoint `name` if the environment says so; usually does nothing."""
    if not _armed:
        return
    assert name in _names, f"declare the failpoint {name!r}"
    HITS[name] += 1
    armed = _armed.get(name)
    if armed and armed.dice.random() < armed.probability:
        armed.act()


def _parse(text: str) -> dict[str, _Armed]:
    parts = [part.strip().split(":") for part in text.split(",") if part.strip()]
    try:
        return {name: _parse_one(action, rest) for name, action, *rest in parts}
    except ValueError as error:
        raise ImproperlyConfigured(
            f"FAILPOINTS is {text!r}; say name:action[:probability[:seed]], the action being kill, "
            "stop, raise or sleep=SECONDS."
        ) from error


def _parse_one(action: str, rest: list[str]) -> _Armed:
    probability = float(rest[0]) if rest else 1.0
    seed = int(rest[1]) if len(rest) > 1 else os.getpid()
    return _Armed(_action(action), probability, random.Random(seed))  # noqa: S311


def _action(text: str) -> Callable[[], None]:
    name, _, argument = text.partition("=")
    match name:
        case "kill":
            return lambda: os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            return lambda: os.kill(os.getpid(), signal.SIGSTOP)
        case "sleep":
            seconds = float(argument)
            return lambda: time.sleep(seconds)
        case "raise":
            return _raise
        case _:
            raise ValueError(f"FAILPOINTS: there is no action {text!r}")


def _raise() -> None:
    raise FailpointRaised


_armed = _parse(os.environ.get("FAILPOINTS", ""))


def arm(text: str) -> None:
    """Arm what `text` says instead, in a process that was forked from one that armed nothing."""
    _armed.clear()
    _armed.update(_parse(text))
