"""Registers the commands of commerce, and describes their inputs as JSON Schema."""

from datetime import datetime
from typing import Any
from uuid import UUID

from commerce.schemas import record
from events.domain.canonical import JSON
from ledger import commands
from ledger.commands import Command, CommandTargetInvalid, Run, StateOf
from ledger.domain.action import REASON_CHARS_MAX

REASON: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": REASON_CHARS_MAX}
POSITIVE: dict[str, Any] = {"type": "integer", "minimum": 1}
NOTHING = record()


def register(
    name: str,
    meaning: str,
    run: Run,
    *,
    schema: dict[str, Any],
    state_of: StateOf,
    capability: str = "",
    makes: bool = False,
) -> None:
    """Register the first version of a command whose target is the noun of its name."""
    commands.register(
        Command(
            name=name,
            version=1,
            meaning=meaning,
            capability=capability or name,
            target_type=name.split(".", maxsplit=1)[0],
            input_schema=schema,
            state_of=state_of,
            run=run if makes else _on_an_id(name, run),
            makes=makes,
        )
    )


def _on_an_id(name: str, run: Run) -> Run:
    def checked(target_id: str, asked: dict[str, Any]) -> str:
        try:
            UUID(target_id)
        except ValueError:
            raise CommandTargetInvalid(name, "its target has a UUID") from None
        return run(target_id, asked)

    return checked


def yet_to_be_made(_target_id: str) -> JSON:
    """Say nothing about a target that is not there yet."""
    return None


def moment(text: str | None) -> datetime | None:
    """Read a time that may be missing."""
    return datetime.fromisoformat(text) if text else None
