"""Streams in addresses: `/events/streams/invoice/7`, whatever the elements of the path hold."""

from urllib.parse import quote

from django.urls import reverse

from events.domain.envelope import Stream

_DOTS = (".", "..")


def path_of(stream: Stream) -> str:
    """Return the path that stands for `stream` in an address, quoted."""
    return "/".join(quote(_escaped(element), safe="~") for element in stream)


def url_of(stream: Stream) -> str:
    """Return the address of the page of `stream`."""
    # reverse() would quote what is quoted.
    return f"{reverse('console:events')}/streams/{path_of(stream)}"


def stream_at(path: str) -> Stream:
    """Read what `path_of` wrote, after the web server unquoted it. Blanks are dropped."""
    return tuple(_unescaped(element) for element in path.split("/") if element)


def _escaped(element: str) -> str:
    # A quoted slash arrives as a slash, and a browser resolves "." and ".." even when quoted.
    text = element.replace("~", "~0").replace("/", "~1")
    return text.replace(".", "~2") if text in _DOTS else text


def _unescaped(text: str) -> str:
    return text.replace("~2", ".").replace("~1", "/").replace("~0", "~")
