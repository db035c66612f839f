"""A lamp that can be switched off, and on again to undo that: a command for tests to undo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from rest_framework.test import APIClient

from events import context
from events.domain.errors import Rejected
from events.domain.principal import Principal
from ledger import recording
from ledger.domain.action import Action, Kind, Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts, blocked
from ledger.domain.reversals import Declaration, ReversalKind
from ledger.reversing import reversal_commands
from ledger.reversing.reversal_commands import Found, ReversalCommand


class LampBroken(Rejected):
    code = "lamp_broken"

    def __init__(self) -> None:
        super().__init__("The lamp is broken.")


class Lamp:
    """What the command of this test works on. `fails` is what switching it on does."""

    version = 1
    fails: Exception | None = None
    is_on = False
    moved: Callable[[], None] = staticmethod(lambda: None)


@contextmanager
def lamp_of(principal: Principal) -> Iterator[None]:
    """Have `principal` act within the block, on a lamp that is as new after it."""
    with context.acting(principal, correlation_id="cor_test"):
        yield
    Lamp.version, Lamp.fails, Lamp.moved = 1, None, staticmethod(lambda: None)


def plan(original: OriginalAction, found: Found) -> Plan:
    later = [one for one in original.later if one.args.get("lamp")]
    effects = [blocked("It was switched again later.", by=one.entry_id) for one in later] or [
        Effect(kind=EffectKind.REVERTED, summary="The lamp goes on again.")
    ]
    return Plan(effects=tuple(effects), versions={"lamp/1": found["version"]})


def run(original: OriginalAction, _plan: Plan) -> None:
    Lamp.moved()
    with recording.recorded(switching("lamp.on", reason=original.reason)) as proof:
        if Lamp.fails is not None:
            raise Lamp.fails
        if Lamp.is_on:
            proof.changes_nothing()
            return
        Lamp.version += 1
        proof.says("It is on.")


def switching(name: str, **facts: Any) -> Action:
    target = Target(type="lamp", id="1")
    return Action(name=name, kind=Kind.UPDATE, target=target, capability="event.read", **facts)


def switch_off(**facts: Any) -> UUID:
    """Switch the lamp off, so that it can be undone."""
    declared = {"kind": ReversalKind.REVERT, "command": "lamp.on", "version": 1}
    with recording.recorded(switching("lamp.off")) as proof:
        proof.can_be_undone(Declaration(**{**declared, "args": {"lamp": 1}, **facts}))
        Lamp.version += 1
    return proof.entry_id


reversal_commands.register(
    ReversalCommand(
        name="lamp.on",
        version=1,
        kind=ReversalKind.REVERT,
        capability="event.read",
        meaning="Switch the lamp on again.",
        look=lambda _: {"version": Lamp.version},
        plan=plan,
        policy_facts=lambda _found, _plan: PolicyFacts(action="lamp.on", target_type="lamp"),
        run=run,
    )
)
reversal_commands.declare_follow_up("lamp.candle", "Light a candle.")


def look(client: APIClient, entry_id: UUID, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/ledger/entries/{entry_id}/reversal", query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def ask(client: APIClient, entry_id: UUID, **body: Any) -> Any:
    return client.post(
        f"/api/v1/ledger/entries/{entry_id}/reversals",
        {"reason": "It was too dark.", **body},
        format="json",
        HTTP_IDEMPOTENCY_KEY=uuid4().hex,
    )


def look_and_ask(client: APIClient, entry_id: UUID) -> Any:
    return ask(client, entry_id, token=look(client, entry_id)["token"])
