"""Texts for people that have to fit somewhere."""


def shortened(text: str, chars_max: int) -> str:
    """Return a derived text in at most so many characters; what is cut off is seen by `…`.

    What somebody typed is not cut: it is refused, or taken whole.
    """
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
