"""Products, departures, policies and copies of products in the admin."""

from collections.abc import Callable

from django.contrib import admin

from commerce.admin.looking import LookOnly, LookOnlyInline, acting
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


def _set_status(status: str) -> Callable[[Product], object]:
    return lambda product: products.update_product(product_id=product.pk, status=status)


def _mirror(row: ExternalContent) -> None:
    if row.system in SYSTEMS:
        content.mirror_product(system=row.system, product_id=row.product_id)


class SlotInline(LookOnlyInline):
    reads = "product.read"
    model = Slot
    fields = ["starts_at", "capacity", "remaining", "unlimited"]
    readonly_fields = ["starts_at", "capacity", "remaining", "unlimited"]
    ordering = ["starts_at"]


@admin.register(Product)
class ProductAdmin(LookOnly):
    reads = "product.read"
    list_display = ["name", "status", "sell_amount_cents", "currency", "supplier", "updated_at"]
    list_filter = ["status", "currency"]
    search_fields = ["name", "supplier"]
    ordering = ["name"]
    inlines = [SlotInline]
    actions = ["publish", "archive"]
    publish = acting("product.update", "Put on sale", _set_status("active"))
    archive = acting("product.update", "Archive", _set_status("archived"))


@admin.register(Slot)
class SlotAdmin(LookOnly):
    reads = "product.read"
    list_display = ["product", "starts_at", "capacity", "remaining", "unlimited"]
    list_filter = ["product"]
    list_select_related = ["product"]
    ordering = ["starts_at"]


class RuleInline(LookOnlyInline):
    reads = "policy.read"
    model = CancellationRule
    ordering = ["-days_before"]


class VersionInline(LookOnlyInline):
    reads = "policy.read"
    model = CancellationPolicyVersion
    ordering = ["number"]


@admin.register(CancellationPolicy)
class PolicyAdmin(LookOnly):
    reads = "policy.read"
    list_display = ["name", "created_at"]
    ordering = ["name"]
    inlines = [VersionInline]


@admin.register(CancellationPolicyVersion)
class PolicyVersionAdmin(LookOnly):
    reads = "policy.read"
    list_display = ["policy", "number", "status", "currency", "published_at"]
    list_filter = ["status"]
    list_select_related = ["policy"]
    ordering = ["policy__name", "number"]
    inlines = [RuleInline]
    actions = ["publish"]
    publish = acting(
        "policy.publish",
        "Publish",
        lambda row: policies.publish_version(policy_id=row.policy_id, version_id=row.pk),
    )


@admin.register(CancellationRule)
class RuleAdmin(LookOnly):
    reads = "policy.read"
    list_display = ["version", "days_before", "refund_bp", "flat_amount_cents", "refund_type"]
    list_select_related = ["version__policy"]
    ordering = ["version", "-days_before"]


@admin.register(ExternalContent)
class ExternalContentAdmin(LookOnly):
    reads = "content.read"
    list_display = ["product_id", "system", "external_id", "synced_at", "failed_at", "last_error"]
    list_filter = ["system"]
    ordering = ["-id"]
    actions = ["copy_again"]
    copy_again = acting("product.update", "Copy again", _mirror)
