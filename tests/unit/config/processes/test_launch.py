"""What `up` does about signals that come while it starts, a full disk, and wrong settings."""

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pytest_django import Settings

from config.embedded.servers import Servers
from config.embedded.state import State
from config.processes import up
from config.processes.first_run import Accounts
from config.processes.launch import CannotStart, Launch
from config.processes.peers import Peers
from config.processes.supervisor import Supervisor


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_is_lost_in_a_finalizer_is_heeded_all_the_same(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_launch: Launch) -> int:
        # As a finalizer does: it says that it was ignored.
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr(Launch, "_load_and_begin_first_run", load)
    with launched(tmp_path) as launch:
        code = launch.run(0.0)

    assert code == 128 + number


@pytest.mark.usefixtures("signal_handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_first_thing_that_is_made_leaves_nothing_behind(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def make(prefix: str, **_options: object) -> str:
        made.append(tmp_path / prefix)
        made[0].mkdir()
        return str(made[0])

    def interrupted(*_owner: object) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    monkeypatch.setattr(os, "chown", interrupted)

    with launched(tmp_path) as launch:
        code = launch.run(0.0)

    assert code == 128 + number
    assert [one.exists() for one in made] == [False]


@pytest.mark.usefixtures("signal_handlers")
def test_settings_that_the_checks_refuse_are_told_before_anything_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(Launch, "_load_and_begin_first_run", lambda _launch: 0)
    settings.WORK_QUEUES = {"lab.none": "flows"}

    with launched(tmp_path) as launch, pytest.raises(CannotStart, match=r"routes lab\.none"):
        launch.run(0.0)


@pytest.mark.parametrize(
    ("people", "others", "sentence"),
    [
        (["admin", "viewer"], [], "admin, viewer; password abc"),
        (["admin"], ["viewer"], "admin; password abc (viewer: another, which was set since)"),
        ([], ["admin", "viewer"], "admin, viewer, with the passwords that were set since"),
        ([], [], "nobody that was made here is active"),
    ],
)
def test_a_password_is_told_of_those_whom_it_lets_in(
    people: list[str], others: list[str], sentence: str
) -> None:
    found = Accounts(people=people, with_other_passwords=others, key_opens=True)

    assert found.told(password="abc") == sentence


@pytest.mark.parametrize(
    ("public_url", "expected"),
    [("", "http://127.0.0.1:"), ("https://d.example", "https://d.example")],
)
def test_links_in_mails_lead_to_where_it_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public_url: str, expected: str
) -> None:
    monkeypatch.setattr(os, "environ", {"PUBLIC_URL": public_url} if public_url else {})
    monkeypatch.setattr(Peers, "wanted", lambda _host: None)
    with launched(tmp_path) as launch:
        launch.servers = Servers(state=launch.state, sockets=tmp_path, postgres=None, valkey=None)
        launch._set_environment()

    assert os.environ["PUBLIC_URL"].startswith(expected)


@pytest.mark.parametrize(
    ("options", "own", "expected"),
    [
        ([], {}, None),
        (["--open-engine"], {}, "flow.invoke=flows,flow.compensate=flows"),
        (["--open-engine"], {"WORK_QUEUES": ""}, ""),
    ],
)
def test_an_open_engine_calls_steps_in_a_queue_of_their_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    own: dict[str, str],
    expected: str | None,
) -> None:
    monkeypatch.setattr(os, "environ", own)
    monkeypatch.setattr(Peers, "wanted", lambda _host: None)
    with launched(tmp_path, *options) as launch:
        launch.servers = Servers(state=launch.state, sockets=tmp_path, postgres=None, valkey=None)
        launch._set_environment()

    assert os.environ.get("WORK_QUEUES") == expected


@pytest.mark.usefixtures("signal_handlers")
def test_what_runs_goes_on_where_it_cannot_be_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with launched(tmp_path) as launch:
        launch.environment = {}
        launch.servers = Servers(state=launch.state, sockets=tmp_path, postgres=None, valkey=None)
        launch.state.keep_secret("API_KEY", "kept")
        found = {"people": ["admin"], "key_opens": True}
        (tmp_path / "accounts.json").write_text(json.dumps(found))
        (tmp_path / "instance.json").mkdir()
        supervisor = Supervisor([], logs=tmp_path, say=print)

        launch._announce(supervisor)

        supervisor.stop()
    assert f"cannot be written down in {tmp_path}: " in capsys.readouterr().out


@contextmanager
def launched(folder: Path, *others: str) -> Iterator[Launch]:
    """Return a run of `up` on a state folder, as it is before anything is started."""
    state = State(folder)
    state.prepare()
    options = up.parse(["--port", "0", "--state", str(folder), *others])
    with up.listen(0) as listener, (folder / "lock").open("w") as lock:
        yield Launch(options=options, state=state, listener=listener, lock=lock)
