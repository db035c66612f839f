"""What the ledger refuses to start with."""

from pytest_django import Settings

from ledger import checks


class TestWitnesses:
    def test_to_which_nothing_can_be_sent_are_an_error_without_their_secrets(
        self, settings: Settings
    ) -> None:
        settings.LEDGER_WITNESSES = ["https://ann:secret@example.org/log?token=t0p"]

        [error] = checks.witnesses_can_be_reached()

        assert error.id == "ledger.E003"
        assert error.msg == "There is no way to the witness https://example.org/log."

    def test_in_folders_are_none(self, settings: Settings) -> None:
        settings.LEDGER_WITNESSES = ["file:///var/log/daybook"]

        assert checks.witnesses_can_be_reached() == []
