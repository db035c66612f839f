"""Every address of the product, one line per room."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("console.urls")),
]

handler400 = "console.views.refusals.bad_request"
handler403 = "console.views.refusals.forbidden"
handler404 = "console.views.refusals.not_found"
