"""The durable work queue: jobs, timers, schedules, retries, dead letters."""
