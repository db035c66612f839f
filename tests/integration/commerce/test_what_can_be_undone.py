"""Policies may ask whether an action can be undone: its entry, and they, say the same of it."""

import pytest

from commerce.models import Product
from commerce.services import products
from ledger.approving import what_if
from ledger.approving.gate import ApprovalRequired
from ledger.models import Mutation
from tests.integration.ledger.approvals import put_into_force

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_what_is_for_good_needs_somebody_else(product: Product) -> None:
    put_into_force(capabilities=("product.*",), condition="!reversible")

    changed = products.update_product(product_id=product.pk, sell_amount_cents=15_000)
    with pytest.raises(ApprovalRequired):
        products.delete_product(product_id=product.pk)

    assert Product.objects.get().revision == changed.revision
    done = Mutation.objects.get(entry__action_name="product.update")
    assert done.reversal_kind == "revert"


def test_a_draft_is_tried_on_what_entries_say_of_that(product: Product) -> None:
    products.update_product(product_id=product.pk, sell_amount_cents=15_000)
    products.delete_product(product_id=product.pk)
    policy = put_into_force(capabilities=("product.*",), condition="false")

    for_now, for_good = (
        {each.action for each in what_if.replay(policy, days=1, condition=condition).more}
        for condition in ("reversible", "!reversible")
    )

    assert for_now == {"product.create", "product.update"}
    assert for_good == {"product.delete"}
