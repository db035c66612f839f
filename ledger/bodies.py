"""Strict serializers for bodies and queries: unknown fields are refused, never ignored."""

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from typing import Any, ClassVar, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms import IntegerField
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from ledger.domain.action import REASON_CHARS_MAX

_M = TypeVar("_M", bound=Model)


def valid(shape: type[serializers.Serializer[Any]], body: Any) -> dict[str, Any]:
    """Return what a body or a query says, in that shape.

    :raises ValidationError: if it is not of that shape; the answer is a 400.
    """
    asked = shape(data=body)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


def not_known(name: str, known: Iterable[str], *, what: str) -> ErrorDetail:
    """Say that nothing goes by `name`, and what the caller may have meant."""
    names = sorted(known)
    if near := get_close_matches(name, names, n=1):
        says = f"There is no such {what} here; did you mean {near[0]}?"
    elif names:
        says = f"There is no such {what} here. There are: {', '.join(names)}."
    else:
        says = f"There is no such {what} here, nor any other."
    return ErrorDetail(says, code="unknown")


class Shown(serializers.ModelSerializer[_M]):
    """What everybody sees of a row. Its fields need to know of no request, and are made once."""

    def __init__(self, instance: Any = None, **options: Any) -> None:
        if instance is None or options:
            super().__init__(instance, **options)
        else:
            vars(self).update(_as_made(type(self)), instance=instance)

    @property
    def fields(self) -> Any:
        return _fields_of(type(self))


@cache
def _fields_of(shape: type[serializers.Serializer[Any]]) -> Any:
    # Of an instance that holds nothing: fields keep the one that they were made for.
    return serializers.Serializer.fields.__get__(shape(), shape)


@cache
def _as_made(shape: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return what DRF's constructor sets in a serializer that is told nothing.

    It counts fields in their class, whereupon Python forgets what it has learnt about each class
    of fields: that takes longer than validating, or showing, what is small.
    """
    made = shape()
    return {name: value for name, value in vars(made).items() if name not in _OF_THE_CALL}


# What tells how to make another one, which differs from call to call.
_OF_THE_CALL = frozenset({"_args", "_kwargs"})


class NamesChoices(serializers.Serializer[Any]):
    """Names the choices in the error of a field.

    The fields of a body or query are made once: they depend on no request, and making them
    takes longer than validating a small body.
    """

    def __init__(self, instance: Any = None, **options: Any) -> None:
        if instance is None and options.keys() == {"data"}:
            vars(self).update(_as_made(type(self)), initial_data=options["data"])
        else:
            super().__init__(instance, **options)

    @property
    def fields(self) -> Any:
        if getattr(self, "parent", None) is None:
            return _fields_of(type(self))
        # Part of another, which is made once, and so is this; DRF keeps what it has made there.
        made = vars(self).get("fields")
        return serializers.Serializer.fields.__get__(self) if made is None else made

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for field in fields.values():
            choosing = getattr(field, "child", field)
            if isinstance(choosing, serializers.ChoiceField):
                choices = ", ".join(str(each) for each in choosing.choices if each != "")
                choosing.error_messages["invalid_choice"] = f"Say one of: {choices}."
        return fields


class Body(NamesChoices):
    """A misspelt optional field must not quietly become its default."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name: [not_known(name, self.fields, what="field")] for name in unknown}
                )
            self._refuse_blank_references(data)
        return super().to_internal_value(data)

    def _refuse_blank_references(self, data: dict[str, Any]) -> None:
        # DRF takes "" for null there, as HTML forms mean it. JSON has a null.
        blank = [
            name
            for name, field in self.fields.items()
            if isinstance(field, serializers.RelatedField) and data.get(name) == ""
        ]
        if blank:
            raise serializers.ValidationError(
                {name: ["Say null, or an id."] for name in blank}, code="blank"
            )


class ReasonIn(Body):
    """Why something is done. Kept in the ledger."""

    reason = serializers.CharField(max_length=REASON_CHARS_MAX)


class OptionalReasonIn(Body):
    """The reason of an action, which may be left out."""

    reason = serializers.CharField(
        max_length=REASON_CHARS_MAX, default="", allow_blank=True, help_text="Kept in the ledger."
    )


class WholeNumber(serializers.IntegerField):
    """Digits only: no sign, no fraction, no digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not (str(data).isascii() and str(data).isdecimal()):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A moment as RFC 3339 has it. Without an offset it is none: it would be taken for UTC."""

    default_error_messages: ClassVar = {
        "no_offset": "Say with which offset: 2026-12-01T09:00:00+01:00, or Z for UTC."
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            self.fail("no_offset")
        moment: datetime = super().enforce_timezone(value)
        return moment


class QueryIn(NamesChoices):
    """A query string in which nothing is ignored."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(
                {name: [not_known(name, self.fields, what="parameter")] for name in unknown}
            )
        # DRF takes "" for a parameter that was left out, as HTML forms mean it.
        blank = sorted(name for name in self.initial_data if self.initial_data[name] == "")
        if blank:
            raise serializers.ValidationError(
                {name: ["Give it a value, or leave it out."] for name in blank}, code="blank"
            )
        return attrs


class OneOrMore(filters.BaseInFilter, filters.ChoiceFilter):
    """A filter of a list by one value or several, separated by commas."""


class _MomentField(IsoDateTimeField):
    default_error_messages: ClassVar = {
        "invalid": "Say a moment, such as 2026-12-01T09:00:00Z; in a URL, escape a plus sign.",
        "no_offset": Moment.default_error_messages["no_offset"],
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values:
            return None
        try:
            moment = parse_datetime(str(value))
        except ValueError:
            moment = None
        if moment is None:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        if timezone.is_naive(moment):
            raise ValidationError(self.error_messages["no_offset"], code="no_offset")
        return moment


class MomentFilter(filters.IsoDateTimeFilter):
    """A filter of a list by a moment, which has an offset here as it has in bodies."""

    field_class = _MomentField


class WholeNumberFilter(filters.NumberFilter):
    """A filter of a list by a number that is counted: there is no version 0.5 to look for."""

    field_class = IntegerField
