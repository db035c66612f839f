"""Style sheets and scripts, served by the process itself."""

from contextlib import closing
from typing import Any

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types.
    """WhiteNoise, with whole answers.

    Its own are synchronous streams: under ASGI Django reads those into memory all the same,
    and warns of it each time. Our files are small.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with the file, or with 304 or a part of it if that was asked for."""
        with closing(WhiteNoiseMiddleware.serve(static_file, request)) as stream:
            return HttpResponse(
                b"".join(stream.streaming_content),
                status=stream.status_code,
                headers=dict(stream.items()),
            )
