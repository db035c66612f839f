"""Laws of undoing, over any sequence of attempts."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.domain import reversals as rules
from ledger.domain.reversals import (
    Declaration,
    Outcome,
    ReversalKind,
    ReversalRefused,
    Standing,
    State,
    Step,
    StepKind,
    Undoing,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
ENTRY = UUID(int=1)
# Mostly what gives something back: what ends it all leaves nothing for a law to say.
ASKING = [
    *[StepKind.BEGUN] * 4,
    *[StepKind.COMPLETED] * 4,
    *[StepKind.REQUESTED] * 2,
    StepKind.WITHDRAWN,
    StepKind.FAILED,
    StepKind.EXPIRED,
]

attempts = st.lists(st.tuples(st.sampled_from(ASKING), st.integers(0, 12)), max_size=30)
# Of those above one in twenty leaves a request open, and next to none one beside what is done.
REQUESTING = [
    *[StepKind.REQUESTED] * 3,
    *[StepKind.COMPLETED] * 2,
    StepKind.BEGUN,
    StepKind.WITHDRAWN,
]
requests = st.lists(
    st.tuples(st.sampled_from(REQUESTING), st.integers(0, 3)), min_size=3, max_size=12
)
endings = st.lists(st.sampled_from([StepKind.SETTLED, StepKind.RETURNED]), max_size=40)


thorough = settings(max_examples=300)


def declared(amount_cents: int | None) -> Declaration:
    return Declaration(
        kind=ReversalKind.COMPENSATE,
        command="payment.refund",
        version=1,
        amount_cents=amount_cents,
        currency="" if amount_cents is None else "EUR",
    )


def live(script: list[tuple[StepKind, int]], ends: list[StepKind], total: int) -> list[Step]:
    """Try everything in `script`; keep what was allowed, and end what has begun as `ends` say."""
    steps: list[Step] = []
    standing = rules.begin(declared(total))
    ending = iter(ends)
    open_amounts: list[int] = []
    for kind, amount in script:
        if open_amounts and (end := next(ending, None)):
            standing = take(steps, standing, end, open_amounts.pop(0))
        # The amount picks which request ends or is used, if there is that one.
        asked = standing.requests[amount % len(standing.requests)] if standing.requests else None
        try:
            standing = take(steps, standing, kind, amount, under=asked)
        except ReversalRefused:
            continue
        if kind is StepKind.BEGUN:
            open_amounts.append(amount)
    return steps


def take(
    steps: list[Step],
    standing: Standing,
    kind: StepKind,
    cents: int,
    *,
    under: UUID | None = None,
) -> Standing:
    if kind is StepKind.REQUESTED:
        under = UUID(int=1_000 + len(steps))
    undoing = Undoing(of=ENTRY, step=kind, amount_cents=cents)
    rules.check_step(ENTRY, standing, undoing, at=NOON)
    steps.append(
        Step(
            entry_id=UUID(int=len(steps) + 2),
            kind=kind,
            at=NOON,
            outcome=rules.outcome_of(standing, undoing),
            amount_cents=cents,
            approval_id=under,
        )
    )
    return rules.evolve(standing, steps[-1])


def added_up(steps: list[Step]) -> tuple[int, int]:
    """Return what was given back, and what is under way, without the rules that are tried."""
    sums = dict.fromkeys(StepKind, 0)
    for step in steps:
        sums[step.kind] += step.amount_cents
    done = sums[StepKind.COMPLETED] + sums[StepKind.SETTLED]
    return done, sums[StepKind.BEGUN] - sums[StepKind.SETTLED] - sums[StepKind.RETURNED]


@thorough
@given(attempts, endings, st.integers(1, 20))
def test_partial_compensations_never_add_up_to_more_than_the_original(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    for count in range(len(steps := live(script, ends, total)) + 1):
        standing = rules.fold(declared(total), steps[:count])
        done, running = added_up(steps[:count])

        assert done + running <= total
        assert (standing.done_cents, standing.running_cents) == (done, running)


@thorough
@given(attempts, endings, st.integers(1, 20))
def test_nothing_is_wholly_undone_twice(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    steps = live(script, ends, total)

    assert [step.outcome for step in steps].count(Outcome.FULL) <= 1


@thorough
@given(attempts, endings, st.integers(1, 20))
def test_the_state_says_what_the_amounts_say(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    standing = rules.fold(declared(total), live(script, ends, total))

    assert (standing.state is State.RUNNING) == (standing.running > 0)
    assert (standing.outcome is Outcome.FULL) == (standing.done_cents == total)
    if standing.state is State.COMPLETED:
        assert standing.reversed_by is not None


@given(attempts, endings, st.integers(1, 20))
def test_a_request_that_is_withdrawn_gives_nothing_back_and_waits_no_more(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    standing = rules.fold(declared(total), steps := live(script, ends, total))
    assume(standing.state is not State.REQUESTED)
    try:
        asked = take(steps, standing, StepKind.REQUESTED, 1)
    except ReversalRefused:
        return
    [new] = set(asked.requests) - set(standing.requests)

    withdrawn = take(steps, asked, StepKind.WITHDRAWN, 0, under=new)

    assert withdrawn.state is not State.REQUESTED
    assert replace(withdrawn, steps=standing.steps, state=standing.state) == standing
    # Of a part that is done, the failed attempt after it is not told again.
    assert withdrawn.state is standing.state or standing.outcome is Outcome.PARTIAL


@thorough
@given(requests, endings, st.integers(1, 3))
def test_what_is_requested_waits_for_a_request_that_was_neither_used_nor_withdrawn(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    steps = live(script, ends, total)
    standing = rules.fold(declared(total), steps)

    open_requests: set[UUID] = set()
    for step in steps:
        if step.kind is StepKind.EXPIRED:
            open_requests.clear()
        elif step.kind is StepKind.REQUESTED and step.approval_id:
            open_requests.add(step.approval_id)
        elif step.kind in {StepKind.WITHDRAWN, *rules.STARTING} and step.approval_id:
            open_requests.discard(step.approval_id)
    assert set(standing.requests) == open_requests
    is_asked_for = open_requests and not standing.running and standing.outcome is not Outcome.FULL
    assert (standing.state is State.REQUESTED) == bool(is_asked_for)


@given(attempts, endings, st.integers(1, 20))
def test_what_is_over_is_not_asked_for_again(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int
) -> None:
    standing = rules.fold(declared(total), live(script, ends, total))
    over = take([], standing, StepKind.EXPIRED, 0)

    for kind in (StepKind.REQUESTED, StepKind.BEGUN, StepKind.COMPLETED):
        with pytest.raises(ReversalRefused):
            take([], over, kind, 1)
    assert over.state in {State.EXPIRED, State.RUNNING, State.COMPLETED}


@given(attempts, endings, st.integers(1, 20), st.data())
def test_a_standing_can_be_built_from_any_cut(
    script: list[tuple[StepKind, int]], ends: list[StepKind], total: int, data: st.DataObject
) -> None:
    steps = live(script, ends, total)
    cut = data.draw(st.integers(0, len(steps)))

    standing = rules.fold(declared(total), steps[:cut])
    for step in steps[cut:]:
        standing = rules.evolve(standing, step)

    assert standing == rules.fold(declared(total), steps)
