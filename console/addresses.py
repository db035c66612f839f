"""URL converters for streams and ids: `/events/streams/invoice/7`, with any characters."""

from urllib.parse import quote

from django.urls import NoReverseMatch, reverse

from events.domain.envelope import Stream

_DOTS = (".", "..")
_TARGETS_WITH_A_PAGE = frozenset({"approval", "booking", "flow", "invoice", "job", "step"})


class IdConverter:
    """One element of a path that is somebody's id, also if it is a word of our own addresses."""

    regex = "[^/]+"
    words = frozenset({"steps", "starts", "new", "start"})
    """What stands in the place of an id in the addresses of flows, steps and starts."""

    def to_python(self, text: str) -> str:
        """Return the id.

        :raises ValueError: if the text is one of the words, and so no id.
        """
        if text in self.words:
            raise ValueError(text)
        return _unescaped(text.removeprefix("~="))

    def to_url(self, element: str) -> str:
        """Write the id."""
        return f"~={element}" if element in self.words else _escaped(element)


def path_of(stream: Stream) -> str:
    """Return the path that stands for `stream` in an address, quoted."""
    return "/".join(quote(_escaped(element), safe="~") for element in stream)


def url_of(stream: Stream) -> str:
    """Return the address of the page of `stream`."""
    # reverse() would quote what is quoted.
    return f"{reverse('console:events')}/streams/{path_of(stream)}"


def page_of_target(target_type: str, target_id: str) -> str:
    """Return the address of the console's page about a target; empty if it has none."""
    if target_type not in _TARGETS_WITH_A_PAGE:
        return ""
    try:
        return reverse(f"console:{target_type}", args=[target_id])
    except NoReverseMatch:
        return ""  # It is not there yet, or the id stands for several.


def stream_at(path: str) -> Stream:
    """Read what `path_of` wrote, after the web server unquoted it. Blanks are dropped."""
    return tuple(_unescaped(element) for element in path.split("/") if element)


def _escaped(element: str) -> str:
    # A quoted slash arrives as a slash, and a browser resolves "." and ".." even when quoted.
    text = element.replace("~", "~0").replace("/", "~1")
    return text.replace(".", "~2") if text in _DOTS else text


def _unescaped(text: str) -> str:
    return text.replace("~2", ".").replace("~1", "/").replace("~0", "~")
