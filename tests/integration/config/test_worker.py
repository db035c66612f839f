"""A real Celery worker hears the bell of what was committed."""

import time

import pytest

from config.jobs import CHECK, CHECKED
from events import selectors
from workflows.work import services


@pytest.mark.usefixtures("celery_worker_process")
class TestWorker:
    def test_does_the_job_and_puts_it_on_record(self) -> None:
        services.enqueue(CHECK, {"nonce": "n-1"})

        deadline = time.monotonic() + 15
        while not (found := selectors.stream_events(("instance", "check"))):
            assert time.monotonic() < deadline, "no worker heard the bell"
            time.sleep(0.02)

        assert [(event.name, event.data) for event in found] == [(CHECKED, {"nonce": "n-1"})]
