"""How `up` serves HTTP."""

import socket
import tempfile
from pathlib import Path

import pytest
import uvicorn

from config import database
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
