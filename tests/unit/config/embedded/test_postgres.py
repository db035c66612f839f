"""How long a PostgreSQL that does not start is waited for, and what is said then."""

import os
from pathlib import Path

import pytest

from config.embedded import postgres
from config.embedded.binaries import ServersUnavailable
from config.embedded.postgres import Postgres
from config.embedded.process import Account


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    """Return a server whose program, a script, says why it ends and does."""
    program = tmp_path / "postgres"
    program.write_text(
        "#!/bin/sh\necho '2026-11-28 [7] FATAL:  could not write: No space left on device' >&2\n"
        "echo '2026-11-28 [7] LOG:  database system is shut down' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    return Postgres(
        folder=tmp_path,
        sockets=tmp_path,
        log=tmp_path / "postgres.log",
        account=Account(os.geteuid(), os.getegid()),
        programs=tmp_path,
        data=tmp_path / "data",
    )


class TestAServerThatEndsAgainAndAgain:
    def test_is_given_up_with_what_its_log_says(
        self, server: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgres, "FAILING_SECONDS_MAX", 0.2)
        server.data.mkdir()
        (server.data / "PG_VERSION").write_text("18")

        with pytest.raises(
            ServersUnavailable, match=r"does not start\. .*FATAL:  could not write: No space left"
        ):
            server.wait_until_ready()

    def test_is_not_repeated_where_there_is_no_database(self, server: Postgres) -> None:
        server.log.touch()

        with pytest.raises(ServersUnavailable, match=r"makes no database\. .* says why\.$"):
            server.wait_until_ready()
