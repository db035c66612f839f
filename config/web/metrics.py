"""/metrics: the metrics of the product, in the format of Prometheus."""

from collections.abc import Iterator
from typing import Final

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from rest_framework.request import Request
from rest_framework.views import APIView

from config.web.negotiation import Indifferent
from events import metrics
from events.metrics import Figure, Kind, Metric

_Family = CounterMetricFamily | GaugeMetricFamily

_FAMILIES: Final = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}


class _Product(Collector):
    """Everything that the apps have declared, read when it is asked for."""

    def collect(self) -> Iterator[_Family]:
        found = metrics.figures()
        for metric in metrics.every():
            yield _family(metric, found[metric.name])


@extend_schema(exclude=True)
class MetricsView(APIView):
    """In the text format, or as OpenMetrics for who asks for that."""

    capabilities = {"get": "system.health"}
    content_negotiation_class = Indifferent

    def get(self, request: Request) -> HttpResponse:
        encode, media_type = choose_encoder(request.headers.get("Accept", ""))
        # One of its own: that of the library would measure this process, one of many.
        registry = CollectorRegistry()
        registry.register(_Product())
        return HttpResponse(
            encode(registry), content_type=media_type, headers={"Cache-Control": "no-store"}
        )


def _family(metric: Metric, figures: list[Figure]) -> _Family:
    labels = [metric.label] if metric.label else []
    family: _Family = _FAMILIES[metric.kind](metric.name, metric.meaning, labels=labels)
    for figure in figures:
        family.add_metric([figure.of] if labels else [], figure.value)
    return family


_HEAD: Final = """# Metrics

Made by `manage.py metrics_docs` from what the apps declare; do not edit. `GET /metrics` tells them
in the text format of Prometheus, or as OpenMetrics, to whoever holds `system.health`. They are read
from the database when they are asked for: one process answers for all of them.

| metric | kind | label | meaning |
| --- | --- | --- | --- |
"""


def markdown() -> str:
    """Return the text of docs/metrics.md."""
    return _HEAD + "".join(map(_row, metrics.every()))


def _row(metric: Metric) -> str:
    label = f"`{metric.label}`" if metric.label else ""
    return f"| `{metric.name}` | {metric.kind} | {label} | {metric.meaning} |\n"
