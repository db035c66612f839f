"""Commands on products."""

from typing import Any
from uuid import UUID

from commerce.commands.registration import NOTHING, POSITIVE, register, yet_to_be_made
from commerce.models import Product, ProductStatus
from commerce.schemas import CENTS, CURRENCY, ID, TEXT, TEXTS, nullable, record
from commerce.services import products
from commerce.services.products import ProductNotFound
from events.domain.canonical import JSON


def _product_state(target_id: str) -> JSON:
    row = Product.objects.filter(pk=target_id).first()
    if row is None:
        raise ProductNotFound(UUID(target_id))
    return products.state_of(row)


def _create_product(_target_id: str, asked: dict[str, Any]) -> str:
    return str(products.create_product(**_product_fields(asked)).pk)


def _update_product(target_id: str, asked: dict[str, Any]) -> str:
    product = products.update_product(product_id=UUID(target_id), **_product_fields(asked))
    return str(product.pk)


def _delete_product(target_id: str, _asked: dict[str, Any]) -> str:
    products.delete_product(product_id=UUID(target_id))
    return target_id


def _product_fields(asked: dict[str, Any]) -> dict[str, Any]:
    policy = asked.get("cancellation_policy_id")
    return asked if policy is None else {**asked, "cancellation_policy_id": UUID(policy)}


_OPTIONAL_OF_PRODUCT: dict[str, Any] = {
    "description": TEXT,
    "cost_amount_cents": nullable(CENTS),
    "supplier": TEXT,
    "duration_minutes": nullable(POSITIVE),
    "tags": TEXTS,
    "cancellation_policy_id": nullable(ID),
    "status": {"enum": [status.value for status in ProductStatus]},
}
_NAMED_OF_PRODUCT = {"name": {"type": "string", "minLength": 1}, "sell_amount_cents": CENTS}
register(
    "product.create",
    "Add a product.",
    _create_product,
    schema=record(
        tuple(_OPTIONAL_OF_PRODUCT),
        **_NAMED_OF_PRODUCT,
        currency=CURRENCY,
        **_OPTIONAL_OF_PRODUCT,
    ),
    state_of=yet_to_be_made,
    makes=True,
)
register(
    "product.update",
    "Change a product, its price or its status.",
    _update_product,
    schema=record(
        (*_NAMED_OF_PRODUCT, *_OPTIONAL_OF_PRODUCT), **_NAMED_OF_PRODUCT, **_OPTIONAL_OF_PRODUCT
    ),
    state_of=_product_state,
)
register(
    "product.delete",
    "Delete a product that was never sold.",
    _delete_product,
    schema=NOTHING,
    state_of=_product_state,
)
