"""Constraints that several tables share."""

from enum import StrEnum

from django.db.models import CheckConstraint, Q


def one_of(field: str, values: type[StrEnum], *, name: str) -> CheckConstraint:
    """Hold `field` to the values of an enumeration."""
    return CheckConstraint(
        condition=Q(**{f"{field}__in": [one.value for one in values]}), name=name
    )


def iso_currency(name: str) -> CheckConstraint:
    """Hold `currency` to the form of an ISO 4217 code."""
    return CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name=name)


def exactly_when(one: Q, other: Q, *, name: str) -> CheckConstraint:
    """Hold two conditions together: both, or neither."""
    return CheckConstraint(condition=(one & other) | (~one & ~other), name=name)


def choices(values: type[StrEnum]) -> list[tuple[str, str]]:
    """Return the members as Django wants them."""
    return [(one.value, one.value.replace("_", " ")) for one in values]
