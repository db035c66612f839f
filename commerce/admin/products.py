"""Products, departures, policies and copies of products in the admin."""

from collections.abc import Callable

from django.contrib import admin

from commerce.admin.actions import ReadOnlyInline, row_action
from commerce.models import (
    CancellationPolicy,
    CancellationPolicyVersion,
    CancellationRule,
    ExternalContent,
    Product,
    Slot,
)
from commerce.ports.cms import SYSTEMS
from commerce.services import content, policies, products
from ledger.admin_access import CapabilityAdmin


def _set_status(status: str) -> Callable[[Product], object]:
    return lambda product: products.update_product(product_id=product.pk, status=status)


def _mirror(row: ExternalContent) -> None:
    if row.system in SYSTEMS:
        content.mirror_product(system=row.system, product_id=row.product_id)


class SlotInline(ReadOnlyInline):
    reads = "product.read"
    model = Slot
    fields = ["starts_at", "capacity", "remaining", "unlimited"]
    readonly_fields = ["starts_at", "capacity", "remaining", "unlimited"]
    ordering = ["starts_at"]


@admin.register(Product)
class ProductAdmin(CapabilityAdmin[Product]):
    reads = "product.read"
    list_display = ["name", "status", "sell_amount_cents", "currency", "supplier", "updated_at"]
    list_filter = ["status", "currency"]
    search_fields = ["name", "supplier"]
    ordering = ["name"]
    inlines = [SlotInline]
    actions = ["publish", "archive"]
    publish = row_action("product.update", "Put on sale", _set_status("active"))
    archive = row_action("product.update", "Archive", _set_status("archived"))


@admin.register(Slot)
class SlotAdmin(CapabilityAdmin[Slot]):
    reads = "product.read"
    list_display = ["product", "starts_at", "capacity", "remaining", "unlimited"]
    list_filter = ["product"]
    list_select_related = ["product"]
    ordering = ["starts_at"]


class RuleInline(ReadOnlyInline):
    reads = "policy.read"
    model = CancellationRule
    ordering = ["-days_before"]


class VersionInline(ReadOnlyInline):
    reads = "policy.read"
    model = CancellationPolicyVersion
    ordering = ["number"]


@admin.register(CancellationPolicy)
class PolicyAdmin(CapabilityAdmin[CancellationPolicy]):
    reads = "policy.read"
    list_display = ["name", "created_at"]
    ordering = ["name"]
    inlines = [VersionInline]


@admin.register(CancellationPolicyVersion)
class PolicyVersionAdmin(CapabilityAdmin[CancellationPolicyVersion]):
    reads = "policy.read"
    list_display = ["policy", "number", "status", "currency", "published_at"]
    list_filter = ["status"]
    list_select_related = ["policy"]
    ordering = ["policy__name", "number"]
    inlines = [RuleInline]
    actions = ["publish"]
    publish = row_action(
        "policy.publish",
        "Publish",
        lambda row: policies.publish_version(policy_id=row.policy_id, version_id=row.pk),
    )


@admin.register(CancellationRule)
class RuleAdmin(CapabilityAdmin[CancellationRule]):
    reads = "policy.read"
    list_display = ["version", "days_before", "refund_bp", "flat_amount_cents", "refund_type"]
    list_select_related = ["version__policy"]
    ordering = ["version", "-days_before"]


@admin.register(ExternalContent)
class ExternalContentAdmin(CapabilityAdmin[ExternalContent]):
    reads = "content.read"
    list_display = ["product_id", "system", "external_id", "synced_at", "failed_at", "last_error"]
    list_filter = ["system"]
    ordering = ["-id"]
    actions = ["copy_again"]
    copy_again = row_action("product.update", "Copy again", _mirror)
