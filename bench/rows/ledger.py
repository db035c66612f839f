"""Save a row of nine columns: bare, with an entry of the ledger, and with its peers' records."""

import argparse
from collections.abc import Callable
from itertools import count
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from bench import harness
from bench.harness import Side
from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger.domain.action import Action, Kind, Target
from ledger.recording import recorded

CLERK = Principal(kind=PrincipalKind.USER, id="7")
ENOUGH = 50


def sides(options: argparse.Namespace) -> list[Side]:
    from bench.ledger.models import Audited, Historied, Thing

    tables: list[Any] = [Thing, Audited, Historied]
    if "simple_history" in settings.PEERS:
        tables.append(Historied.history.model)
    with connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    contenders: list[tuple[str, str, str, Callable[..., object], Any]] = [
        ("with an entry of the ledger", "daybook", "", _ledgered, Thing),
        ("bare", "floor", "", _bare, Thing),
        ("django-auditlog", "peer", "auditlog", _bare, Audited),
        ("django-simple-history", "peer", "simple_history", _bare, Historied),
    ]
    return [
        Side(
            group=f"{what}, commits/s",
            name=name,
            role=role,
            run=_run(save, table, what, options.seconds),
        )
        for what in ("create", "update")
        for name, role, needs, save, table in contenders
        if not needs or needs in settings.PEERS
    ]


def _run(
    save: Callable[..., object], table: Any, what: str, seconds: float
) -> Callable[[], harness.Measured]:
    turn = count()

    def once() -> None:
        save(table, what, next(turn))

    def run() -> harness.Measured:
        if what == "update" and table.objects.count() < ENOUGH:
            for number in range(ENOUGH):
                save(table, "create", number)
        # Who acts is said at the edge, once for all that a request does, and for every side.
        with context.acting(CLERK, correlation_id="cor_bench"):
            return harness.repeat(once, seconds=seconds)

    return run


def _bare(table: Any, what: str, number: int) -> None:
    with transaction.atomic(durable=True):
        _save(table, what, number)


def _ledgered(table: Any, what: str, number: int) -> None:
    kind = Kind.CREATE if what == "create" else Kind.UPDATE
    action = Action(
        name=f"thing.{what}", kind=kind, target=Target(type="thing"), capability="product.update"
    )
    with recorded(action) as proof:
        proof.refers_to(_save(table, what, number))


def _save(table: Any, what: str, number: int) -> int:
    if what == "create":
        thing = table.objects.create(
            name=f"thing {number}", amount_cents=number, details={"colour": "red", "sizes": [1, 2]}
        )
        return int(thing.pk)
    thing = table.objects.all()[number % ENOUGH]
    thing.amount_cents, thing.status = number, f"s{number}"
    thing.save()
    return int(thing.pk)
