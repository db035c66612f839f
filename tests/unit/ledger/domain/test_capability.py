from typing import Any

import pytest

from events.domain.principal import PrincipalKind
from ledger.domain.capability import (
    ID_CHARS_MAX,
    PEOPLE,
    Capability,
    LedgerPolicy,
    Risk,
    actor_of,
    covers,
    graver,
    is_well_formed,
    is_within,
)


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
            ("booking.read", "booking.ready"),
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

    @pytest.mark.parametrize(
        "wrong",
        [
            {"id": f"booking.{'r' * (ID_CHARS_MAX - 7)}"},
            {"object_permission": "view_booking"},
            {"version": 0},
            {"risk": Risk.HIGH},
            {"all_of": frozenset({"booking.read"})},
            {"any_of": frozenset({"booking.read"})},
        ],
    )
    def test_that_contradicts_itself_is_a_bug(self, wrong: dict[str, Any]) -> None:
        right: dict[str, Any] = {
            "id": "booking.read",
            "meaning": "",
            "resource": "booking",
            "action": "read",
            "object_permission": "commerce.view_booking",
            "any_of": frozenset({"booking.list"}),
        }
        Capability(**right)
        Capability(**{**right, "id": f"booking.{'r' * (ID_CHARS_MAX - 8)}"})
        Capability(**{**right, "risk": Risk.HIGH, "ledger": LedgerPolicy.REQUIRED})

        with pytest.raises(AssertionError):
            Capability(**{**right, **wrong})

    @pytest.mark.parametrize(
        ("found", "risk"), [(Risk.LOW, Risk.MEDIUM), (Risk.CRITICAL, Risk.CRITICAL)]
    )
    def test_is_never_less_risky_than_its_floor(self, found: Risk, risk: Risk) -> None:
        floor = Capability(
            id="a.b", meaning="", resource="a", action="b", risk=Risk.MEDIUM, weigh=lambda _: found
        )

        assert floor.risk_of({}) is risk


class TestRisk:
    def test_goes_from_low_to_critical(self) -> None:
        assert graver(Risk.MEDIUM, Risk.HIGH) is graver(Risk.HIGH, Risk.LOW) is Risk.HIGH
        assert graver(Risk.CRITICAL, Risk.HIGH) is Risk.CRITICAL

    def test_is_on_record_from_high_on(self) -> None:
        assert [risk for risk in Risk if risk.is_grave] == [Risk.HIGH, Risk.CRITICAL]


def test_a_program_is_no_member_of_the_staff() -> None:
    programs = {PrincipalKind.SYSTEM, PrincipalKind.WORKFLOW, PrincipalKind.AGENT}

    assert {kind for kind in PrincipalKind if actor_of(kind) == "system"} == programs
    assert {PrincipalKind.USER, PrincipalKind.API_KEY} == PEOPLE
