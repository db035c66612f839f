"""On a database of another revision nothing runs, and everything says what to type."""

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate
from django.db import DataError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from config import roles
from config.embedded.state import State
from config.processes import first_run
from config.testing import fork_server
from config.web import health
from events.tables import migration_status
from events.tables.migration_status import Difference, SchemaDiffers
from tests.integration.ledger.conftest import client_with, issue
from tests.live import PATIENCE_S, environment_of_the_tests

[_LEAF] = MigrationLoader(None).graph.leaf_nodes("auth")
NEWEST = ".".join(_LEAF)
TOMORROW = "ledger.9999_of_tomorrow"
OF_OLDER = f"The database lacks 1 migration ({NEWEST}). Type `python3 manage.py migrate`."
OF_NEWER = (
    f"The database has 1 migration ({TOMORROW}) which this revision does not know. Run the"
    " revision that has them; or, with that one, type"
    " `python3 manage.py migrate ledger LAST_OF_OURS` first."
)


def recorder() -> MigrationRecorder:
    return MigrationRecorder(connection)


def make_older() -> None:
    recorder().record_unapplied(*NEWEST.split("."))


def make_newer() -> None:
    recorder().record_applied(*TOMORROW.split("."))


@pytest.mark.django_db
class TestTheDifference:
    def test_is_none_after_migrating(self) -> None:
        assert migration_status.difference() == Difference()
        migration_status.check()

    @pytest.mark.parametrize(("make", "message"), [(make_older, OF_OLDER), (make_newer, OF_NEWER)])
    def test_is_told_with_what_to_type(self, make: Any, message: str) -> None:
        make()

        with pytest.raises(SchemaDiffers) as refused:
            migration_status.check()

        assert str(refused.value) == message

    def test_of_a_database_that_is_empty_is_everything_in_few_words(self) -> None:
        recorder().migration_qs.all().delete()

        message = " ".join(migration_status.difference().sentences())

        assert re.match(r"The database lacks \d\d migrations \(\S+, .* and \d\d more\)", message)
        assert len(message) < 400

    def test_does_not_count_what_an_app_left_that_is_not_installed_any_more(self) -> None:
        recorder().record_applied("machines", "0001_initial")

        assert migration_status.difference() == Difference()

    def test_does_not_count_what_a_migration_replaces(self) -> None:
        recorder().record_applied("ledger", "0065_reasons_beside_entries")

        assert migration_status.difference().unknown == ()


@pytest.fixture
def older(transactional_db: None) -> Iterator[None]:
    make_older()
    try:
        yield
    finally:
        recorder().record_applied(*NEWEST.split("."))


@pytest.fixture
def newer(transactional_db: None) -> Iterator[None]:
    make_newer()
    try:
        yield
    finally:
        recorder().record_unapplied(*TOMORROW.split("."))


def ran(log: Path, *command: str) -> tuple[int, str]:
    process = fork_server.start(*command, environment=environment_of_the_tests(), log=log)
    try:
        return process.wait(PATIENCE_S), log.read_text()
    finally:
        process.kill()  # It would do the work of all tests that come after.
        process.wait(PATIENCE_S)


class TestACommand:
    @pytest.mark.usefixtures("older")
    @pytest.mark.parametrize("command", ["doctor", "sweep", "sequencer", "flows list"])
    def test_on_an_older_database_says_so_and_exits_with_1(
        self, command: str, tmp_path: Path
    ) -> None:
        assert ran(tmp_path / "log", "manage", *command.split()) == (1, OF_OLDER + "\n")

    @pytest.mark.usefixtures("newer")
    def test_on_a_newer_database_says_so_and_exits_with_1(self, tmp_path: Path) -> None:
        assert ran(tmp_path / "log", "manage", "doctor") == (1, OF_NEWER + "\n")

    @pytest.mark.usefixtures("older")
    def test_that_shows_migrations_runs_all_the_same(self, tmp_path: Path) -> None:
        code, output = ran(tmp_path / "log", "manage", "showmigrations", "auth")

        assert code == 0
        assert f"[ ] {NEWEST.partition('.')[2]}" in output

    @pytest.mark.usefixtures("older")
    def test_that_is_only_asked_how_to_be_called_answers(self, tmp_path: Path) -> None:
        code, output = ran(tmp_path / "log", "manage", "doctor", "--help")

        assert code == 0
        assert "Check every invariant" in output


@pytest.mark.usefixtures("older")
class TestAWorker:
    def test_takes_no_work_and_ends(self, tmp_path: Path) -> None:
        command = "celery --app config worker --concurrency 1 --loglevel ERROR"

        code, output = ran(tmp_path / "log", *command.split())

        assert code == 1
        assert output.endswith(OF_OLDER + "\n")


@pytest.mark.usefixtures("newer")
class TestUp:
    def test_does_not_go_on_with_a_newer_database(self, tmp_path: Path) -> None:
        state = State(tmp_path / "state")
        state.prepare()

        with pytest.raises(SchemaDiffers, match=TOMORROW):
            first_run.prepare(state)


@pytest.mark.usefixtures("older")
class TestTheWeb:
    @pytest.fixture(autouse=True)
    def _asked_anew(self) -> Iterator[None]:
        health._migrations.cache_clear()
        yield
        health._migrations.cache_clear()

    def test_is_not_ready_and_tells_everybody_why(self) -> None:
        answer = Client().get("/readyz")

        assert answer.status_code == 503
        assert answer.json() == {"status": "not_ready", "reason": OF_OLDER}

    def test_answers_503_where_it_misses_a_table(self) -> None:
        client = client_with(issue(User.objects.create_user("alice"), ["*"])[0])
        client.raise_request_exception = False
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ledger_apikey RENAME TO of_tomorrow")
        try:
            answer = client.get("/api/v1/ledger/entries")
        finally:
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE of_tomorrow RENAME TO ledger_apikey")

        assert answer.status_code == 503
        assert answer.json()["code"] == "schema_differs"
        assert answer["Retry-After"] == "60"


@pytest.mark.django_db
class TestMigrate:
    @pytest.fixture(autouse=True)
    def _in_this_transaction(self) -> Iterator[None]:
        # As the owner it would be on another connection, and stay.
        with patch.object(roles, "as_owner"):
            yield

    @pytest.mark.parametrize("app", ["webhooks", "ledger"])
    def test_takes_all_of_an_app_back_and_says_what_waits(self, app: str) -> None:
        output = StringIO()

        call_command("migrate", app, "zero", stdout=output)

        assert f"Unapplying {app}.0001_schema... OK" in output.getvalue()
        assert "no other command runs on this database" in output.getvalue()
        assert f"{app}.0001_schema" in migration_status.difference().missing

    def test_says_why_it_cannot_go_back_to_narrower_columns(self) -> None:
        refusal = DataError("value too long")

        with (
            patch.object(migrate.Command, "handle", side_effect=refusal),
            pytest.raises(CommandError, match=r"does not fit .* value too long\. It is not done"),
        ):
            call_command("migrate", "auth", "zero")
