"""What the ledger refuses to start with."""

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
