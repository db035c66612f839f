"""Fifteen reasons why an approval does not cover what is about to be done, in their order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from config.web.problems import status_of
from events.domain import canonical
from ledger.domain import approval as rules
from ledger.domain.approval import ApprovalStatus, Bound
from ledger.domain.validation import (
    ApprovalExpired,
    ApprovalNotApproved,
    Execution,
    Granted,
    why_not,
    why_over,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BOUND = Bound(
    action="booking.cancel",
    version=1,
    target_type="booking",
    target_id="b1",
    route="POST /bookings/<pk>/cancel",
    input={"reason": "rain"},
    state={"revision": 3},
    facts={"paid_cents": 5},
    principal="agent:a@d",
    organization="o",
    capability="booking.cancel",
    capability_version=1,
    risk="critical",
    policy="bookings-status-approval",
    policy_version=1,
    reason_code="booking_cancel_requested_by_agent",
    key="k1",
)
GRANTED = Granted(
    id="p1",
    status=ApprovalStatus.APPROVED,
    expires_at=NOON + timedelta(hours=1),
    bound=BOUND,
    fingerprint=canonical.fingerprint(rules.approved_content(BOUND)),
)
WANTED = Execution(
    bound=BOUND,
    at=NOON,
    fingerprints=lambda bound: {canonical.fingerprint(rules.approved_content(bound))},
)

Wrong = Callable[[Granted, Execution], tuple[Granted | None, Execution]]


def of_bound(**facts: object) -> Wrong:
    return lambda granted, wanted: (
        granted,
        replace(wanted, bound=replace(wanted.bound, **facts)),  # type: ignore[arg-type]
    )


def of_granted(**facts: object) -> Wrong:
    return lambda granted, wanted: (replace(granted, **facts), wanted)  # type: ignore[arg-type]


IN_ORDER: list[tuple[str, Wrong]] = [
    ("approval_not_found", lambda _granted, wanted: (None, wanted)),
    ("approval_not_approved", of_granted(status=ApprovalStatus.PENDING)),
    ("approval_expired", of_granted(expires_at=NOON)),
    ("approval_mismatched_action", of_bound(target_id="b2")),
    ("approval_missing_fingerprint", of_granted(fingerprint="")),
    ("approval_fingerprint_mismatch", of_bound(state={"revision": 4})),
    ("approval_principal_mismatch", of_bound(principal="agent:b@d")),
    ("approval_organization_mismatch", of_bound(organization="p")),
    ("approval_assignee_mismatch", of_granted(assigned_to="7", decided_by=frozenset({"8"}))),
    ("approval_capability_mismatch", of_bound(capability_version=2)),
    ("approval_risk_mismatch", of_bound(risk="high")),
    ("approval_policy_mismatch", of_bound(policy_version=2)),
    ("approval_reason_mismatch", of_bound(reason_code="another")),
    ("approval_idempotency_key_mismatch", of_bound(key="k2")),
    ("approval_already_executed", of_granted(is_executed=True)),
]

STATUS_OF = {
    "approval_not_found": 404,
    "approval_principal_mismatch": 403,
    "approval_organization_mismatch": 403,
    "approval_assignee_mismatch": 403,
}


def test_there_is_none_against_just_what_was_approved() -> None:
    assert why_not("p1", GRANTED, WANTED) is None


@pytest.mark.parametrize(("code", "wrong"), IN_ORDER, ids=[code for code, _ in IN_ORDER])
def test_each_is_told(code: str, wrong: Wrong) -> None:
    granted, wanted = wrong(GRANTED, WANTED)

    why = why_not("p1", granted, wanted)

    assert why is not None
    assert why.code == code


@pytest.mark.parametrize(("code", "wrong"), IN_ORDER, ids=[code for code, _ in IN_ORDER])
def test_each_is_answered_with_its_status(code: str, wrong: Wrong) -> None:
    """409, but for what is not there or not theirs."""
    why = why_not("p1", *wrong(GRANTED, WANTED))

    assert why is not None
    assert status_of(type(why)) == STATUS_OF.get(code, 409)


@pytest.mark.parametrize("number", range(len(IN_ORDER) - 1))
def test_of_two_the_first_in_order_is_told(number: int) -> None:
    granted, wanted = IN_ORDER[number + 1][1](GRANTED, WANTED)
    assert granted is not None

    why = why_not("p1", *IN_ORDER[number][1](granted, wanted))

    assert why is not None
    assert why.code == IN_ORDER[number][0]


@pytest.mark.parametrize(
    "changed",
    [{"input": {"reason": "sun"}}, {"facts": {"paid_cents": 6}}, {"state": None}],
    ids=str,
)
def test_the_fingerprint_covers_command_state_and_facts(changed: dict[str, object]) -> None:
    why = why_not("p1", *of_bound(**changed)(GRANTED, WANTED))

    assert why is not None
    assert why.code == "approval_fingerprint_mismatch"


@pytest.mark.parametrize(
    ("name", "other"), [("action", "a"), ("version", 2), ("target_type", "t"), ("target_id", "b2")]
)
def test_another_action_is_named_by_what_differs(name: str, other: object) -> None:
    why = why_not("p1", *of_bound(**{name: other})(GRANTED, WANTED))

    assert why is not None
    assert (why.code, why.facts["differs"]) == ("approval_mismatched_action", [name])


def test_another_capability_is_no_change_of_what_was_asked_for() -> None:
    why = why_not("p1", *of_bound(capability="booking.read")(GRANTED, WANTED))

    assert why is not None
    assert why.code == "approval_capability_mismatch"


@pytest.mark.parametrize(
    "right",
    [
        of_granted(assigned_to="7", decided_by=frozenset({"7", "8"})),
        of_granted(bound=replace(BOUND, key="")),
        of_bound(key=""),
    ],
    ids=["decided by its assignee", "asked for without a key", "done without a key"],
)
def test_there_is_none_where_nothing_else_was_said(right: Wrong) -> None:
    assert why_not("p1", *right(GRANTED, WANTED)) is None


def test_a_policy_that_applies_no_more_is_no_reason() -> None:
    none = of_bound(policy="", policy_version=0, reason_code="")

    assert why_not("p1", *none(GRANTED, WANTED)) is None


def test_another_door_is_a_reason_only_where_the_door_counts() -> None:
    granted, wanted = of_bound(route="tool")(GRANTED, WANTED)

    assert why_not("p1", granted, wanted) is None
    bound = why_not("p1", granted, replace(wanted, is_bound_to_route=True))
    assert bound is not None
    assert bound.code == "approval_mismatched_action"


class TestLeaveToUndo:
    def test_is_no_leave_to_do_the_same_for_its_own_sake(self) -> None:
        granted = replace(GRANTED, bound=replace(BOUND, undoes="e1"))

        why = why_not("p1", granted, WANTED)

        assert why is not None
        assert (why.code, why.facts["differs"]) == ("approval_mismatched_action", ["undoes"])
        assert why_not("p1", granted, replace(WANTED, bound=granted.bound)) is None

    def test_may_have_been_given_before_that_was_written_down(self) -> None:
        wanted = replace(WANTED, bound=replace(BOUND, undoes="e1"))

        assert why_not("p1", GRANTED, wanted) is None


class TestWhyItIsOver:
    def test_is_nothing_while_it_may_still_be_decided_or_used(self) -> None:
        last = GRANTED.expires_at - timedelta(microseconds=1)

        for status in (ApprovalStatus.PENDING, ApprovalStatus.APPROVED):
            assert why_over(replace(GRANTED, status=status), at=last) is None

    def test_is_its_time_from_that_moment_on(self) -> None:
        asked = replace(GRANTED, status=ApprovalStatus.PENDING)

        of_asked = why_over(asked, at=asked.expires_at)
        of_given = why_over(GRANTED, at=GRANTED.expires_at)

        assert isinstance(of_asked, ApprovalNotApproved)
        assert of_asked.facts["status"] == "expired"
        assert isinstance(of_given, ApprovalExpired)

    @pytest.mark.parametrize("status", ["denied", "cancelled", "superseded", "expired"])
    def test_is_its_end_whenever_that_was(self, status: str) -> None:
        why = why_over(replace(GRANTED, status=ApprovalStatus(status)), at=NOON)

        assert isinstance(why, ApprovalNotApproved)
        assert why.facts["status"] == status
