"""Reversal plans that restore the former values of a product, or delete a new one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, PolicyFacts, blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFound:
    """A product as it is now; None of it if it is gone. `values` are those that may change."""

    id: str
    revision: int = 0
    values: Mapping[str, Any] | None = None
    slots: int = 0


def restore(original: OriginalAction, found: ProductFound) -> Plan:
    """Give the fields that were changed their former values, unless they changed again."""
    if found.values is None:
        return Plan(effects=(blocked("The product is gone."),))
    before, after = original.args["before"], original.args["after"]
    effects = [_field(original, found, name, after[name]) for name in sorted(before)]
    return Plan(
        effects=tuple(effects),
        versions={f"product/{found.id}": found.revision},
        input={"product_id": found.id, "expected_version": found.revision, "values": dict(before)},
    )


def remove(_original: OriginalAction, found: ProductFound) -> Plan:
    """Delete a product of which nothing was offered."""
    if found.values is None:
        return Plan(effects=(blocked("The product is gone."),))
    effects = [
        Effect(
            kind=EffectKind.REVERTED,
            summary="The product is deleted.",
            target=Target(type="product", id=found.id),
        )
    ]
    if found.slots:
        effects.append(blocked(f"It has {found.slots} departures: archive it instead."))
    return Plan(
        effects=tuple(effects),
        versions={f"product/{found.id}": found.revision},
        input={"product_id": found.id, "expected_version": found.revision},
    )


def policy_facts_of_restoring(found: ProductFound, _plan: Plan) -> PolicyFacts:
    """Return what a change weighs: nothing but what the product is."""
    return replace(_policy_facts("product.update", found), is_reversible=True)


def policy_facts_of_removing(found: ProductFound, _plan: Plan) -> PolicyFacts:
    """Return what a deletion weighs: nothing but what the product is."""
    return _policy_facts("product.delete", found)


def _policy_facts(action: str, found: ProductFound) -> PolicyFacts:
    values = found.values or {}
    state = {"status": values.get("status"), "revision": found.revision}
    return PolicyFacts(action=action, target_type="product", state=state)


def _field(original: OriginalAction, found: ProductFound, name: str, set_to: Any) -> Effect:
    assert found.values is not None
    if found.values.get(name) == set_to:
        # Names of fields only: previews are looked at by who may not see every value.
        return Effect(
            kind=EffectKind.REVERTED,
            summary=f"{name} gets its former value back.",
            target=Target(type="product", id=found.id),
        )
    return blocked(f"{name} was changed again later.", by=_changed_by(original, name))


def _changed_by(original: OriginalAction, name: str) -> UUID | None:
    changed = (one for one in original.later if name in one.args.get("after", {}))
    return next((one.entry_id for one in changed), None)
