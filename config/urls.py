"""Every URL of the product, one line per app."""

from django.contrib import admin
from django.urls import include, path, re_path

from config.web import documents, health, metrics, openapi
from config.web.addresses import by_first_segment

# No address ends in a slash. One line per room.
API = [
    path("", include("events.api.urls")),
    path("", include("ledger.api.urls")),
    path("", include("workflows.work.api.urls")),
    path("", include("workflows.webhooks.api.urls")),
    path("", include("workflows.flows.api.urls")),
    path("", include("commerce.api.urls")),
]

urlpatterns = [
    path("admin/", admin.site.urls),
    re_path(r"^api/v1/?$", documents.IndexView.as_view(), name="api"),
    path("api/v1/", include(by_first_segment(API))),
    path("api/schema/", openapi.SchemaView.as_view(), name="schema"),
    path("docs/<slug:name>.md", documents.show, name="document"),
    path("livez", health.livez, name="livez"),
    path("readyz", health.ReadyView.as_view(), name="readyz"),
    path("metrics", metrics.MetricsView.as_view(), name="metrics"),
    path("", include("workflows.flows.api.compatible")),
    path("", include("console.urls")),
]

# Problem documents under /api/, the console's pages everywhere else.
handler400 = "config.web.problems.bad_request"
handler403 = "config.web.problems.permission_denied"
handler404 = "config.web.problems.page_not_found"
handler500 = "config.web.problems.server_error"
