"""The capabilities of work."""

from ledger import capabilities

capabilities.declare(
    "job.read", meaning="See jobs, their attempts and results.", resource="job", action="read"
)
capabilities.declare(
    "job.enqueue",
    meaning="Enqueue jobs of the kinds that are public.",
    resource="job",
    action="enqueue",
    risk="medium",
)
capabilities.declare(
    "job.retry",
    meaning="Retry dead letters.",
    resource="job",
    action="retry",
    risk="medium",
)
capabilities.declare(
    "job.cancel",
    meaning="Cancel waiting jobs; ask running ones to stop.",
    resource="job",
    action="cancel",
    risk="medium",
)
capabilities.declare(
    "job.discard",
    meaning="Discard dead letters.",
    resource="job",
    action="discard",
    risk="high",
)
capabilities.declare(
    "schedule.manage",
    meaning="Declare schedules, switch them on and off.",
    resource="schedule",
    action="manage",
    risk="high",
)
