"""Gates: whether a gated input lets its step run, as far as is known yet."""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any

from workflows.flows.domain.step import Collect, Script

Matches = Callable[[Script, Any], bool]
"""Run a match script on one candidate value. Raises `ScriptFailed` if it cannot."""


class ScriptFailed(Exception):
    """A script raised, exceeded its limits or returned an unusable value; see the message."""


class ScriptPutOff(Exception):
    """A step's script takes too long for a transaction, so it becomes a row of work."""


class Gate(Enum):
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    UNKNOWN = "unknown"


class StepGate(Enum):
    """The gates of all gated inputs of a step, taken together."""

    UNGATED = "ungated"
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"

    @property
    def lets_through(self) -> bool:
        return self in {StepGate.UNGATED, StepGate.OPEN}


def gate_of(
    collect: Collect, verdicts: Sequence[bool], *, is_terminal: bool, all_succeeded: bool
) -> Gate:
    """Return the gate of one input, by the verdicts on its candidate values so far.

    `is_terminal` says that no provider can add a value any more, `all_succeeded` that
    every provider completed and gave one.
    """
    has_match, has_mismatch = any(verdicts), not all(verdicts)
    match collect:
        case Collect.FIRST | Collect.SOME:
            is_matched, is_unmatched = has_match, is_terminal and not has_match
        case Collect.LAST:
            is_matched, is_unmatched = is_terminal and has_match, is_terminal and not has_match
        case Collect.ALL:
            is_unmatched = has_mismatch or (is_terminal and not all_succeeded)
            is_matched = has_match and is_terminal and not is_unmatched
        case Collect.NONE:
            is_matched, is_unmatched = is_terminal and not has_match, has_match
    if is_unmatched:
        return Gate.UNMATCHED
    return Gate.MATCHED if is_matched else Gate.UNKNOWN


def step_gate(gates: Iterable[Gate]) -> StepGate:
    """Combine the gates of a step: unmatched closes it, else unknown leaves it unknown."""
    found = set(gates)
    if not found:
        return StepGate.UNGATED
    if Gate.UNMATCHED in found:
        return StepGate.CLOSED
    return StepGate.UNKNOWN if Gate.UNKNOWN in found else StepGate.OPEN
