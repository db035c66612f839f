"""The registry of reversal commands: the code by which a recorded action can be undone.

An entry names its command and the version of it. As long as that version is registered, the
entry can be undone as it was meant then; when it no longer is, previews say so and offer
alternatives. Every app registers its own in `<app>/reversals/`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models

from ledger import capabilities
from ledger.domain.plans import OriginalAction, Plan, PolicyFacts
from ledger.domain.reversals import ReversalKind

Found = Any
"""What the rules of a command go by: read from the tables, as plain values of its own shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalCommand:
    """How to undo one kind of action.

    `look` reads the present state; `plan`, which is pure, says from it what would happen; `run`
    does that by calling services of the app. The first action that they record is the reversal.
    `policy_facts`, pure too, returns the state and the facts on which approval policies will be
    evaluated for that action. They must be those that the service itself notes (`Proof.found`,
    `Proof.weighs`), so that a preview can say who has to approve.
    `object_of` returns the object on which the capability is checked, where permissions for single
    objects exist.
    """

    name: str
    version: int
    kind: ReversalKind
    capability: str
    meaning: str
    look: Callable[[OriginalAction], Found]
    plan: Callable[[OriginalAction, Found], Plan]
    policy_facts: Callable[[Found, Plan], PolicyFacts]
    run: Callable[[OriginalAction, Plan], None]
    object_of: Callable[[OriginalAction], models.Model | None] = lambda _: None

    def __post_init__(self) -> None:
        assert self.version >= 1, "versions start at 1"
        assert self.kind is not ReversalKind.NONE, f"{self.name} undoes something"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """What can be done instead of, or after, undoing. With a command it can be done at once."""

    name: str
    meaning: str
    command: ReversalCommand | None = None


_commands: dict[tuple[str, int], ReversalCommand] = {}
_meanings: dict[str, str] = {}


def register(command: ReversalCommand) -> ReversalCommand:
    """Make a command known to this process. A name and version mean one thing."""
    capabilities.get(command.capability)  # A bug shows when the process starts.
    known = _commands.setdefault((command.name, command.version), command)
    assert known is command, f"{command.name} v{command.version} is registered twice"
    return command


def declare_follow_up(name: str, meaning: str) -> None:
    """Declare a follow-up that is no reversal command, with its description."""
    assert _meanings.get(name, meaning) == meaning, f"{name} is declared twice"
    _meanings[name] = meaning


def find(name: str, version: int | None = None) -> ReversalCommand | None:
    """Return a command, without a version the newest; None if this process has none."""
    if version is None:
        version = max((number for known, number in _commands if known == name), default=0)
    return _commands.get((name, version))


def follow_up(name: str) -> FollowUp:
    """Return the meaning of a follow-up, or its name if it is no longer registered."""
    command = find(name)
    meaning = command.meaning if command else _meanings.get(name, "")
    return FollowUp(name=name, meaning=meaning, command=command)
