"""Serves the documentation that responses link to: the `type` of a problem is a URL that opens."""

from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

from ledger import authority

_SERVED: Final = frozenset({"api", "errors", "events"})


@authority.public
def show(_request: HttpRequest, name: str) -> HttpResponse:
    """Show docs/<name>.md as it is."""
    path = Path(settings.ROOT) / "docs" / f"{name}.md"
    if name not in _SERVED or not path.exists():
        raise Http404
    return HttpResponse(path.read_text(), content_type="text/markdown; charset=utf-8")
