from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.domain.canonical import fingerprint
from events.domain.errors import DomainError
from ledger.domain import approval as rules
from ledger.domain.approval import (
    AlreadyVoted,
    Approval,
    ApprovalAssigneeMismatch,
    ApprovalDecisionConflict,
    ApprovalStatus,
    Bound,
    Decider,
    Decision,
    NotHumanEnough,
    NotTheRequester,
    OnExpiry,
    SelfDecisionForbidden,
    StepUpRequired,
)
from ledger.domain.capability import Risk

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
END = NOON + timedelta(hours=1)
# Asked for by an agent of alice's.
ASKED = Approval(
    id="p1",
    status=ApprovalStatus.PENDING,
    risk=Risk.HIGH,
    quorum=2,
    expires_at=END,
    chain=frozenset({"agent:a", "user:alice"}),
    humans=frozenset({"alice"}),
    requested_by="agent:a",
)


def person(name: str, **changes: Any) -> Decider:
    return replace(Decider(principal=f"user:{name}", kind="user", human=name), **changes)


ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")


def why_not(approval: Approval, decider: Decider, at: datetime = NOON) -> type[DomainError] | None:
    try:
        rules.authorize_decision(approval, decider, at=at)
    except DomainError as why:
        return type(why)
    return None


class TestWhoMayDecide:
    @pytest.mark.parametrize(
        ("decider", "why"),
        [
            (BOB, None),
            (person("bob", kind="api_key", principal="api_key:k"), None),
            (person("bob", kind="agent", principal="agent:b"), NotHumanEnough),
            (person("bob", kind="workflow"), NotHumanEnough),
            (person("bob", human=None), NotHumanEnough),
            (ALICE, SelfDecisionForbidden),
            (person("alice", kind="api_key", principal="api_key:k"), SelfDecisionForbidden),
            (person("bob", principal="user:alice"), SelfDecisionForbidden),
        ],
    )
    def test_is_a_person_through_whom_it_was_not_asked(
        self, decider: Decider, why: type[DomainError] | None
    ) -> None:
        assert why_not(ASKED, decider) is why

    @pytest.mark.parametrize(
        ("decider", "assigned", "why"),
        [
            (BOB, {"assigned_to": "bob"}, None),
            (CAROL, {"assigned_to": "bob"}, ApprovalAssigneeMismatch),
            (person("bob", groups=frozenset({"g"})), {"assigned_group": "g"}, None),
            (BOB, {"assigned_group": "g"}, ApprovalAssigneeMismatch),
            # Handed on to one person, it is for them, of the group or not.
            (BOB, {"assigned_to": "bob", "assigned_group": "g"}, None),
        ],
    )
    def test_is_whom_it_is_for(
        self, decider: Decider, assigned: dict[str, Any], why: type[DomainError] | None
    ) -> None:
        assert why_not(replace(ASKED, **assigned), decider) is why

    def test_is_nobody_twice(self) -> None:
        assert why_not(replace(ASKED, approved_by=frozenset({"bob"})), BOB) is AlreadyVoted

    def test_has_just_proved_who_they_are_where_it_is_critical(self) -> None:
        critical = replace(ASKED, risk=Risk.CRITICAL)

        assert why_not(critical, BOB) is StepUpRequired
        assert why_not(critical, person("bob", is_fresh=True)) is None

    def test_is_nobody_from_its_last_moment_on(self) -> None:
        assert why_not(ASKED, BOB, END - timedelta(microseconds=1)) is None
        with pytest.raises(ApprovalDecisionConflict) as refused:
            rules.authorize_decision(replace(ASKED, on_expiry=OnExpiry.DENIED), BOB, at=END)

        assert refused.value.facts["status"] == "denied"

    @pytest.mark.parametrize(
        "status", [one for one in ApprovalStatus if one is not ApprovalStatus.PENDING]
    )
    def test_is_nobody_once_it_has_ended(self, status: ApprovalStatus) -> None:
        with pytest.raises(ApprovalDecisionConflict) as refused:
            rules.authorize_decision(replace(ASKED, status=status), BOB, at=NOON)

        assert refused.value.facts == {"approval_id": "p1", "status": status}


class TestADecision:
    def test_of_one_person_is_not_that_of_two(self) -> None:
        once = rules.decide(replace(ASKED, assigned_to="bob"), BOB, Decision.APPROVE, at=NOON)
        twice = rules.decide(once, CAROL, Decision.APPROVE, at=NOON)

        # What is missing is for others again.
        assert (once.status, once.assigned_to) == (ApprovalStatus.PENDING, "")
        assert once.approved_by == {"bob"}
        assert twice.status is ApprovalStatus.APPROVED
        assert twice.approved_by == {"bob", "carol"}

    def test_that_says_no_is_enough(self) -> None:
        half = replace(ASKED, approved_by=frozenset({"carol"}))

        assert rules.decide(half, BOB, Decision.DENY, at=NOON).status is ApprovalStatus.DENIED

    def test_counts_nobody_who_could_not_decide_it_any_more(self) -> None:
        half = replace(ASKED, approved_by=frozenset({"carol"}), lapsed=frozenset({"carol"}))

        decided = rules.decide(half, BOB, Decision.APPROVE, at=NOON)

        assert decided.status is ApprovalStatus.PENDING
        assert decided.approved_by == {"bob"}

    def test_is_of_who_may_decide(self) -> None:
        with pytest.raises(SelfDecisionForbidden):
            rules.decide(ASKED, ALICE, Decision.APPROVE, at=NOON)


