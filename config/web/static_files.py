"""Style sheets and scripts, served by the process itself."""

import os
from contextlib import closing
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types.
    """WhiteNoise, with whole answers, of the files as they are now.

    Its own are synchronous streams: under ASGI Django reads those into memory all the same,
    and warns of it each time. Our files are small. And it remembers the length of each file: one
    that is changed under a running process would be cut off, or never come to its end.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._seen: dict[str, tuple[int, int]] = {}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with a file, if the address is one's."""
        if (known := self.files.get(request.path_info)) is not None:
            self._look_again(request.path_info, known)
        answer: HttpResponseBase = super().__call__(request)
        return answer

    def _look_again(self, url: str, known: Any) -> None:
        path = known.alternatives[-1][1]
        try:
            now = os.stat(path)
        except OSError:
            del self.files[url]
            return
        if self._seen.get(url) != (now.st_mtime_ns, now.st_size):
            self.add_file_to_dictionary(url, path)
            self._seen[url] = (now.st_mtime_ns, now.st_size)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with the file, or with 304 or a part of it if that was asked for."""
        with closing(WhiteNoiseMiddleware.serve(static_file, request)) as stream:
            return HttpResponse(
                b"".join(stream.streaming_content),
                status=stream.status_code,
                headers=dict(stream.items()),
            )
