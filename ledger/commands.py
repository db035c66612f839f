"""The registry of commands: actions that can be executed by name.

A command has the name of the action that it records. `run` calls the service that a page or
the API would call, so the same permissions, entries and approvals apply.
Used where an action is executed later or by name: on approval, on reversal, by an agent.
Every app registers its own in `<app>/commands.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from events.domain import schema
from events.domain.canonical import JSON
from events.domain.errors import NotFound, Rejected
from ledger import capabilities

StateOf = Callable[[str], JSON]
"""Given the id of a target: what an approval of the command depends on; None without target.

It says what the service itself says with `Proof.found`, in the same words, so that the two
can be compared.
"""

Run = Callable[[str, dict[str, Any]], str]
"""Given the id of the target (empty for what is yet to be made) and a valid input, carry the
command out in a transaction of its own, and return the id of what was made or changed."""


class CommandUnknown(NotFound):
    code = "command_unknown"
    hint = "Name a command that an app of this installation registers in its commands.py."

    def __init__(self, name: str, version: int | None = None) -> None:
        super().__init__(
            f"There is no command {name!r}" + (f" of version {version}." if version else "."),
            name=name,
        )


class CommandInputInvalid(Rejected):
    code = "command_input_invalid"
    hint = "Correct the input; see the schema of the command."

    def __init__(self, name: str, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__(
            f"The input of {name} is not valid: {problems[0][1]}.",
            pointer=problems[0][0],
            command=name,
            errors=[{"pointer": pointer, "detail": detail} for pointer, detail in problems],
        )


class CommandTargetInvalid(Rejected):
    code = "command_target_invalid"
    hint = "Give the id of the target as in lists; leave it out if the command creates the target."

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be called like this: {why}.", pointer="/target_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An action that can be executed by name. Its input holds no personal data.

    `makes` says that the target does not exist before; then it is asked without an id.
    """

    name: str
    version: int
    meaning: str
    capability: str
    target_type: str
    input_schema: dict[str, Any]
    state_of: StateOf
    run: Run
    makes: bool = False

    def validate(self, value: JSON) -> None:
        """Do nothing if `value` is an input that this command takes.

        :raises CommandInputInvalid: with a JSON pointer for each problem.
        """
        problems = schema.faults(self.input_schema, value, at="/input", checks_formats=True)
        if problems:
            raise CommandInputInvalid(self.name, problems)


_commands: dict[tuple[str, int], Command] = {}


def register(command: Command) -> Command:
    """Make `command` known to this process, and return it. A name and version mean one thing."""
    schema.check(command.input_schema)
    capabilities.get(command.capability)  # A bug shows when the process starts.
    known = _commands.setdefault((command.name, command.version), command)
    assert known == command, f"{command.name} v{command.version} is registered twice"
    return command


def get(name: str, version: int | None = None) -> Command:
    """Return a command; without a version, the newest.

    :raises CommandUnknown: if this process has none.
    """
    if version is None:
        version = max((number for known, number in _commands if known == name), default=0)
    try:
        return _commands[name, version]
    except KeyError:
        raise CommandUnknown(name, version or None) from None


def is_known(name: str, version: int) -> bool:
    """Return whether this process has just this version of a command."""
    return (name, version) in _commands


def every() -> list[Command]:
    """Return the newest version of every command, by name."""
    return [get(name) for name in sorted({name for name, _ in _commands})]


def run(
    name: str,
    *,
    target_id: str = "",
    input: Mapping[str, Any],  # noqa: A002 (the word of the registry)
    version: int | None = None,
) -> str:
    """Execute a command as the current principal; return the id of what was created or changed.

    Whether they may is for the caller to check, as every interface does; whether it needs an
    approval is checked where it is put on record.

    :raises CommandUnknown: if there is no such command.
    :raises CommandTargetInvalid: if it needs a target and has none, or makes it and has one.
    :raises CommandInputInvalid: if it does not take this input.
    :raises DomainError: whatever its service refuses with.
    """
    command = get(name, version)
    if bool(target_id) is command.makes:
        why = "it makes its target" if command.makes else "it needs the id of its target"
        raise CommandTargetInvalid(name, why)
    asked = dict(input)
    command.validate(asked)
    return command.run(target_id, asked)
