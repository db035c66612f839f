"""The state folder: its secrets, its owner, and what runs on it."""

import base64
import os
import re
import stat
from pathlib import Path

import pytest

from config import checkout
from config.embedded.state import (
    Instance,
    SecretsDamaged,
    State,
    StateBusy,
    StateUnusable,
)


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.prepare()
    return state


class TestChosen:
    def test_is_the_argument_before_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DAYBOOK_STATE", "/from/environment")

        assert State.chosen("/from/argument").folder == Path("/from/argument")
        assert State.chosen().folder == Path("/from/environment")

    def test_is_in_the_project_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("DAYBOOK_STATE", raising=False)

        assert State.chosen().folder == Path(__file__).parents[4] / ".daybook"

    def test_is_in_the_working_directory_where_a_wheel_is_installed(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("DAYBOOK_STATE", raising=False)
        monkeypatch.setattr(checkout, "IS_INSTALLED", True)
        monkeypatch.chdir(tmp_path)

        assert State.chosen().folder == tmp_path / ".daybook"


class TestPrepare:
    def test_says_what_stands_in_the_way(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(StateUnusable, match="cannot hold the state of Daybook: Not a direct"):
            State(tmp_path / "file" / "state").prepare()


class TestSecrets:
    def test_are_made_once(self, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SECRET_KEY", raising=False)

        first = state.environment()

        assert len(first["SECRET_KEY"]) >= 50
        assert len(base64.b64decode(first["LEDGER_DATA_KEYS"])) == 32
        assert State(state.folder).environment() == first

    def test_are_not_made_when_they_are_given(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SECRET_KEY", "given")

        assert state.environment()["SECRET_KEY"] == "given"
        assert "SECRET_KEY" not in state.secrets()

    def test_are_for_the_user_alone(self, state: State) -> None:
        state.environment()

        assert (state.folder / "secrets.json").stat().st_mode & 0o777 == 0o600

    def test_are_on_the_disk_before_they_have_their_name_and_then_so_is_the_name(
        self, state: State, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[tuple[bool, bool]] = []

        def note(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            synced.append((is_folder, (state.folder / "secrets.json").exists()))

        monkeypatch.setattr(os, "fsync", note)
        state.keep_secret("SECRET_KEY", "kept")

        assert synced == [(False, False), (True, True)]

    @pytest.mark.parametrize("text", ["", '{"SECRET_KEY": "cut of', "[]"])
    def test_that_cannot_be_read_are_not_made_anew(self, state: State, text: str) -> None:
        kept = state.folder / "secrets.json"
        kept.write_text(text)

        with pytest.raises(SecretsDamaged, match=f"{re.escape(str(kept))} is damaged.*from a copy"):
            state.environment()

        assert kept.read_text() == text

    @pytest.mark.parametrize("name", ["LEDGER_DATA_KEYS", "LEDGER_DATA_KEYS_FILE"])
    def test_open_what_is_sealed_when_they_are_kept_or_given(
        self, state: State, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.delenv("LEDGER_DATA_KEYS", raising=False)
        assert not state.has_data_keys()

        monkeypatch.setenv(name, "given")
        assert state.has_data_keys()

        monkeypatch.delenv(name)
        state.environment()
        assert state.has_data_keys()


class TestOwner:
    def test_is_one_at_a_time(self, state: State) -> None:
        with state.own() as lock:  # type: ignore[union-attr]
            assert lock
            assert State(state.folder).own() is None
        again = State(state.folder).own()
        assert again
        again.close()

    def test_says_what_stands_in_the_way_of_its_lock(self, state: State) -> None:
        (state.folder / "owner.lock").mkdir()

        with pytest.raises(StateUnusable, match="cannot hold the state of Daybook: Is a directory"):
            state.running()

    def test_is_found_by_what_it_announced(self, state: State) -> None:
        instance = Instance(pid=1, environment={"A": "b"}, url="http://127.0.0.1:8000")
        with state.own():  # type: ignore[union-attr]
            state.announce(instance)

            assert State(state.folder).running() == instance

    def test_is_not_found_once_it_is_dead(self, state: State) -> None:
        with state.own():  # type: ignore[union-attr]
            state.announce(Instance(pid=1, environment={}))

        assert state.running() is None
        assert state.announced() is None

    def test_is_named_to_who_comes_second(self, state: State) -> None:
        instance = Instance(pid=77, environment={}, url="http://127.0.0.1:8000")

        assert str(StateBusy(state, instance)) == (
            f"Daybook already runs on {state.folder} at http://127.0.0.1:8000 (process 77). "
            "Stop it first, or use another --state."
        )
