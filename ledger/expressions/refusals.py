"""Why an expression has no program, or no value. Without the library, which takes long to load."""


class NoProgram(Exception):
    """A text is an expression of the language, and none that can be evaluated here."""


class Unanswered(Exception):
    """An expression has no value; the message says why in one line."""
