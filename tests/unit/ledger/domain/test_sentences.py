import pytest

from ledger.domain import sentences
from ledger.domain.action import Status


class TestOfAction:
    @pytest.mark.parametrize(
        ("name", "target", "status", "expected"),
        [
            ("booking.cancel", ("booking", "b1"), "succeeded", "Cancel of booking b1 was done."),
            ("api_key.issue", ("api_key", "k1"), "failed", "Issue of api key k1 failed."),
            (
                "invoice.read_document",
                ("invoice_document", "d1"),
                "denied",
                "Read document of invoice document d1 was refused.",
            ),
            ("booking.read", ("booking", "*"), "denied", "Read of any booking was refused."),
        ],
    )
    def test_names_what_was_done_to_what_and_how_it_went(
        self, name: str, target: tuple[str, str], status: str, expected: str
    ) -> None:
        type_, id_ = target

        sentence = sentences.of_action(name, target_type=type_, target_id=id_, status=status)

        assert sentence == expected

    @pytest.mark.parametrize("status", Status)
    def test_has_a_word_for_every_end(self, status: Status) -> None:
        sentence = sentences.of_action("a.b", target_type="a", target_id="1", status=status)

        assert sentence.startswith("B of a 1 ")


class TestOfLook:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [(("email", "name"), "Showed email, name."), ((), ""), (("answer",), "")],
    )
    def test_names_the_fields(self, fields: tuple[str, ...], expected: str) -> None:
        assert sentences.of_look(fields) == expected
