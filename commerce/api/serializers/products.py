"""Products, departures and cancellation policies."""

from typing import Any

from rest_framework import serializers

from commerce.api.serializers.fields import (
    BasisPointsField,
    CentsField,
    CurrencyField,
    QuantityField,
    ReferenceField,
)
from commerce.domain.cancellation import RULES_MAX, RefundType, Rule
from commerce.models import (
    CancellationPolicy,
    CancellationPolicyVersion,
    CancellationRule,
    Product,
    ProductStatus,
    Slot,
)
from commerce.models.constraints import choices
from ledger.bodies import Body, Moment, Shown

DAYS_MAX = 3_650
TAGS_MAX = 50


class ProductPatchIn(Body):
    name = serializers.CharField(max_length=200)
    description = serializers.CharField(allow_blank=True, max_length=20_000)
    status = serializers.ChoiceField(choices=choices(ProductStatus))
    sell_amount_cents = CentsField()
    cost_amount_cents = CentsField(allow_null=True)
    supplier = serializers.CharField(allow_blank=True, max_length=200)
    duration_minutes = serializers.IntegerField(allow_null=True, min_value=1, max_value=10**6)
    tags = serializers.ListField(child=serializers.CharField(max_length=50), max_length=TAGS_MAX)
    cancellation_policy_id = ReferenceField(CancellationPolicy, allow_null=True)

    def __init__(self, *args: Any, **options: Any) -> None:
        # Every field may be left out: what is not named stays.
        super().__init__(*args, partial=True, **options)


class ProductIn(Body):
    name = serializers.CharField(max_length=200)
    currency = CurrencyField()
    sell_amount_cents = CentsField()
    description = serializers.CharField(allow_blank=True, default="", max_length=20_000)
    status = serializers.ChoiceField(
        choices=choices(ProductStatus), default=ProductStatus.DRAFT.value
    )
    cost_amount_cents = CentsField(allow_null=True, default=None)
    supplier = serializers.CharField(allow_blank=True, default="", max_length=200)
    duration_minutes = serializers.IntegerField(
        allow_null=True, default=None, min_value=1, max_value=10**6
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=50), max_length=TAGS_MAX, default=list
    )
    cancellation_policy_id = ReferenceField(CancellationPolicy, allow_null=True, default=None)


class ProductOut(Shown[Product]):
    """What is for sale."""

    tags = serializers.ListField(child=serializers.CharField(), read_only=True)
    cancellation_policy_id = serializers.UUIDField(read_only=True, allow_null=True)

    class Meta:
        model = Product
        fields = [
            "id",
            "name",
            "description",
            "status",
            "currency",
            "sell_amount_cents",
            "cost_amount_cents",
            "supplier",
            "duration_minutes",
            "tags",
            "cancellation_policy_id",
            "revision",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class SlotIn(Body):
    product_id = ReferenceField(Product)
    starts_at = Moment()
    ends_at = Moment(allow_null=True, default=None)
    capacity = QuantityField(
        allow_null=True, default=None, help_text="Absent or null: it takes any number."
    )


class CapacityIn(Body):
    capacity = QuantityField(allow_null=True, help_text="Null: it takes any number.")


class SlotOut(Shown[Slot]):
    """A departure, and the seats that are left on it."""

    product_id = serializers.UUIDField(read_only=True)

    class Meta:
        model = Slot
        fields = [
            "id",
            "product_id",
            "starts_at",
            "ends_at",
            "unlimited",
            "capacity",
            "remaining",
            "revision",
            "created_at",
        ]
        read_only_fields = fields


class RuleIn(Body):
    days_before = serializers.IntegerField(min_value=0, max_value=DAYS_MAX)
    refund_bp = BasisPointsField(default=0)
    flat_amount_cents = CentsField(allow_null=True, default=None)
    refund_type = serializers.ChoiceField(
        choices=[kind.value for kind in RefundType if kind is not RefundType.MIXED],
        default=RefundType.NONE.value,
    )
    label = serializers.CharField(  # type: ignore[assignment]  # a field of ours, not the option
        max_length=200, allow_blank=True, default=""
    )


class PolicyVersionIn(Body):
    currency = CurrencyField()
    rules = serializers.ListField(child=RuleIn(), min_length=1, max_length=RULES_MAX)

    def validate_rules(self, rules: list[dict[str, Any]]) -> list[Rule]:
        return [Rule(**{**rule, "refund_type": RefundType(rule["refund_type"])}) for rule in rules]


class PolicyIn(PolicyVersionIn):
    name = serializers.CharField(max_length=200)


class RuleOut(serializers.ModelSerializer[CancellationRule]):
    class Meta:
        model = CancellationRule
        fields = ["days_before", "refund_bp", "flat_amount_cents", "refund_type", "label"]
        read_only_fields = fields


class PolicyVersionOut(serializers.ModelSerializer[CancellationPolicyVersion]):
    policy_id = serializers.UUIDField(read_only=True)
    rules = RuleOut(many=True, read_only=True)

    class Meta:
        model = CancellationPolicyVersion
        fields = [
            "id",
            "policy_id",
            "number",
            "status",
            "currency",
            "rules",
            "created_at",
            "published_at",
        ]
        read_only_fields = fields


class PolicyOut(serializers.ModelSerializer[CancellationPolicy]):
    versions = PolicyVersionOut(many=True, read_only=True)

    class Meta:
        model = CancellationPolicy
        fields = ["id", "name", "versions", "created_at"]
        read_only_fields = fields
