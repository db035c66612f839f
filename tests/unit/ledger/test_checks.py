"""What the ledger refuses to start with."""

from django.contrib.auth.backends import BaseBackend, RemoteUserBackend
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from ledger import checks

QUERY = "Its URL carries a query or a fragment, where tokens are."


class TestWitnesses:
    def test_to_which_nothing_can_be_sent_are_an_error_without_their_secrets(
        self, settings: Settings
    ) -> None:
        settings.LEDGER_WITNESSES = [
            "https://ann:secret@example.org/log?token=t0p",
            "https://example.org/log?token=t0p",
            "gopher://example.org/log",
        ]

        errors = checks.witnesses_can_be_reached()

        assert {error.id for error in errors} == {"ledger.E003"}
        sent_nothing = "Nothing is sent to the witness"
        assert [error.msg for error in errors] == [
            f"{sent_nothing} https://example.org/log: Its URL carries a user name or password.",
            f"{sent_nothing} https://example.org/log: {QUERY}",
            f"{sent_nothing} gopher://example.org/log: There is no way to it.",
        ]

    def test_in_folders_on_servers_and_in_buckets_are_none(self, settings: Settings) -> None:
        settings.LEDGER_WITNESSES = [
            "file:///var/log/daybook",
            "https://example.org/log",
            "s3://proofs/daybook",
        ]

        assert checks.witnesses_can_be_reached() == []


class LogsIn(BaseBackend):
    """Knows people by something else, and leaves what they may do to the tables."""


class NamesDeciders(RemoteUserBackend):
    """Says by itself who may do what, as a directory does."""

    def has_perm(self, user_obj: User | AnonymousUser, perm: str, obj: object = None) -> bool:
        return True


class TestBackends:
    def test_that_grant_by_themselves_are_an_error(self, settings: Settings) -> None:
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.NamesDeciders"]

        [error] = checks.permissions_are_in_the_tables()

        assert error.id == "ledger.E004"
        assert error.msg == (
            f"{__name__}.NamesDeciders grants permissions of its own, "
            "which the database does not see."
        )

    def test_that_only_log_in_are_none(self, settings: Settings) -> None:
        settings.AUTHENTICATION_BACKENDS = [
            f"{__name__}.LogsIn",
            "django.contrib.auth.backends.RemoteUserBackend",
        ]

        assert checks.permissions_are_in_the_tables() == []

    def test_of_users_in_another_table_are_an_error(self, settings: Settings) -> None:
        settings.AUTH_USER_MODEL = "ledger.Agent"

        assert [error.id for error in checks.permissions_are_in_the_tables()] == ["ledger.E005"]
