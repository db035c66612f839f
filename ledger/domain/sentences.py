"""The default summary sentence of an entry."""

from collections.abc import Sequence

from ledger.domain.action import UNKNOWN_TARGET, WHOLE_ANSWER, Status

_ENDED = {
    Status.REQUESTED: "was asked for",
    Status.AWAITING_APPROVAL: "awaits approval",
    Status.APPROVED: "was approved",
    Status.DENIED: "was refused",
    Status.SUCCEEDED: "was done",
    Status.FAILED: "failed",
    Status.REVERSED: "was reverted",
    Status.COMPENSATED: "was compensated",
    Status.EXPIRED: "expired",
    Status.CANCELLED: "was withdrawn",
    Status.SUPERSEDED: "gave way to a newer request",
}


def of_action(name: str, *, target_type: str, target_id: str, status: str) -> str:
    """Return what was done to what, and how it went: `Cancel of booking 0190… was done.`"""
    verb = _words(name.rpartition(".")[2]).capitalize()
    which = f"any {_words(target_type)}" if target_id == UNKNOWN_TARGET else _words(target_type)
    named = which if target_id == UNKNOWN_TARGET else f"{which} {target_id}"
    return f"{verb} of {named} {_ENDED[Status(status)]}."


def of_look(disclosed_fields: Sequence[str]) -> str:
    """Return what somebody was shown; nothing if they were shown nothing private."""
    if not disclosed_fields or tuple(disclosed_fields) == WHOLE_ANSWER:
        return ""
    return f"Showed {', '.join(disclosed_fields)}."


def _words(name: str) -> str:
    return name.replace("_", " ")
