from dataclasses import replace
from uuid import UUID

from ledger.domain.action import Target
from ledger.domain.plans import Effect, EffectKind, OriginalAction, Plan, token_of
from ledger.domain.reversals import Outcome, Standing, State

PLAN = Plan(
    effects=(Effect(kind=EffectKind.REVERTED, summary="It is undone."),), versions={"thing/1": 3}
)
UNDERTAKING = OriginalAction(
    entry_id=UUID(int=1),
    action_name="thing.do",
    target=Target(type="thing", id="1"),
    args={},
    standing=Standing(amount_cents=100),
)


def token(plan: Plan = PLAN, **standing: object) -> str:
    known = replace(UNDERTAKING.standing, **standing)  # type: ignore[arg-type]
    original = replace(UNDERTAKING, standing=known)
    return token_of(original, plan, command="thing.undo", version=1)


class TestTokenOf:
    def test_is_the_same_whoever_asks_for_it_and_whatever_failed(self) -> None:
        asked = token(state=State.REQUESTED, requests=(UUID(int=2),), steps=1)
        failed = token(state=State.FAILED, outcome=Outcome.FAILED, steps=2)

        assert token() == asked == failed

    def test_is_another_once_a_part_is_undone_or_under_way(self) -> None:
        done = token(outcome=Outcome.PARTIAL, done_cents=40, reversed_by=UUID(int=2), steps=1)
        running = token(state=State.RUNNING, running=1, running_cents=40, steps=1)
        uncounted = token(outcome=Outcome.PARTIAL, reversed_by=UUID(int=2), steps=1)

        assert len({token(), done, running, uncounted}) == 4

    def test_is_another_when_what_is_there_has_changed(self) -> None:
        assert token() != token(replace(PLAN, versions={"thing/1": 4}))
