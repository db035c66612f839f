"""Shortening of texts for people."""


def shortened(text: str, chars_max: int) -> str:
    """Return a derived text cut to at most `chars_max` characters, with `…` where it was cut.

    Text that somebody typed is never cut: it is refused, or stored whole.
    """
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
