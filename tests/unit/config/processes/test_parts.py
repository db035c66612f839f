"""How `up` serves HTTP, and which of its workers takes from which queue."""

import socket
import tempfile
from pathlib import Path

import pytest
import uvicorn
from pytest_django import Settings

from config import database
from config.embedded import process
from config.processes import parts

PROXIES_WAIT_SECONDS = 60


def test_an_idle_connection_is_left_to_the_proxy_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[uvicorn.Config] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, **_: served.append(self.config))
    monkeypatch.setattr(database, "use_pool", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", None)

    with socket.socket() as listener:
        web, *_ = parts.product(listener, folder=tmp_path, scratch=tmp_path, workers=1)
        web.run(lambda: None)

    assert [config.timeout_keep_alive > PROXIES_WAIT_SECONDS for config in served] == [True]


def test_each_queue_that_routes_add_has_workers_with_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    started: dict[str, list[str]] = {}
    monkeypatch.setattr(parts, "_celery", lambda name, given, _ready: started.update({name: given}))
    monkeypatch.setattr(process, "take_forks_along", lambda: None)
    monkeypatch.setattr(tempfile, "tempdir", None)
    settings.WORK_QUEUES = {"flow.invoke": "flows", "flow.compensate": "flows"}

    with socket.socket() as listener:
        found = parts.product(listener, folder=tmp_path, scratch=tmp_path, workers=2)
    for part in found:
        if part.name.startswith("worker"):
            part.run(lambda: None)

    taken = {
        name: dict(zip(given[::2], given[1::2], strict=False)) for name, given in started.items()
    }
    assert {name: one.get("--exclude-queues") for name, one in taken.items()} == {
        "worker": "daybook.webhooks,daybook.flows",
        "worker-2": "daybook.webhooks,daybook.flows",
        "worker-webhooks": None,
        "worker-flows": None,
        "worker-2-flows": None,
    }
    assert taken["worker-webhooks"]["--queues"] == "daybook.webhooks"
    assert (
        taken["worker-flows"]
        == taken["worker-2-flows"]
        == {
            "--queues": "daybook.flows",
            "--pool": "threads",
            "--concurrency": str(parts.QUEUE_THREADS),
        }
    )
