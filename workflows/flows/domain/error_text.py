"""What others say went wrong, as events can carry it."""

CHARS_MAX = 8_000

_NUL, _UNREADABLE = "\0", "\ufffd"


def storable(error: str) -> str:
    """Return the text of an error without what cannot be stored, and not endless."""
    if len(error) > CHARS_MAX:
        error = f"{error[:CHARS_MAX]}…"
    if error.isascii() and _NUL not in error:
        return error
    readable = error.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return readable.replace(_NUL, _UNREADABLE)
