"""The URLs that Argyll's clients use. Each also with a trailing slash."""

from django.urls import re_path

from workflows.flows.api import engine, health, protocol, webhook

_FLOW = r"(?P<flow_id>[^/]+)"
_STEP = r"(?P<step_id>[^/]+)"

urlpatterns = [
    re_path(r"^health/?$", health.process),
    re_path(rf"^webhook/{_FLOW}/{_STEP}/(?P<token>[^/]+)/?$", webhook.webhook),
    re_path(r"^engine/?$", engine.whole_engine),
    re_path(r"^engine/ws/?$", protocol.no_upgrade),
    re_path(r"^engine/catalog/?$", engine.catalog),
    re_path(r"^engine/catalog/events/?$", engine.catalog_events),
    re_path(r"^engine/cluster/?$", engine.cluster),
    re_path(r"^engine/cluster/events/?$", engine.cluster_events),
    re_path(r"^engine/health/?$", engine.health),
    re_path(rf"^engine/health/{_STEP}/?$", engine.step_health),
    re_path(r"^engine/step/?$", engine.steps),
    re_path(rf"^engine/step/{_STEP}/?$", engine.step),
    re_path(r"^engine/plan/?$", engine.plan),
    re_path(r"^engine/flow/?$", engine.flows),
    re_path(r"^engine/flow/query/?$", engine.query),
    re_path(rf"^engine/flow/{_FLOW}/?$", engine.flow),
    re_path(rf"^engine/flow/{_FLOW}/status/?$", engine.flow_status),
    re_path(rf"^engine/flow/{_FLOW}/events/?$", engine.flow_events),
    re_path(r"^(?:engine|webhook)(?:/.*)?$", protocol.unknown),
]
