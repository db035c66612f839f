import pytest

from ledger.domain.capability import Capability, covers, is_well_formed, is_within


class TestCovers:
    @pytest.mark.parametrize(
        ("scope", "included"),
        [
            ("*", "booking.read"),
            ("booking.*", "booking.read"),
            ("booking.*", "booking.notes.read"),
            ("booking.read", "booking.read"),
        ],
    )
    def test_includes(self, scope: str, included: str) -> None:
        assert covers([scope], included)

    @pytest.mark.parametrize(
        ("scope", "other"),
        [
            ("booking.read", "booking.create"),
            ("booking.*", "booking_note.read"),
            ("booking.*", "invoice.read"),
            ("booking.read", "booking.*"),
            ("booking.*", "*"),
        ],
    )
    def test_does_not_include(self, scope: str, other: str) -> None:
        assert not covers([scope], other)

    def test_nothing_covers_nothing(self) -> None:
        assert not covers([], "booking.read")


class TestIsWithin:
    def test_holds_for_each_scope_that_the_limit_includes(self) -> None:
        assert is_within(["booking.read", "invoice.*"], ["booking.*", "invoice.*"])

    def test_fails_for_one_that_reaches_further(self) -> None:
        assert not is_within(["booking.read", "*"], ["booking.*"])


class TestIsWellFormed:
    @pytest.mark.parametrize("scope", ["*", "booking.read", "booking.*", "api_key.issue"])
    def test_accepts(self, scope: str) -> None:
        assert is_well_formed(scope)

    @pytest.mark.parametrize(
        "scope", ["", "**", "*.read", "Booking.read", "booking.*.read", "a b", ".*", "booking.*\n"]
    )
    def test_refuses(self, scope: str) -> None:
        assert not is_well_formed(scope)


class TestCapability:
    @pytest.mark.parametrize("id_", ["booking", "Booking.read", "booking.", "booking.*"])
    def test_has_an_id_of_noun_and_verb(self, id_: str) -> None:
        with pytest.raises(AssertionError):
            Capability(id=id_, meaning="", resource="booking", action="read")
