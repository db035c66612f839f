"""A Valkey that ends before it answers."""

from pathlib import Path

import pytest

from config.embedded import binaries
from config.embedded.binaries import ServersUnavailable
from config.embedded.valkey import Valkey


def test_is_not_waited_for_and_its_last_words_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "valkey-server"
    program.write_text(
        "#!/bin/sh\necho '# Failed opening Unix socket: bind: No space left'\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(binaries, "valkey", lambda: program)
    server = Valkey(sockets=tmp_path, log=tmp_path / "valkey.log")

    server.start()

    with pytest.raises(ServersUnavailable, match=r"Valkey does not start\. .*Failed opening Unix"):
        server.wait_until_ready()
