"""How the trade registers its reversal commands."""

from collections.abc import Callable
from typing import TypeVar

from django.db import models

from ledger import reversal_commands
from ledger.domain.plans import Plan, Undertaking, Weighed
from ledger.domain.reversals import ReversalKind
from ledger.reversal_commands import ReversalCommand

F = TypeVar("F")


def register(  # noqa: PLR0913 (one argument per property of a command)
    name: str,
    meaning: str,
    *,
    kind: ReversalKind,
    look: Callable[[Undertaking], F],
    plan: Callable[[Undertaking, F], Plan],
    weigh: Callable[[F, Plan], Weighed],
    run: Callable[[Undertaking, Plan], None],
    capability: str = "",
    object_of: Callable[[Undertaking], models.Model | None] = lambda _: None,
) -> None:
    """Register the first version of a reversal command; it needs what its name says."""
    reversal_commands.register(
        ReversalCommand(
            name=name,
            version=1,
            kind=kind,
            capability=capability or name,
            meaning=meaning,
            look=look,
            plan=plan,
            weigh=weigh,
            run=run,
            object_of=object_of,
        )
    )
