"""A process in which sessions of agents call a tool at once; started by tests, with what to do.

Each session waits at the gate (an advisory lock that the test holds) until all stand there.
"""

import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection

GATE: Final = 7_708
COMMAND: Final = "thing.spend"
CENTS: Final = 30


@dataclass(frozen=True, slots=True)
class Sessions:
    """`secrets` are the keys that the sessions take in turn; `answers` is where they tell."""

    secrets: list[str]
    threads: int
    first: int
    answers: str


def waiting_at_the_gate() -> int:
    """Return how many sessions stand there."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s"
            " AND NOT granted AND database = (SELECT oid FROM pg_database"
            " WHERE datname = current_database())",
            [GATE],
        )
        return int(cursor.fetchone()[0])


def main(asked: Sessions) -> None:
    """Let every session call once, and write down what each was answered."""
    from ledger import commands, tools  # noqa: PLC0415 - once the registry is there.
    from ledger.commands import Command  # noqa: PLC0415
    from tests.integration.ledger.agents import act  # noqa: PLC0415

    commands.register(
        Command(
            name=COMMAND,
            version=1,
            meaning="Spend a little.",
            capability="event.read",
            target_type="thing",
            input_schema={"type": "object"},
            state_of=lambda _id: {},
            run=_spending(act),
        )
    )

    def session(number: int) -> str:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock_shared(%s)", [GATE])
                cursor.execute("SELECT pg_advisory_unlock_shared(%s)", [GATE])
            secret = asked.secrets[number % len(asked.secrets)]
            call = {"command": COMMAND, "target_id": _id(number), "idempotency_key": f"k{number}"}
            answer = tools.call("execute", call, written_key=secret)
            return str(answer.get("because") or answer["outcome"])
        finally:
            connection.close()

    with ThreadPoolExecutor(asked.threads) as pool:
        numbers = range(asked.first, asked.first + asked.threads)
        Path(asked.answers).write_text(json.dumps(list(pool.map(session, numbers))))


def _spending(act: Any) -> Callable[[str, Any], str]:
    def spend(target_id: str, _said: Any) -> str:
        act(target=target_id, amount_cents=CENTS, currency="EUR")
        return target_id

    return spend


def _id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


if __name__ == "__main__":
    import django

    django.setup()
    main(Sessions(**json.loads(sys.argv[1])))
