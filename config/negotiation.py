"""What a caller and a view settle before anything is asked for: media types and methods."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class Negotiation(DefaultContentNegotiation):
    """As DRF does it. A blank Accept asks for nothing in particular, as an absent one does."""

    def get_accept_list(self, request: Request) -> list[str]:
        asked = request.headers.get("Accept", "").strip() or "*/*"
        return [token.strip() for token in asked.split(",")]


class AllowedMethods(BaseMetadata):
    """Answer OPTIONS with `Allow` and nothing else: what there is to know is in /api/schema/."""

    def determine_metadata(self, request: Request, view: Any) -> None:
        return None
