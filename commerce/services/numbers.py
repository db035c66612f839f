"""Issues document numbers without gaps or duplicates, under the lock of the series row."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from commerce.domain import numbering
from commerce.domain.numbering import Reset
from commerce.models import NumberSeries, SeriesScope
from events.domain.errors import Conflict
from ledger import recording
from ledger.domain.action import Action, Kind, Target

_DEFAULTS = {
    SeriesScope.BOOKING: ("BK", Reset.MONTHLY),
    SeriesScope.INVOICE: ("INV", Reset.ANNUAL),
    SeriesScope.CREDIT_NOTE: ("CN", Reset.ANNUAL),
}


class NoActiveSeries(Conflict):
    code = "no_active_series_for_scope"
    hint = "Activate a number series in the admin."

    def __init__(self, scope: str) -> None:
        super().__init__(f"No number series for {scope} is active.", scope=scope)


def next_number(scope: SeriesScope, *, day: date) -> str:
    """Return the next number of the active series, which stays locked until commit.

    :raises NoActiveSeries: if somebody switched the series off.
    :raises SeriesExhausted: if the series has no number left.
    """
    series = _locked(scope)
    period = numbering.period_of(Reset(series.reset), day)
    sequence = series.last_sequence + 1 if series.period == period else 1
    number = numbering.format_number(series.prefix, period, sequence)
    NumberSeries.objects.filter(pk=series.pk).update(period=period, last_sequence=sequence)
    return number


def begin_series(*, series: NumberSeries) -> None:
    """Keep a new series, in a transaction of its own and on record."""
    asked: dict[str, Any] = {"scope": series.scope, "prefix": series.prefix}
    asked |= {"reset": series.reset, "is_active": series.is_active}
    with recording.recorded(_action("create", Kind.CREATE, series, asked)):
        series.save(force_insert=True)


def switch_series(*, series: NumberSeries, is_active: bool) -> None:
    """Switch a series on or off, in a recorded transaction of its own.

    What it has counted is left alone: numbers are handed out while somebody looks at a form.
    """
    asked = {"is_active": is_active}
    with recording.recorded(_action("update", Kind.UPDATE, series, asked)):
        NumberSeries.objects.filter(pk=series.pk).update(is_active=is_active)


def _action(verb: str, kind: Kind, series: NumberSeries, asked: Mapping[str, Any]) -> Action:
    return Action(
        name=f"number_series.{verb}",
        kind=kind,
        target=Target(type="number_series", id=str(series.pk)),
        capability="number_series.manage",
        input=asked,
    )


def _locked(scope: SeriesScope) -> NumberSeries:
    if not NumberSeries.objects.filter(scope=scope).exists():
        prefix, reset = _DEFAULTS[scope]
        NumberSeries.objects.bulk_create(
            [NumberSeries(scope=scope, prefix=prefix, reset=reset)], ignore_conflicts=True
        )
    series = NumberSeries.objects.select_for_update().filter(scope=scope, is_active=True).first()
    if series is None:
        raise NoActiveSeries(scope)
    return series
