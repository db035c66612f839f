"""Registers the reversal commands of commerce."""

from collections.abc import Callable
from typing import TypeVar

from django.db import models

from ledger.domain.plans import OriginalAction, Plan, PolicyFacts
from ledger.domain.reversals import ReversalKind
from ledger.reversing import reversal_commands
from ledger.reversing.reversal_commands import ReversalCommand

F = TypeVar("F")


def register(  # noqa: PLR0913 (one argument per property of a command)
    name: str,
    meaning: str,
    *,
    kind: ReversalKind,
    look: Callable[[OriginalAction], F],
    plan: Callable[[OriginalAction, F], Plan],
    policy_facts: Callable[[F, Plan], PolicyFacts],
    run: Callable[[OriginalAction, Plan], None],
    capability: str = "",
    object_of: Callable[[OriginalAction], models.Model | None] = lambda _: None,
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
            policy_facts=policy_facts,
            run=run,
            object_of=object_of,
        )
    )