class TestWithdrawing:
    @pytest.mark.parametrize(
        "who", [ALICE, person("alice", principal="api_key:k"), person("x", principal="agent:a")]
    )
    def test_is_for_whoever_asked_or_stands_behind_it(self, who: Decider) -> None:
        assert rules.cancel(ASKED, who, at=NOON).status is ApprovalStatus.CANCELLED

    def test_is_for_nobody_else(self) -> None:
        with pytest.raises(NotTheRequester):
            rules.cancel(ASKED, BOB, at=NOON)

    def test_comes_too_late_when_it_has_ended(self) -> None:
        with pytest.raises(ApprovalDecisionConflict):
            rules.cancel(ASKED, ALICE, at=END)


class TestHandingOn:
    def test_makes_it_somebody_elses_also_where_it_is_critical(self) -> None:
        critical = replace(ASKED, risk=Risk.CRITICAL)

        assert rules.delegate(critical, BOB, to="carol", at=NOON).assigned_to == "carol"

    def test_is_not_to_who_asked_nor_by_them(self) -> None:
        for who, to in ((BOB, "alice"), (ALICE, "bob")):
            with pytest.raises(SelfDecisionForbidden):
                rules.delegate(ASKED, who, to=to, at=NOON)

    def test_is_not_to_who_has_said_yes(self) -> None:
        half = replace(ASKED, quorum=2, approved_by=frozenset({"carol"}))

        with pytest.raises(AlreadyVoted):
            rules.delegate(half, BOB, to="carol", at=NOON)


class TestItsEnd:
    def test_is_what_was_said_when_it_was_asked_for(self) -> None:
        assert rules.expire(ASKED, at=END).status is ApprovalStatus.EXPIRED
        denied = rules.expire(replace(ASKED, on_expiry=OnExpiry.DENIED), at=END)
        assert denied.status is ApprovalStatus.DENIED

    def test_is_not_before_its_time(self) -> None:
        with pytest.raises(AssertionError):
            rules.expire(ASKED, at=END - timedelta(microseconds=1))

    def test_is_final(self) -> None:
        ended = replace(ASKED, status=ApprovalStatus.CANCELLED)

        for end in (lambda: rules.expire(ended, at=END), lambda: rules.supersede(ended)):
            with pytest.raises(AssertionError):
                end()
        assert rules.supersede(ASKED).status is ApprovalStatus.SUPERSEDED


class TestAnApproval:
    @pytest.mark.parametrize(
        "wrong", [{"quorum": 0}, {"quorum": rules.QUORUM_MAX + 1}, {"requested_by": "user:bob"}]
    )
    def test_that_contradicts_itself_is_a_bug(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(AssertionError):
            replace(ASKED, **wrong)

    def test_may_ask_for_as_many_as_there_may_be(self) -> None:
        for quorum in (1, rules.QUORUM_MAX):
            assert replace(ASKED, quorum=quorum).quorum == quorum


BOUND = Bound(
    action="refund.request",
    version=1,
    target_type="payment",
    target_id="p1",
    principal="user:alice",
    capability="refund.request",
    capability_version=1,
    risk="high",
    policy="refunds",
    policy_version=1,
    reason_code="refund",
)
OF_THE_COMMAND: list[dict[str, Any]] = [
    {"action": "refund.undo"},
    {"version": 2},
    {"target_type": "invoice"},
    {"target_id": "p2"},
    {"input": {"amount_cents": 1}},
    {"reason": "ab"},
]
OF_WHAT_WAS_FOUND: list[dict[str, Any]] = [
    {"state": {"revision": 1}},
    {"facts": {"amount_cents": 1}},
    {"capability": "refund.read"},
    {"capability_version": 2},
    {"risk": "low"},
    {"policy": "others"},
    {"policy_version": 2},
    {"reason_code": "other"},
]


class TestTheFingerprint:
    def test_is_of_the_command_and_of_how_the_target_was_found(self) -> None:
        changes = [{}, *OF_THE_COMMAND, *OF_WHAT_WAS_FOUND]

        assert len(
            {fingerprint(rules.approved_content(replace(BOUND, **each))) for each in changes}
        ) == len(changes)

    def test_of_the_command_alone_is_the_same_however_the_target_is_found(self) -> None:
        changes = [{}, *OF_THE_COMMAND]
        found = {fingerprint(rules.command_of(replace(BOUND, **each))) for each in changes}

        assert len(found) == len(changes)
        for each in OF_WHAT_WAS_FOUND:
            same = fingerprint(rules.command_of(replace(BOUND, **each)))
            assert same == fingerprint(rules.command_of(BOUND))
