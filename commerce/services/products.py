"""Products: each change writes the row, then its event, in one transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import ProtectedError
from django.utils import timezone

from commerce.domain import undoing
from commerce.domain.money import Money
from commerce.models import Product
from commerce.models.products import ProductStatus
from commerce.services.actions import action_on
from events import recorder, rows, wire
from events.domain.errors import Conflict, NotFound, Rejected
from ledger import preconditions, recording
from ledger.domain.action import Kind
from ledger.preconditions import Expected

CHANGEABLE = frozenset(
    {
        "name",
        "description",
        "status",
        "sell_amount_cents",
        "cost_amount_cents",
        "supplier",
        "duration_minutes",
        "tags",
        "cancellation_policy_id",
    }
)


class ProductNotFound(NotFound):
    code = "product_not_found"

    def __init__(self, product_id: UUID) -> None:
        super().__init__(f"There is no product {product_id}.", product_id=str(product_id))


class ProductInUse(Conflict):
    code = "product_in_use"
    hint = "Archive it instead: bookings refer to it."

    def __init__(self, product_id: UUID) -> None:
        super().__init__(
            f"Product {product_id} has departures or bookings.", product_id=str(product_id)
        )


class FieldNotChangeable(Rejected):
    code = "field_not_changeable"
    hint = "Create another product, and archive this one."

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} of a product cannot change.", pointer=f"/{name}", name=name)


def create_product(
    *, name: str, currency: str, sell_amount_cents: int, status: str = "draft", **details: Any
) -> Product:
    """Add a product.

    :raises CurrencyUnknown: if `currency` is not an ISO 4217 code.
    :raises AmountOutOfRange: if the price is beyond what Daybook counts.
    """
    price = Money(sell_amount_cents, currency)
    asked = {"name": name, "currency": currency, "sell_amount_cents": sell_amount_cents}
    asked |= {"status": status, **details}
    with recording.recorded(action_on("product.create", kind=Kind.CREATE, asked=asked)) as proof:
        product = Product(
            name=name,
            currency=price.currency,
            sell_amount_cents=price.amount_cents,
            status=ProductStatus(status),
            **details,
        )
        proof.refers_to(product.pk)
        proof.can_be_undone(undoing.of_new_product())
        _emit("created", product, first=[rows.insertion(product)])
    return product


def update_product(
    *, product_id: UUID, expected_version: Expected | None = None, **changes: Any
) -> Product:
    """Change a product. The currency stays: prices that were agreed are in it.

    :raises ProductNotFound: if there is no such product.
    :raises FieldNotChangeable: if one of `changes` is not in CHANGEABLE.
    :raises VersionMoved: if it changed since `expected_version`.
    """
    for name in changes.keys() - CHANGEABLE:
        raise FieldNotChangeable(name)
    action = action_on("product.update", product_id, asked=changes)
    with recording.recorded(action) as proof:
        product = _locked(product_id)
        proof.found(state_of(product))
        preconditions.check_version(expected_version, product.revision)
        proof.says(f"Updated: {', '.join(sorted(changes))}")
        before = {name: getattr(product, name) for name in changes}
        for name, value in changes.items():
            setattr(product, name, value)
        if changes:
            proof.can_be_undone(undoing.of_change(before=plain(before), after=plain(dict(changes))))
        product.revision += 1
        product.updated_at = timezone.now()
        _emit("updated", product, first=[rows.change(product)])
    return product


def delete_product(*, product_id: UUID, expected_version: Expected | None = None) -> None:
    """Delete a product that was never offered.

    :raises ProductNotFound: if there is no such product.
    :raises ProductInUse: if it has departures or bookings.
    :raises VersionMoved: if it changed since `expected_version`.
    """
    with recording.recorded(
        action_on("product.delete", product_id, kind=Kind.DELETE, asked={})
    ) as proof:
        product = _locked(product_id)
        proof.found(state_of(product))
        preconditions.check_version(expected_version, product.revision)
        proof.cannot_be_undone("The product is gone.", follow_ups=(undoing.ADD_AGAIN,))
        product.revision += 1
        try:
            Product.objects.filter(pk=product_id).delete()
        except ProtectedError as error:
            raise ProductInUse(product_id) from error
        _emit("deleted", product)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return values of a product as JSON has them: what is no number or text has a text."""
    return {
        name: value if value is None or isinstance(value, int | str | list) else str(value)
        for name, value in values.items()
    }


def state_of(product: Product) -> dict[str, Any]:
    """Return what an approval of a change of a product depends on."""
    return {"status": product.status, "revision": product.revision}


def _locked(product_id: UUID) -> Product:
    product = rows.locked(Product, product_id)
    if product is None:
        raise ProductNotFound(product_id)
    return product


def _emit(what: str, product: Product, *, first: Sequence[wire.Statement] = ()) -> None:
    id_ = str(product.pk)
    recorder.emit(
        f"product.{what}",
        {"id": id_},
        stream=("product", id_),
        event_id=f"evt_product_{what}_{id_}_{product.revision}",
        first=first,
    )
