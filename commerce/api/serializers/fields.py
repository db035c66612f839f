"""Fields that many shapes share."""

from typing import Any

from rest_framework import serializers

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
