"""DRF's parser over the strict decoder; reads no more than the size limit."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from events.domain import strict_json


class StrictJSONParser(BaseParser):
    """`application/json`, decoded once, strictly, up to API_BODY_BYTES_MAX."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise UnsupportedMediaType(f"{media_type} in {encoding}")
        bytes_max = settings.API_BODY_BYTES_MAX
        # One byte more than allowed tells "too large" from "just fits".
        return strict_json.loads(stream.read(bytes_max + 1), bytes_max=bytes_max)
