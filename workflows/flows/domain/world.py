"""The ports through which a decision reads from outside. All read-only.

A decision is a function of state, command and these answers. Time, and the secret from which
tokens are derived, come with the command; nothing here reads a clock.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from workflows.flows.domain.step import Script, Step, WorkConfig


class Absent:
    """The mapping found nothing, which differs from finding null."""


ABSENT = Absent()


class Languages(Protocol):
    """The script languages. Every method raises `gates.ScriptFailed` with the reason."""

    def execute(self, script: Script, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run a step's script and return its outputs. Raises `gates.ScriptPutOff` if it is
        not to be run within the decision."""

    def holds(self, script: Script, inputs: Mapping[str, Any]) -> bool:
        """Return whether a predicate is true of these inputs."""

    def matches(self, script: Script, value: Any) -> bool:
        """Return whether a match script accepts one value."""

    def map_input(self, script: Script, inputs: Mapping[str, Any], value: Any) -> Any:
        """Return an input value as mapped for the step, by a script that sees these inputs."""

    def map_output(self, script: Script, outputs: Mapping[str, Any]) -> Any:
        """Return what the script makes of the raw outputs, or ABSENT."""


def recordable(_values: Mapping[str, Any]) -> str:
    """Say of any values that events can carry them."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`at` is now; `secret` makes this decision's tokens and is never recorded.

    `is_healthy(step)` says whether a worker may run it, `remembered(step, inputs)` what a
    memoizable step once answered, `why_not_ask(step, inputs)` why nobody can be asked to
    approve it (empty if somebody can), `why_unrecordable(values)` why no event can carry them
    (likewise), `inline_max` how many scripts one decision may run.
    """

    at: datetime
    secret: bytes
    languages: Languages
    defaults: WorkConfig
    is_healthy: Callable[[Step], bool] = lambda _step: True
    remembered: Callable[[Step, Mapping[str, Any]], Mapping[str, Any] | None] = (
        lambda _step, _inputs: None
    )
    why_not_ask: Callable[[Step, Mapping[str, Any]], str] = lambda _step, _inputs: ""
    why_unrecordable: Callable[[Mapping[str, Any]], str] = recordable
    inline_max: int = 200

    @property
    def is_careful(self) -> bool:
        """Return whether values are to be looked at before they are recorded."""
        return self.why_unrecordable is not recordable

    def token(self, flow_id: str, step_id: str, index: int) -> str:
        """Make the unguessable token of one work item, in the form of a UUID (version 4)."""
        message = f"{flow_id}\0{step_id}\0{index}".encode()
        # A keyed hash as HMAC is one, at a fifth of its time: there may be 10,000 items.
        digest = hashlib.blake2b(message, key=self.secret, digest_size=16).hexdigest()
        variant = _VARIANTS[digest[16]]
        return (
            f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:]}"
        )


_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""What RFC 9562 makes of a random digit in this place."""
