"""Log formatting: one line per record, with time, level, place, ids, message and facts.

Every line has ids by which it can be followed, and none has secrets.
"""

import logging
import re
import time
from contextvars import ContextVar
from typing import Any, Final

from events import context
from events.domain.redaction import redact

request_id: Final[ContextVar[str]] = ContextVar("daybook_request_id", default="-")
"""The request or task that is being served."""

_IDS = ("request_id", "correlation_id", "principal")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", *_IDS}
# Django passes the whole request; what matters of it is in the message.
_UNTOLD = frozenset({"request", "server_time"})
# A line break or an escape code must not look like a line of its own, or recolour a terminal.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class WithIds(logging.Filter):
    """Put the ids of the current context on the record."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = context.in_force()
        # Django says what it answered when our middleware is through with the request.
        served = getattr(record, "request", None)
        record.request_id = getattr(served, "request_id", None) or request_id.get()
        record.correlation_id = current.correlation_id if current else "-"
        record.principal = str(current.principal) if current else "-"
        return True


class WithoutTracesOfCallers(logging.Filter):
    """Errors of callers are no bugs: they are logged in one line, without a traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("django.security.") or _is_text_that_is_none(record):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def _is_text_that_is_none(record: logging.LogRecord) -> bool:
    # A frame of a WebSocket: uvicorn closes the socket with 1007, which is all there is to do.
    return record.name == "uvicorn.error" and isinstance(
        (record.exc_info or (None, None))[1], UnicodeDecodeError
    )


class WithoutSecrets(logging.Filter):
    """Redact the message, its arguments, the traceback and every extra."""

    _formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(_message_of(record)), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        for name, value in _extras(record).items():
            # With its name, by which a short password is known for one.
            setattr(record, name, redact(f"{name}={value}").removeprefix(f"{name}="))
        return True


class LineFormatter(logging.Formatter):
    """`2026-05-04T12:00:00.123Z WARNING events.bus [req_… cor_… user:7] It is slow. ms=230`."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        ids = " ".join(f"%({name})s" for name in _IDS)
        super().__init__(
            f"%(asctime)s %(levelname)s %(name)s [{ids}] %(message)s",
            defaults=dict.fromkeys(_IDS, "-"),
        )

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        """Add what the caller gave as `extra`."""
        facts = "".join(f" {name}={value}" for name, value in sorted(_extras(record).items()))
        return _CONTROL.sub(_escaped, super().formatMessage(record) + facts)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {k: v for k, v in vars(record).items() if k not in _STANDARD and k not in _UNTOLD}


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return f"{record.msg} {record.args}"  # A line with wrong arguments is still a line.


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
