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


class TestAServerThatTakesNoDatabase:
    def test_is_refused_with_what_its_log_says(self, server: Postgres) -> None:
        server.log.write_text("2026-11-28 [7] ERROR:  could not extend file: No space left\n")

        with pytest.raises(
            ServersUnavailable, match=r"makes no database\. .*could not extend file: No space left"
        ):
            server.create_roles()


class TestWhatIsKeptElsewhere:
    def test_is_taken_away_with_its_notes_when_its_state_is_gone(self, tmp_path: Path) -> None:
        for name, state in (("postgres-18-gone", "gone"), ("postgres-18-used", "used")):
            (tmp_path / name).mkdir()
            (tmp_path / f"{name}.prepared").touch()
            (tmp_path / f"{name}.of").write_text(str(tmp_path / state))
        (tmp_path / "postgres-18-long-gone.prepared").touch()
        (tmp_path / "used").touch()

        postgres._remove_abandoned(tmp_path)

        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "postgres-18-used",
            "postgres-18-used.of",
            "postgres-18-used.prepared",
            "used",
        ]
