"""Redacts secrets and addresses in text that people will read: logs, errors, traces.

A last safety net, by patterns. It is no licence to write a secret down.

Texts come from outside and may be long. So no pattern looks twice at a stretch that it has seen:
what repeats is possessive (`++`), and begins where a stretch does, or is bounded.
"""

import re
from typing import Final

REDACTED: Final = "[redacted]"

_PATTERNS: Final = (
    # PEM blocks, whole or cut off.
    re.compile(r"-----BEGIN [A-Z ]+-----(?:(?!-----END).)*(?:-----END [A-Z ]+-----)?", re.DOTALL),
    re.compile(r"daybook_(?:agent_)?[0-9a-z]{12}_[0-9A-Za-z]+"),
    re.compile(r"whsec_[0-9A-Za-z+/=_-]+"),
    re.compile(r"\beyJ[0-9A-Za-z_-]{1,4096}+\.[0-9A-Za-z_-]++\.[0-9A-Za-z_-]*+"),
    re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    # Secret keys of payment providers.
    re.compile(r"\b[sr]k_[0-9A-Za-z_]{12,}+"),
    # What opens a socket from a browser, and what lets a step call back: they have to stand in
    # the address.
    re.compile(r"(?<=[?&]ticket=)[^\s&\"']+"),
    re.compile(r"(?<=[?&]signature=)[^\s&\"']+"),
    # The row that PostgreSQL refused, to the end of its line: all that it says of anybody.
    re.compile(r"(?<=Failing row contains \()(?:(?!\)\.(?:\n|\Z)).)++", re.DOTALL),
    # The address of a person: log lines are not erased with the person.
    re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++"),
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)\s+[0-9A-Za-z._~+/=-]{6,}")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/@]+(?=@)")
# password=…, "secret": "…", api-key: …; in prose, JSON, a query string or a Python repr.
_NAMED = re.compile(
    r"""(?ix)
    ( (?: passw(?:or)?d | passphrase | secret | api[_-]?key | token | sessionid ) [\w-]{0,64}+
      ["']? \s*+ [:=] \s*+ )
    ( "[^"]*" | '[^']*' | [^\s"',;&})\]]+ )
    """
)


def redact(text: str) -> str:
    """Return `text` without anything that looks like a secret or an address."""
    for pattern in _PATTERNS:
        text = pattern.sub(REDACTED, text)
    text = _AUTHORIZATION.sub(rf"\1 {REDACTED}", text)
    text = _URL_PASSWORD.sub(rf"\1:{REDACTED}", text)
    return _NAMED.sub(rf"\1{REDACTED}", text)
