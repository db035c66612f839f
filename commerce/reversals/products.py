"""Reversals that restore the former values of a product, or delete a new one."""

from typing import Any
from uuid import UUID

from commerce.domain import undoing
from commerce.domain.reversals import products as plans
from commerce.domain.reversals.products import ProductFound
from commerce.models import Product
from commerce.reversals.registration import register
from commerce.services import products
from ledger.domain.plans import OriginalAction, Plan
from ledger.domain.reversals import ReversalKind
from ledger.reversing import reversal_commands


def _look(original: OriginalAction) -> ProductFound:
    product = Product.objects.filter(pk=original.target.id).first()
    if product is None:
        return ProductFound(id=original.target.id)
    values = {name: getattr(product, name) for name in products.CHANGEABLE}
    return ProductFound(
        id=str(product.pk),
        revision=product.revision,
        values=products.plain(values),
        slots=product.slots.count(),
    )


def _restore(_original: OriginalAction, plan: Plan) -> None:
    values: dict[str, Any] = plan.input["values"]
    products.update_product(
        product_id=UUID(plan.input["product_id"]),
        expected_version=plan.input["expected_version"],
        **values,
    )


def _delete(_original: OriginalAction, plan: Plan) -> None:
    products.delete_product(
        product_id=UUID(plan.input["product_id"]),
        expected_version=plan.input["expected_version"],
    )


register(
    undoing.RESTORE_PRODUCT,
    "Give the fields that were changed their former values.",
    kind=ReversalKind.REVERT,
    capability="product.update",
    look=_look,
    plan=plans.restore,
    policy_facts=plans.policy_facts_of_restoring,
    run=_restore,
)
register(
    undoing.DELETE_PRODUCT,
    "Delete the product: nothing was offered of it.",
    kind=ReversalKind.REVERT,
    look=_look,
    plan=plans.remove,
    policy_facts=plans.policy_facts_of_removing,
    run=_delete,
)
for _name, _meaning in undoing.FOLLOW_UPS.items():
    reversal_commands.declare_follow_up(_name, _meaning)
