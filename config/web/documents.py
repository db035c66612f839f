"""Serves the documentation that responses link to, and `/api/v1`, which links to all of it."""

from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.web.negotiation import Indifferent
from ledger.access import authority
from ledger.access.authority import PUBLIC

# By the name under which the index lists them.
_SERVED: Final = {
    "first_hour": "first-hour",
    "guide": "api",
    "errors": "errors",
    "events": "events",
    "capabilities": "capabilities",
    "webhooks": "webhooks",
    "websocket": "websocket",
    "metrics": "metrics",
}


class IndexView(APIView):
    """Where the API is described: one absolute URL per document, in JSON for browsers too."""

    capabilities = PUBLIC
    content_negotiation_class = Indifferent
    schema = None

    def get(self, request: Request) -> Response:
        links = {"schema": reverse("schema")}
        links |= {name: reverse("document", args=[file]) for name, file in _SERVED.items()}
        return Response({name: request.build_absolute_uri(link) for name, link in links.items()})


@authority.public
def show(_request: HttpRequest, name: str) -> HttpResponse:
    """Show docs/<name>.md as it is."""
    path = Path(settings.FILES) / "docs" / f"{name}.md"
    if name not in _SERVED.values() or not path.exists():
        raise Http404
    return HttpResponse(path.read_text(), content_type="text/markdown; charset=utf-8")
