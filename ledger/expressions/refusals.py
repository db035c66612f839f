"""The errors of expressions. Apart from the library, because that takes long to load."""


class NoProgram(Exception):
    """The expression is valid CEL, but cannot be evaluated here."""


class Unanswered(Exception):
    """The evaluation failed; the message says why in one line."""
