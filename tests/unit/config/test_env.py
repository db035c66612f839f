"""What the environment may say, and what the settings make of it."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import checks
from config.settings import env


class TestDatabase:
    def test_reads_a_server_behind_tcp(self) -> None:
        found = env.database("postgresql://me:p%40ss@db.example:5433/books?sslmode=require")

        assert found["HOST"] == "db.example"
        assert found["PORT"] == "5433"
        assert found["USER"] == "me"
        assert found["PASSWORD"] == "p@ss"
        assert found["NAME"] == "books"
        assert found["OPTIONS"] == {"sslmode": "require", "options": ""}

    def test_reads_a_socket_folder(self) -> None:
        found = env.database("postgresql://daybook@/daybook?host=/run/sockets")

        assert found["HOST"] == "/run/sockets"

    def test_adds_limits_and_lets_the_url_go_last(self) -> None:
        found = env.database(
            "postgresql:///d?options=-c%20statement_timeout=1", session={"statement_timeout": 9}
        )

        assert found["OPTIONS"] == {"options": "-c statement_timeout=9 -c statement_timeout=1"}

    def test_keeps_connections_or_pools_them_but_not_both(self) -> None:
        assert env.database("postgresql:///d")["CONN_MAX_AGE"] == 600
        assert env.database("postgresql:///d", pool={"max_size": 4})["CONN_MAX_AGE"] == 0

    def test_refuses_a_port_that_is_none_and_does_not_repeat_it(self) -> None:
        # An unencoded slash: what follows the colon is the password.
        with pytest.raises(ImproperlyConfigured, match="must be percent-encoded") as refused:
            env.database("postgresql://me:hush/hush@db.example/books")

        assert "hush" not in str(refused.value)

    def test_refuses_anything_but_postgresql(self) -> None:
        with pytest.raises(ImproperlyConfigured, match="needs PostgreSQL"):
            env.database("sqlite:///books.db")


class TestBroker:
    @pytest.mark.parametrize(
        ("given", "broker"),
        [
            ("unix:///tmp/v.sock?db=3", "redis+socket:///tmp/v.sock?virtual_host=3"),
            ("unix:///tmp/v.sock", "redis+socket:///tmp/v.sock?virtual_host=0"),
            ("redis://cache:6379/1", "redis://cache:6379/1"),
        ],
    )
    def test_is_valkey_in_celerys_words(self, given: str, broker: str) -> None:
        assert env.as_broker(given) == broker

    def test_has_options_that_its_transport_knows(self) -> None:
        options = env.broker_options("redis+socket:///tmp/v.sock")
        assert options == {"socket_connect_timeout": 1, "socket_timeout": 3, "ack_emulation": False}
        assert env.broker_options("amqp://rabbit//") == {}


class TestAddresses:
    @pytest.mark.parametrize("wrong", ["books.example", "ftp://books.example", "https://", "//x["])
    def test_of_web_servers_are_refused_if_nothing_could_lead_there(
        self, wrong: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PUBLIC_URL", wrong)

        with pytest.raises(ImproperlyConfigured, match="say http://… or https://…"):
            env.url("PUBLIC_URL")

    @pytest.mark.parametrize("right", ["", "https://books.example", "http://[::1]:8000/x"])
    def test_of_web_servers_are_taken(self, right: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PUBLIC_URL", right)

        assert env.url("PUBLIC_URL") == right

    @pytest.mark.parametrize("wrong", ["http://:hush@cache", "hush"])
    def test_of_valkey_are_refused_and_not_repeated(
        self, wrong: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REDIS_URL", wrong)

        with pytest.raises(ImproperlyConfigured, match=r"begins with redis://") as refused:
            env.valkey("REDIS_URL")

        assert "hush" not in str(refused.value)


class TestReaders:
    def test_refuse_what_is_neither_true_nor_false(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DEBUG", "maybe")

        with pytest.raises(ImproperlyConfigured, match="'maybe'; say true or false"):
            env.flag("DEBUG", default=False)

    def test_refuse_what_is_not_a_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_POOL_SIZE", "many")

        with pytest.raises(ImproperlyConfigured, match="'many'; it must be a whole number"):
            env.integer("DATABASE_POOL_SIZE", 20)

    def test_refuse_what_is_less_than_makes_sense(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WEBHOOK_CALLS_PER_RECEIVER", "0")

        with pytest.raises(ImproperlyConfigured, match="'0'; it must be at least 1"):
            env.integer("WEBHOOK_CALLS_PER_RECEIVER", 4, at_least=1)

    def test_read_numbers_with_decimals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WORK_LEASE_S", "0.5")
        monkeypatch.setenv("WORK_PATIENCE_S", "a while")

        assert env.number("WORK_LEASE_S", 15) == 0.5
        assert env.number("WORK_ABSENT_S", 3) == 3
        with pytest.raises(ImproperlyConfigured, match="'a while'; it must be a number"):
            env.number("WORK_PATIENCE_S", 3)

    @pytest.mark.parametrize("value", ["nan", "inf", "-Infinity"])
    def test_refuse_numbers_that_count_nothing(
        self, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.setenv("WORK_PATIENCE_S", value)

        with pytest.raises(ImproperlyConfigured, match="it must be a number"):
            env.number("WORK_PATIENCE_S", 3)

    def test_refuse_words_that_they_do_not_know(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert env.choice("LOG_LEVEL", "INFO", ("INFO", "ERROR")) == "INFO"
        monkeypatch.setenv("LOG_LEVEL", "loud")

        with pytest.raises(ImproperlyConfigured, match="'loud'; say one of: INFO, ERROR"):
            env.choice("LOG_LEVEL", "INFO", ("INFO", "ERROR"))

    @pytest.mark.parametrize("block", ["10.0.0.0/33", "10.0.0.1/8", "intranet"])
    def test_refuse_networks_that_are_none(
        self, monkeypatch: pytest.MonkeyPatch, block: str
    ) -> None:
        monkeypatch.setenv("DAYBOOK_HTTP_ALLOW", "127.0.0.0/8, ::1")
        assert env.networks("DAYBOOK_HTTP_ALLOW") == ["127.0.0.0/8", "::1"]
        monkeypatch.setenv("DAYBOOK_HTTP_ALLOW", f"127.0.0.0/8,{block}")

        with pytest.raises(ImproperlyConfigured, match=f"DAYBOOK_HTTP_ALLOW: '?{block}"):
            env.networks("DAYBOOK_HTTP_ALLOW")

    def test_read_a_secret_from_a_file(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "key").write_text("from the file\n")
        monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))

        assert env.secret("SECRET_KEY") == "from the file"

    def test_say_which_file_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET_KEY_FILE", "/nowhere/key")

        with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FILE cannot be read"):
            env.secret("SECRET_KEY")


class TestValuesThatMustAgree:
    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("FLOWS_RETRY_MAX_BACKOFF_MS", 1, "must be at least DAYBOOK_RETRY_INITIAL_BACKOFF"),
            ("FLOWS_RETRY_BACKOFF_TYPE", "sudden", "fixed, linear or exponential"),
            ("WORK_LEASE_S", -1.0, "WORK_LEASE_S must be above zero"),
            ("EVENTS_LIVE", {"queue_frames": 0}, "'queue_frames'] must be above 0"),
        ],
    )
    def test_are_checked_before_anything_starts(
        self, settings: Any, name: str, value: object, says: str
    ) -> None:
        assert checks.check_values() == []

        setattr(settings, name, value)

        [error] = checks.check_values()
        assert error.is_serious()
        assert says in error.msg
