"""Redacts and shortens stored errors: no secrets, no addresses, bounded size."""

import re

ERROR_CHARS_MAX = 2_000
STACK_CHARS_MAX = 8_000
REDACTED = "[redacted]"

_SECRETS = [
    re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)", re.DOTALL),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:sk|pk|rk|whsec|dbk)_[A-Za-z0-9_+/=-]{12,}"),
    re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"),
    re.compile(r"(?i)(?<=\bbearer )[\w.~+/=-]+|(?<=\bbasic )[\w+/=-]{8,}"),
    re.compile(
        r"(?i)(?<=password=)[^\s&;,'\")]+|(?<=passwd=)[^\s&;,'\")]+|(?<=secret=)[^\s&;,'\")]+"
        r"|(?<=token=)[^\s&;,'\")]+|(?<=api_key=)[^\s&;,'\")]+|(?<=apikey=)[^\s&;,'\")]+"
    ),
    # The address of a person: the journal of attempts cannot forget it.
    re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
]


def redact(text: str) -> str:
    """Return `text` with everything that looks like a secret or an address blotted out."""
    for pattern in _SECRETS:
        text = pattern.sub(REDACTED, text)
    # PostgreSQL's text holds no NUL, and a lone surrogate has no UTF-8.
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def short_error(text: str) -> str:
    """Return the beginning of an error's text, without secrets."""
    return redact(text[: ERROR_CHARS_MAX * 2])[:ERROR_CHARS_MAX]


def short_stack(text: str) -> str:
    """Return the end of a traceback, where the cause is, without secrets."""
    return redact(text[-STACK_CHARS_MAX * 2 :])[-STACK_CHARS_MAX:]
