"""Content negotiation (media types), and the handling of OPTIONS."""

from collections.abc import Iterable
from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """As DRF does it. A blank Accept asks for nothing in particular, as an absent one does."""

    def get_accept_list(self, request: Request) -> list[str]:
        asked = request.headers.get("Accept", "").strip() or "*/*"
        return [token.strip() for token in asked.split(",")]


class Indifferent(Negotiation):
    """For a view that chooses the form of its answer itself. Refusals come in their one form."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class AllowedMethods(BaseMetadata):
    """Answer OPTIONS with `Allow` and nothing else: what there is to know is in /api/schema/."""

    def determine_metadata(self, request: Request, view: Any) -> None:
        return None
