"""Plans that give a product its former values, or take it away again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, Plan, Undertaking, Weighed, blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductFound:
    """A product as it is now; None of it if it is gone. `values` are those that may change."""

    id: str
    revision: int = 0
    values: Mapping[str, Any] | None = None
    slots: int = 0


def restore(undertaking: Undertaking, found: ProductFound) -> Plan:
    """Give the fields that were changed their former values, unless they changed again."""
    if found.values is None:
        return Plan(effects=(blocked("The product is gone."),))
    before, after = undertaking.args["before"], undertaking.args["after"]
    effects = [_field(undertaking, found, name, after[name]) for name in sorted(before)]
    return Plan(
        effects=tuple(effects),
        versions={f"product/{found.id}": found.revision},
        input={"product_id": found.id, "expected_version": found.revision, "values": dict(before)},
    )


def remove(_undertaking: Undertaking, found: ProductFound) -> Plan:
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


def weigh_restoring(found: ProductFound, _plan: Plan) -> Weighed:
    """Return what a change weighs: nothing but what the product is."""
    return _weighed("product.update", found)


def weigh_removing(found: ProductFound, _plan: Plan) -> Weighed:
    """Return what a deletion weighs: nothing but what the product is."""
    return _weighed("product.delete", found)


def _weighed(action: str, found: ProductFound) -> Weighed:
    values = found.values or {}
    state = {"status": values.get("status"), "revision": found.revision}
    return Weighed(action=action, target_type="product", state=state)


def _field(undertaking: Undertaking, found: ProductFound, name: str, set_to: Any) -> Effect:
    assert found.values is not None
    if found.values.get(name) == set_to:
        # Names of fields only: previews are looked at by who may not see every value.
        return Effect(
            kind=EffectKind.REVERTED,
            summary=f"{name} gets its former value back.",
            target=Target(type="product", id=found.id),
        )
    return blocked(f"{name} was changed again later.", by=_changed_by(undertaking, name))


def _changed_by(undertaking: Undertaking, name: str) -> UUID | None:
    changed = (one for one in undertaking.later if name in one.args.get("after", {}))
    return next((one.entry_id for one in changed), None)
