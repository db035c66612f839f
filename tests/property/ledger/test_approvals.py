"""Whatever people try, in whatever order: four eyes, a quorum, and one end."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from events.domain.errors import DomainError
from ledger.domain import approval as rules
from ledger.domain.approval import Approval, ApprovalStatus, Decider, Decision
from ledger.domain.capability import Risk

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PEOPLE = ["1", "2", "3", "4", "5"]

deciders = st.builds(
    lambda human, door, is_fresh: Decider(
        principal=f"user:{human}" if door == "user" else f"{door}:of-{human}",
        kind=door,
        human=human,
        is_fresh=is_fresh,
    ),
    st.sampled_from(PEOPLE),
    st.sampled_from(["user", "user", "api_key", "agent", "workflow"]),
    st.booleans(),
)
# Mostly what goes on and ends nothing: of what ends it at once a law says little.
steps = st.tuples(
    st.sampled_from(["approve"] * 6 + ["delegate"] * 2 + ["deny", "cancel", "expire"]),
    deciders,
    st.sampled_from(PEOPLE),
    st.integers(0, 70),
)


def asked_by(
    human: str, behind: frozenset[str], *, quorum: int, through_agent: bool, risk: Risk
) -> Approval:
    """Return what one person asked for, alone or at the end of a chain of `behind`."""
    who = f"agent:of-{human}@d" if through_agent else f"user:{human}"
    return Approval(
        id="p1",
        status=ApprovalStatus.PENDING,
        risk=risk,
        quorum=quorum,
        expires_at=NOON + timedelta(minutes=60),
        chain=frozenset({who} | {f"agent:of-{other}@d" for other in behind}),
        humans=behind | {human},
        requested_by=who,
    )


def step(approval: Approval, what: str, decider: Decider, to: str, minutes: int) -> Approval:
    at = NOON + timedelta(minutes=minutes)
    match what:
        case "cancel":
            return rules.cancel(approval, decider, at=at)
        case "delegate":
            return rules.delegate(approval, decider, to=to, at=at)
        case "expire":
            is_due = approval.status is ApprovalStatus.PENDING and rules.is_over(approval, at=at)
            return rules.expire(approval, at=at) if is_due else approval
        case _:
            return rules.decide(approval, decider, Decision(what), at=at)


# Of 50, a rule that lets whoever asked have a voice through another key would slip through.
@settings(max_examples=400)
@given(
    st.sampled_from(PEOPLE),
    st.frozensets(st.sampled_from(PEOPLE), max_size=2),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(list(Risk)),
    st.lists(steps, max_size=25),
)
def test_nobody_in_the_chain_ever_has_a_voice(
    asker: str,
    behind: frozenset[str],
    quorum: int,
    through_agent: bool,  # noqa: FBT001 - hypothesis calls it.
    risk: Risk,
    tried: list[tuple[str, Decider, str, int]],
) -> None:
    approval = asked_by(asker, behind, quorum=quorum, through_agent=through_agent, risk=risk)

    for what, decider, to, minutes in tried:
        before = approval
        try:
            approval = step(approval, what, decider, to, minutes)
        except DomainError:
            continue
        assert before.status is ApprovalStatus.PENDING or approval == before, "ends are final"
        if approval.approved_by != before.approved_by:
            assert decider.human not in approval.humans
            assert decider.kind in {"user", "api_key"}
            assert minutes < 60
            assert risk is not Risk.CRITICAL or decider.is_fresh

    assert not approval.approved_by & approval.humans
    assert approval.assigned_to not in approval.humans
    if approval.status is ApprovalStatus.APPROVED:
        assert len(approval.approved_by) == quorum
