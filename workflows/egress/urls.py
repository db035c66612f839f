"""Parses URLs strictly, in the one way in which they are then used. Pure.

Parsers that disagree are how a checked URL becomes another host, so anything that two
parsers could read differently is refused instead of repaired.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from workflows.egress.refusals import EgressRefused

URL_CHARACTERS_MAX = 2_048
HOST_CHARACTERS_MAX = 253
HIDDEN = "…"
PORTS_PUBLIC = frozenset({80, 443})
_DEFAULT_PORT = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
# Python before 3.11.10 drops what stands between the bracket and the port.
_BRACKETED = re.compile(r"\[[^\[\]]*\](:[0-9]+)?")
_IPV6 = re.compile(r"[0-9a-f:.]+")

Scheme = Literal["http", "https"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a call goes: the parts that are connected to, and nothing else."""

    scheme: Scheme
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Return `https://host` or `https://host:8443`, as a browser would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        suffix = "" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{suffix}"

    def __str__(self) -> str:
        return self.origin + self.path


def shown(url: str) -> str:
    """Return of an address what everybody may see: its path and query may hold a secret."""
    try:
        target = parse(url)
    except EgressRefused:
        return HIDDEN
    return target.origin if target.path == "/" else f"{target.origin}/{HIDDEN}"


def origin_of(url: str) -> str:
    """Return the origin of `url`; empty if it is refused, so that it leads nowhere."""
    try:
        return parse(url).origin
    except EgressRefused:
        return ""


def parse(url: str) -> Target:
    """Take `url` apart.

    :raises EgressRefused: if it is not a plain absolute http(s) URL.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise EgressRefused(f"the URL is longer than {URL_CHARACTERS_MAX} characters")
    if not _PRINTABLE.fullmatch(url) or "\\" in url:
        raise EgressRefused("the URL has characters that must be percent-encoded or punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefused("the URL cannot be read") from error
    scheme = _scheme(parts.scheme)
    if "@" in parts.netloc:
        raise EgressRefused("the URL carries a user name or password")
    if "#" in url:
        raise EgressRefused("the URL carries a fragment")
    if port == 0 or parts.netloc.endswith(":"):
        raise EgressRefused("the URL has an odd port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.startswith("/"):
        raise EgressRefused("the URL cannot be read")
    if parts.netloc.startswith("[") and not _BRACKETED.fullmatch(parts.netloc):
        raise EgressRefused("the URL has an odd host")
    host = _host(parts.hostname or "", bracketed=parts.netloc.startswith("["))
    return Target(scheme=scheme, host=host, port=port or _DEFAULT_PORT[scheme], path=path)


def _scheme(scheme: str) -> Scheme:
    if scheme == "http":
        return "http"
    if scheme == "https":
        return "https"
    raise EgressRefused("the URL is neither http nor https")


def _host(host: str, *, bracketed: bool) -> str:
    if bracketed:
        # No zone: fe80::1%eth0 names an interface of this machine.
        if not _IPV6.fullmatch(host):
            raise EgressRefused("the URL has an odd host")
        return host
    host = host.removesuffix(".")
    labels = host.split(".")
    if len(host) > HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressRefused("the URL has an odd host")
    return host
