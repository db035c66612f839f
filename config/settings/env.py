"""Typed readers of environment variables. An invalid value raises: no silent defaults."""

import math
import os
import re
from collections.abc import Collection, Mapping
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})
_HOST = re.compile(r"\*|\.?[^\s:/?#@\[\]*]+|\[[0-9a-fA-F:.]+\]")
_NUMBER_OF_VALKEY = re.compile(r"/?|/[0-9]+/?")

INT_MAX = 2**31 - 1
"""What PostgreSQL takes as a whole number, and for how many milliseconds it can wait."""


def text(name: str, default: str | None = None) -> str:
    """Read a value as it is.

    :raises ImproperlyConfigured: if it is not set, or empty, and has no default.
    """
    value = os.environ.get(name, default)
    if value is None or (default is None and not value):
        raise ImproperlyConfigured(f"Set {name}; it has no default.")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Read 1/true/yes/on or 0/false/no/off."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; say true or false.")


def integer(
    name: str, default: int, *, at_least: int | None = None, at_most: int | None = None
) -> int:
    """Read a whole number."""
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a whole number.") from error
    if at_least is not None and number < at_least:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be at least {at_least}.")
    if at_most is not None and number > at_most:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be at most {at_most}.")
    return number


def number(name: str, default: float, *, at_most: float | None = None) -> float:
    """Read a finite number, with decimals or without."""
    value = os.environ.get(name)
    if value is None:
        return default
    try:
        read = float(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a number.") from error
    if not math.isfinite(read):
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be a number.")
    if at_most is not None and read > at_most:
        raise ImproperlyConfigured(f"{name} is {value!r}; it must be at most {at_most:g}.")
    return read


def choice(name: str, default: str, known: Collection[str]) -> str:
    """Read one of a few words."""
    value = text(name, default)
    if value not in known:
        raise ImproperlyConfigured(f"{name} is {value!r}; say one of: {', '.join(known)}.")
    return value


def url(name: str, default: str = "") -> str:
    """Read the address of a web server; empty if there is none."""
    value = text(name, default)
    if value and not _is_of_web(value):
        raise ImproperlyConfigured(f"{name} is {value!r}; say http://… or https://….")
    if "?" in value or "#" in value:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; paths are added to it, so without ? or #."
        )
    return value


def _is_of_web(value: str) -> bool:
    try:
        parts = urlsplit(value)
        has_port = parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and has_port


def listing(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list; blanks are dropped."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


def hosts(name: str, default: str) -> list[str]:
    """Read a comma-separated list of host names, as they are compared with the header `Host`."""
    named = listing(name, default)
    for host in named:
        if not _HOST.fullmatch(host):
            raise ImproperlyConfigured(
                f"{name} says {host!r}; say names without scheme, port or path: books.example, "
                ".example (with all below it), [::1], or *."
            )
    return named


def label(name: str, default: str) -> str:
    """Read the name of something in lower case: letters, digits and hyphens."""
    value = text(name, default)
    if not re.fullmatch(r"[a-z0-9-]+", value):
        raise ImproperlyConfigured(
            f"{name} is {value!r}; say lower-case letters, digits and hyphens."
        )
    return value


def mailbox(name: str, default: str = "") -> str:
    """Read the address of a mailbox, with or without the name of its owner; empty if none."""
    value = text(name, default)
    try:
        if value:
            validate_email(parseaddr(value)[1] if value.isprintable() else "")
    except ValidationError as error:
        raise ImproperlyConfigured(
            f"{name} is {value!r}; say books@example.org or Books <books@example.org>."
        ) from error
    return value


def networks(name: str) -> list[str]:
    """Read a comma-separated list of networks in CIDR notation."""
    blocks = listing(name)
    for block in blocks:
        try:
            ip_network(block)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}.") from error
    return blocks


def secret(name: str, default: str | None = None) -> str:
    """Read a secret from `name`, or from the file that `name`_FILE names."""
    path = os.environ.get(f"{name}_FILE")
    if path is None:
        return text(name, default)
    try:
        value = Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}.") from error
    if default is None and not value:
        raise ImproperlyConfigured(f"{name}_FILE names an empty file; {name} has no default.")
    return value


def database(
    url: str,
    *,
    session: dict[str, int] | None = None,
    pool: Mapping[str, object] | None = None,
    name: str = "DATABASE_URL",
) -> dict[str, object]:
    """Turn postgresql://user:password@host:port/name?host=/socket/dir into Django's shape.

    `session` are PostgreSQL parameters for every connection; the URL's own options go last.
    `name` is the variable that says it. What it says may be a secret, so it is not repeated.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} cannot be read as a URL.") from error
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"Daybook needs PostgreSQL: {name}=postgresql://…")
    options: dict[str, object] = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    try:
        port = parts.port
    except ValueError as error:
        # What stands there may be a part of the password, so it is not repeated.
        raise ImproperlyConfigured(
            f"The port in {name} is no number from 0 to 65535. In a password, / ? # and @ "
            "must be percent-encoded."
        ) from error
    if not parts.path.strip("/") and not {"dbname", "service"} & options.keys():
        raise ImproperlyConfigured(f"{name} names no database: postgresql://host/name.")
    host = options.pop("host", parts.hostname or "")
    parameters = [f"-c {name}={value}" for name, value in (session or {}).items()]
    options["options"] = " ".join([*parameters, str(options.get("options", ""))]).strip()
    if pool:
        options["pool"] = pool
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        "OPTIONS": options,
        "ATOMIC_REQUESTS": False,
        "CONN_HEALTH_CHECKS": True,
        # Django's pool does not go with connections that are kept as well.
        "CONN_MAX_AGE": 0 if pool else 600,
    }


def valkey(name: str) -> str:
    """Read the URL of Valkey, which may have a password: it is never repeated."""
    value = secret(name)
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} cannot be read as a URL.") from error
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(f"{name} begins with redis://, rediss:// (TLS) or unix://.")
    try:
        _ = parts.port
    except ValueError as error:
        # What stands there may be a part of the password.
        raise ImproperlyConfigured(
            f"The port in {name} is no number from 0 to 65535. In a password, / ? # and @ must be "
            "percent-encoded."
        ) from error
    if parts.scheme != "unix" and not _NUMBER_OF_VALKEY.fullmatch(parts.path):
        # The client would take the first database without a word.
        raise ImproperlyConfigured(f"{name} ends with the number of its database, such as /0.")
    return value


def as_broker(redis_url: str) -> str:
    """Turn the URL of Valkey into the form that Celery knows."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    number = parse_qs(parts.query).get("db", ["0"])[-1]
    return f"redis+socket://{parts.path}?virtual_host={number}"


def broker_options(broker_url: str) -> dict[str, object]:
    """Return the options that a broker's transport understands; RabbitMQ's has its own."""
    if urlsplit(broker_url).scheme.startswith(("redis", "valkey")):
        # A copy of each message until it is acknowledged takes two more round trips before any
        # work begins. A bell that is lost with a worker is rung again by the sweeper.
        return {"socket_connect_timeout": 1, "socket_timeout": 3, "ack_emulation": False}
    return {}
