"""The events of work: interventions of operators, and failures. A success is no event; its
record is the attempt."""

from typing import Any

from events import catalogue

_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


catalogue.declare_stream("job", meaning="Operations on one piece of work.", read="job.read")
catalogue.declare(
    "job.dead_lettered",
    category="internal",
    meaning="A piece of work gave up: after errors (dead) or after crashes (poisoned).",
    stream="job",
    schema=_object(
        jobId=_ID,
        kind=_TEXT,
        subject=_TEXT,
        attempts={"type": "integer", "minimum": 1},
        outcome={"enum": ["failed", "timed_out", "crashed"]},
        errorClass=_TEXT,
        error=_TEXT,
    ),
)
catalogue.declare(
    "job.cancelled",
    version=2,
    category="internal",
    meaning="Somebody cancelled a piece of work; if it is running, it was asked to stop.",
    stream="job",
    schema=_object(jobId=_ID, kind=_TEXT, subject=_TEXT, isRunning={"type": "boolean"}),
)
catalogue.declare(
    "job.retried",
    version=2,
    category="internal",
    meaning="Somebody took a dead letter up again, with a new budget.",
    stream="job",
    schema=_object(jobId=_ID, kind=_TEXT, subject=_TEXT),
)
catalogue.declare(
    "job.discarded",
    version=2,
    category="internal",
    meaning="Somebody put a dead letter away for good.",
    stream="job",
    schema=_object(jobId=_ID, kind=_TEXT, subject=_TEXT),
)
