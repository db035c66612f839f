"""CEL, the Common Expression Language, compiled to closures that look at their own time."""


def load() -> None:
    """Load the library: half a second of a process whose parent has not done it."""
    from celpy.celparser import CELParser  # noqa: PLC0415 (that is what takes so long)

    from ledger.expressions import macros  # noqa: F401, PLC0415 (and what is built upon it)

    CELParser()  # It is built once, in a third of a second.
