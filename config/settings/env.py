"""Typed readers of environment variables. An invalid value raises: no silent defaults."""

import math
import os
from collections.abc import Collection
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def text(name: str, default: str | None = None) -> str:
    """Read a value as it is.

    :raises ImproperlyConfigured: if it is not set and has no default.
    """
    value = os.environ.get(name, default)
    if value is None:
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


def integer(name: str, default: int, *, at_least: int | None = None) -> int:
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
    return number


def number(name: str, default: float) -> float:
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
    return value


def _is_of_web(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def listing(name: str, default: str = "") -> list[str]:
    """Read a comma-separated list; blanks are dropped."""
    return [item.strip() for item in os.environ.get(name, default).split(",") if item.strip()]


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
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}.") from error


def database(
    url: str, *, session: dict[str, int] | None = None, pool: dict[str, int] | None = None
) -> dict[str, object]:
    """Turn postgresql://user:password@host:port/name?host=/socket/dir into Django's shape.

    `session` are PostgreSQL parameters for every connection; the URL's own options go last.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured("Daybook needs PostgreSQL: DATABASE_URL=postgresql://…")
    options: dict[str, object] = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    try:
        port = parts.port
    except ValueError as error:
        # What stands there may be a part of the password, so it is not repeated.
        raise ImproperlyConfigured(
            "The port in DATABASE_URL is no number from 0 to 65535. In a password, / ? # and @ "
            "must be percent-encoded."
        ) from error
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
    if urlsplit(value).scheme not in {"redis", "rediss", "unix"}:
        raise ImproperlyConfigured(f"{name} begins with redis://, rediss:// (TLS) or unix://.")
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
