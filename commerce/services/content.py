"""Copies of products in content systems. Best effort: a product never waits for its copy."""

import hashlib
import json
import logging
from typing import Any
from uuid import UUID

from django.utils import timezone

from commerce import conf
from commerce.models import ExternalContent, Product
from commerce.ports.cms import SYSTEMS
from commerce.services.actions import action_on
from ledger import recording
from ledger.domain.action import Action, Kind

logger = logging.getLogger(__name__)


def mirror_product(*, system: str, product_id: UUID) -> None:
    """Put the present state of a product into a content system, or take it away if it is gone.

    Where no content system is configured, nothing happens.

    What goes wrong there is noted and logged, never raised: the product is as it should be,
    its copy lags, and `ExternalContent` shows it.
    """
    if not conf.cms_url():
        return
    try:
        product = Product.objects.filter(pk=product_id).first()
        if product is None:
            SYSTEMS[system].delete(str(product_id))
            with recording.recorded(_action(product_id, system)):
                ExternalContent.objects.filter(product_id=product_id, system=system).delete()
            return
        fields = _fields(product)
        checksum = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        external_id = SYSTEMS[system].upsert(str(product_id), fields)
        _note(
            product_id,
            system,
            external_id=external_id,
            checksum=checksum,
            synced_at=timezone.now(),
            failed_at=None,
            last_error="",
        )
    except Exception as error:
        logger.exception(
            "The copy of a product could not be made.",
            extra={"system": system, "product_id": str(product_id)},
        )
        _note(
            product_id,
            system,
            failed_at=timezone.now(),
            last_error=f"{type(error).__name__}: {error}",
        )


def _fields(product: Product) -> dict[str, Any]:
    # What a customer may read: cost, margin and supplier are never sent out.
    return {
        "name": product.name,
        "description": product.description,
        "status": product.status,
        "priceCents": product.sell_amount_cents,
        "currency": product.currency,
        "durationMinutes": product.duration_minutes,
        "tags": product.tags,
    }


def _action(product_id: UUID, system: str) -> Action:
    return action_on("content.mirror", product_id, kind=Kind.EXECUTE, asked={"system": system})


def _note(product_id: UUID, system: str, **facts: Any) -> None:
    with recording.recorded(_action(product_id, system)):
        ExternalContent.objects.update_or_create(
            product_id=product_id, system=system, defaults=facts
        )
