"""Error messages of peers, made storable in events."""

CHARS_MAX = 8_000

_NUL, _UNREADABLE = "\0", "\ufffd"


def storable(error: str) -> str:
    """Return `error` without characters that cannot be stored, cut to CHARS_MAX."""
    if len(error) > CHARS_MAX:
        error = f"{error[:CHARS_MAX]}…"
    if error.isascii() and _NUL not in error:
        return error
    readable = error.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return readable.replace(_NUL, _UNREADABLE)
