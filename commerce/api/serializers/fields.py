"""Fields that several serializers share."""

from typing import Any

from django.db.models import Model
from rest_framework import serializers

from commerce import selectors
from commerce.domain.money import AMOUNT_CENTS_MAX, BASIS_POINTS, CURRENCIES

QUANTITY_MAX = 10_000


class CentsField(serializers.IntegerField):
    """An amount in whole minor units."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("min_value", 0)
        super().__init__(max_value=AMOUNT_CENTS_MAX, **options)


class PositiveCentsField(CentsField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, **options)


class BasisPointsField(serializers.IntegerField):
    """A share in hundredths of a per cent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=BASIS_POINTS, **options)


class QuantityField(serializers.IntegerField):
    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=QUANTITY_MAX, **options)


class CurrencyField(serializers.ChoiceField):
    """An ISO 4217 code."""

    def __init__(self, **options: Any) -> None:
        options.pop("choices", None)
        super().__init__(choices=sorted(CURRENCIES), **options)


class ReferenceField(serializers.PrimaryKeyRelatedField[Any]):
    """The id of something that is there; what is not is a mistake of the body, not of the URL."""

    def __init__(self, model: type[Model] | None = None, **options: Any) -> None:
        if model is not None:
            options["queryset"] = model._default_manager.all()  # noqa: SLF001 - public spelling.
        super().__init__(pk_field=serializers.UUIDField(), **options)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        # DRF takes an empty text for null here, for the sake of HTML forms.
        if data == "":
            self.fail("incorrect_type", data_type="str")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(data).pk


class SurplusApprovalsField(serializers.ListField):
    """The row itself is asked where the view has not asked for all of them at once."""

    child = serializers.UUIDField()

    def __init__(self, **options: Any) -> None:
        about = "Requests for approval to give back what a chargeback brought back too much."
        super().__init__(**{"source": "*", "read_only": True, "help_text": about, **options})

    def to_representation(self, row: Any) -> list[str]:
        ids = getattr(row, "surplus_approval_ids", None)
        if ids is None:
            ids = selectors.surplus_approval_ids(row)
        return [str(each) for each in ids]
