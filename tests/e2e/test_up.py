"""One command brings up everything, and takes everything down again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from websockets.sync.client import connect

from config import bootstrap
from config.embedded.state import State
from config.processes import round_trip
from config.processes.stack import Stack, StackFailed, without_servers
from config.testing import fork_server
from config.testing.fixtures import started
from config.testing.throwaway import temporary_state
from tests.support.managing import Done, manage, manage_in

pytestmark = pytest.mark.e2e

PARTS = {
    "postgres",
    "valkey",
    "web",
    "worker",
    "worker-webhooks",
    "sequencer",
    "sweeper",
    "peers",
}


def processes_of(stack: Stack) -> set[int]:
    """Return the supervisor and everything below it."""
    found, unseen = set(), [stack.process.pid]
    while unseen:
        pid = unseen.pop()
        found.add(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # Some come and go.
                unseen += [int(child) for child in children.read_text().split()]
    return found


def survivors(pids: set[int], *, seconds: float) -> set[int]:
    """Return which of `pids` are still alive after so long."""
    deadline = time.monotonic() + seconds
    while (alive := {pid for pid in pids if _runs(pid)}) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(what: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class TestReadyLine:
    def test_tells_what_a_client_needs(self, stack: Stack) -> None:
        (line,) = (line for line in stack.log("up").splitlines() if line.startswith("ready "))

        assert json.loads(line.removeprefix("ready ")) == {
            "url": stack.url,
            "api_key": stack.api_key,
            "state": str(stack.state.folder),
        }

    def test_comes_when_every_part_runs(self, stack: Stack) -> None:
        assert {name for name, part in stack.status().items() if part["ready"]} >= PARTS

    def test_names_a_web_process_that_lets_the_key_in(self, stack: Stack) -> None:
        with stack.client() as client:
            assert client.get("/login/").status_code == 200
            assert client.get("/api/v1/api-keys").status_code == 200

    def test_keeps_the_secrets_to_the_user(self, stack: Stack) -> None:
        for name in ("secrets.json", "instance.json"):
            assert (stack.state.folder / name).stat().st_mode & 0o777 == 0o600


class TestRuntimeRole:
    def test_may_only_add_to_append_only_tables(self, stack: Stack) -> None:
        url = stack.environment["DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (
                "UPDATE events_event SET name = 'x.y'",
                "DELETE FROM events_event",
                "TRUNCATE events_event CASCADE",
                "ALTER TABLE events_event DISABLE TRIGGER ALL",
                "SET session_replication_role = replica",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)

    def test_may_change_what_is_not_append_only(self, stack: Stack) -> None:
        with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as connection:
            assert connection.execute("UPDATE auth_user SET first_name = ''").rowcount > 0


class TestSupervisor:
    @pytest.mark.parametrize(
        "part", ["web", "worker", "worker-webhooks", "sequencer", "sweeper", "valkey"]
    )
    def test_starts_a_killed_part_again_and_says_so(self, stack: Stack, part: str) -> None:
        killed = stack.pid(part)

        stack.kill(part)

        wait_for(lambda: (s := stack.status()[part])["ready"] and s["pid"] != killed)
        assert f"{part} (process {killed}) ended by SIGKILL" in stack.log("up")

    def test_brings_postgres_back_after_a_crash(self, stack: Stack) -> None:
        killed = stack.pid("postgres")

        os.kill(killed, signal.SIGKILL)

        wait_for(lambda: (s := stack.status()["postgres"])["ready"] and s["pid"] != killed)
        assert stack.sql("SELECT 1") == [(1,)]

    def test_leaves_a_held_part_down_until_it_is_resumed(self, stack: Stack) -> None:
        stack.hold("sequencer")
        assert stack.status()["sequencer"]["pid"] is None

        stack.resume("sequencer")
        assert stack.status()["sequencer"]["ready"]


class TestStop:
    def test_by_kill_leaves_nothing_and_the_next_start_works(
        self, start_stack: Callable[..., Stack]
    ) -> None:
        stack = start_stack()
        everything = processes_of(stack)
        assert len(everything) > len(PARTS)

        stack.process.kill()
        stack.process.wait()

        assert survivors(everything, seconds=60) == set()
        left = Path((stack.state.folder / "sockets").read_text())
        again = started(stack.state)
        assert again.sql("SELECT count(*) FROM auth_user WHERE username = 'admin'") == [(1,)]
        assert not left.exists()
        assert_stops_by(signal.SIGINT, again)
        assert_only_the_sequencer_is_waited_for(again)
        assert_nothing_starts_without_its_keys(again)


def assert_stops_by(number: signal.Signals, stack: Stack) -> None:
    """Assert that a signal ends everything, and leaves nothing."""
    everything = processes_of(stack)
    sockets = Path(stack.instance.control or "").parent
    assert [*sockets.glob("pymp-*")], "what a worker leaves behind is elsewhere"

    stack.process.send_signal(number)

    assert stack.process.wait(60) == 0
    # What had to be killed may be gone a moment later.
    assert survivors(everything, seconds=60) == set()
    assert not sockets.exists()
    assert stack.state.running() is None


def assert_all_is_in_order(fresh: Stack) -> None:
    """Assert that the doctor finds nothing, on what was only just made."""
    wait_for(lambda: fresh.sql("SELECT count(*) FROM events_unsequenced") == [(0,)])
    done = manage(fresh, "doctor")
    assert done.returncode == 0, done.text
    assert {line[:4] for line in done.text.splitlines()} == {"ok  "}


def assert_only_the_sequencer_is_waited_for(stopped: Stack) -> None:
    """Assert that the doctor, on its own, takes what nobody works on for no violation.

    As after a first run that was killed: it has to go on with that first.
    """
    [prepared] = stopped.state.folder.glob("postgres-*.prepared")
    prepared.unlink()
    done = manage_on(stopped.state, "doctor")
    assert done.returncode == 0, done.text
    assert {line[:4] for line in done.text.splitlines()} - {"    "} <= {"ok  ", "wait"}
    assert prepared.exists()


def assert_nothing_starts_without_its_keys(stopped: Stack) -> None:
    """Assert that no new keys are made for what the old ones have sealed."""
    kept = stopped.state.folder / "secrets.json"
    kept.rename(kept.with_suffix(".away"))

    done = manage_on(stopped.state, "doctor")

    assert done.returncode == 1
    assert "does not have the keys of the database beside it" in done.text
    assert not kept.exists()


class TestAskedToStopWhileItStarts:
    def test_ends_without_complaint_and_leaves_nothing(self) -> None:
        with temporary_state() as state:
            state.prepare()
            log = state.logs / "up.log"
            command = ["up", "--port", "0", "--no-demo-data", "--state", str(state.folder)]
            starting = fork_server.start_up(command, without_servers({}), log)
            # The parts are on their way.
            wait_for((state.logs / "web.log").exists, seconds=120)

            starting.send_signal(signal.SIGTERM)

            assert starting.wait(60) == 128 + signal.SIGTERM
            assert log.read_text() == ""
            assert not (state.folder / "sockets").exists()


class TestTwoAtOnce:
    def test_run_beside_each_other_on_different_states(
        self, stack: Stack, start_stack: Callable[..., Stack]
    ) -> None:
        other = start_stack()

        assert other.url != stack.url
        with stack.client() as ours, other.client() as theirs:
            assert ours.get("/api/v1/api-keys").status_code == 200
            assert theirs.get("/api/v1/api-keys").status_code == 200
            theirs.headers.update(ours.headers)
            assert theirs.get("/api/v1/api-keys").status_code == 401
        assert_all_is_in_order(other)
        assert_stops_by(signal.SIGTERM, other)
        assert stack.status()["web"]["ready"]

    def test_are_refused_on_one_state(self, stack: Stack) -> None:
        done = manage_on(stack.state, "up", "--port", "0")

        assert done.returncode == 1
        assert f"already runs on {stack.state.folder} at {stack.url}" in done.text

    def test_are_refused_on_one_port(self, stack: Stack) -> None:
        port = stack.url.rpartition(":")[2]

        with temporary_state() as state, pytest.raises(StackFailed) as failed:
            started(state, "--port", port)

        assert f"Port {port} of 127.0.0.1 cannot be had" in str(failed.value)
        assert "--port 0" in str(failed.value)


def manage_on(state: State, *arguments: str) -> Done:
    """Run `manage.py` where only the folder of a Daybook is told, as a user does."""
    return manage_in(without_servers({"DAYBOOK_STATE": str(state.folder)}), *arguments)


def type_in(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py` as a newcomer does: by a program that has imported nothing."""
    return subprocess.run(
        [sys.executable, str(bootstrap.ROOT / "manage.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=without_servers(environment),
    )


class TestCheck:
    def test_makes_a_trip_round_the_whole_chain_and_prints_figures(self) -> None:
        """From nothing, and in a folder that others cannot enter, which stays one."""
        with temporary_state() as outside:
            outside.folder.chmod(0o700)
            state = outside.folder / "state"

            done = type_in("up", "--check", "--no-demo-data", "--port", "0", "--state", str(state))

            assert outside.folder.stat().st_mode & 0o777 == 0o700
        assert done.returncode == 0, done.stderr
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        assert set(figures) == {"cold_start_s", "round_trip_ms", "first_round_trip_ms"}
        assert figures["round_trip_ms"] > 0

    def test_fails_with_a_reason_when_no_worker_answers(self, stack: Stack) -> None:
        for part in ("worker", "sweeper"):
            stack.hold(part)
        try:
            with pytest.raises(
                round_trip.RoundTripFailed, match=r"No 'instance\.checked' came within 1 s"
            ):
                round_trip.run(url=stack.url, api_key=stack.api_key, answer_seconds_max=1)
        finally:
            for part in ("worker", "sweeper"):
                stack.resume(part)

    def test_fails_with_a_reason_when_the_key_is_refused(self, stack: Stack) -> None:
        with pytest.raises(round_trip.RoundTripFailed, match="401"):
            round_trip.run(url=stack.url, api_key="daybook_nobody")


class TestServersOfOutside:
    def test_that_do_not_answer_are_told_in_a_line_that_is_about_them(self) -> None:
        nowhere = "postgresql://somebody@127.0.0.1:1/nothing"
        given = {"DATABASE_URL": nowhere, "REDIS_URL": "redis://127.0.0.1:1/0"}
        given["SECRET_KEY"] = "of-a-command-that-signs-nothing-0123456789-abcdefghijklmnop"
        with temporary_state() as state:
            result = manage_in(
                {**without_servers(given), "DAYBOOK_STATE": str(state.folder)}, "doctor"
            )

        assert result.returncode == 1
        assert result.text.startswith("The database cannot be used: connection failed: ")
        assert len(result.text.splitlines()) == 1

    def test_are_missed_before_anything_is_started(self, stack: Stack) -> None:
        given = {name: stack.environment[name] for name in ("DATABASE_URL", "DATABASE_OWNER_URL")}
        given["REDIS_URL"] = "redis://127.0.0.1:1/0"
        with temporary_state() as state:
            result = manage_in(
                {**without_servers(given), "DAYBOOK_STATE": str(state.folder)}, "up", "--port", "0"
            )

            assert not (state.logs / "prepare.log").exists()
        assert result.returncode == 1
        assert result.text.startswith("REDIS_URL names no server that answers: Error 111")


class TestWeb:
    def test_takes_connections_from_a_pool(self, stack: Stack) -> None:
        with stack.client() as client:
            client.get("/api/v1/api-keys")
            before = backends_born(stack)
            for _ in range(60):
                assert client.get("/api/v1/api-keys").status_code == 200

        # Not a connection per request, whatever else of it connects meanwhile.
        assert backends_born(stack) - before < 30

    def test_tells_of_a_socket_in_lines_of_ours_and_never_its_ticket(self, stack: Stack) -> None:
        log = stack.state.logs / "web.log"
        with stack.client() as client:
            ticket = client.post("/api/v1/ws-tickets").json()["ticket"]
        address = f"{stack.url.replace('http', 'ws', 1)}/ws/events?ticket={ticket}"

        with connect(address):
            wait_for(lambda: "/ws/events?ticket=[redacted]" in log.read_text())

        text = log.read_text()
        assert ticket not in text
        assert " INFO uvicorn.error [" in text


def backends_born(stack: Stack) -> int:
    [(sessions,)] = stack.sql(
        "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    )
    return int(sessions)


class TestOtherCommands:
    CODE = "from django.conf import settings; print(settings.DATABASE_URL)"
    COUNT = "from django.contrib.auth.models import User; print(User.objects.count())"

    def test_talk_to_the_instance_that_runs_on_the_state(self, stack: Stack) -> None:
        done = manage_on(stack.state, "shell", "--no-imports", "-c", self.CODE)

        assert done.text.strip() == stack.environment["DATABASE_URL"]

    def test_start_the_database_for_as_long_as_they_need_it(self) -> None:
        with temporary_state() as state:
            done = manage_on(state, "shell", "--no-imports", "-v0", "-c", self.COUNT)

            assert done.text.strip() == "0"
            assert state.running() is None
            assert not (state.folder / "sockets").exists()

    def test_need_no_servers_to_look_at_the_code(self) -> None:
        with temporary_state() as state:
            done = manage_on(state, "check")

            assert done.returncode == 0, done.text
            assert not list(state.folder.iterdir())
