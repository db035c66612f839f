from dataclasses import replace
from uuid import UUID

import pytest

from ledger.domain.action import Target
from ledger.domain.plans import (
    Effect,
    EffectKind,
    OriginalAction,
    Plan,
    awaits,
    blocked,
    token_of,
)
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

    def test_is_of_all_that_would_be_done(self) -> None:
        effect = Effect(
            kind=EffectKind.COMPENSATED,
            summary="It goes back.",
            target=Target(type="payment", id="1"),
            amount_cents=1,
            currency="EUR",
            entry_id=UUID(int=3),
        )
        effects = [
            effect,
            replace(effect, kind=EffectKind.BLOCKED),
            replace(effect, summary="It is kept."),
            replace(effect, target=None),
            replace(effect, target=Target(type="invoice", id="1")),
            replace(effect, target=Target(type="payment", id="2")),
            replace(effect, amount_cents=2),
            replace(effect, currency="USD"),
            replace(effect, entry_id=None),
            replace(effect, parts=(effect,)),
            replace(effect, parts=(replace(effect, parts=(effect,)),)),
        ]
        plans = [replace(PLAN, effects=(each,)) for each in effects]
        plans += [replace(PLAN, input={"status": "confirmed"}), replace(PLAN, amount_cents=1)]

        assert len({token(each) for each in plans}) == len(plans)

    def test_is_of_one_entry_and_one_command(self) -> None:
        other = replace(UNDERTAKING, entry_id=UUID(int=9))
        tokens = {
            token_of(original, PLAN, command=command, version=version)
            for original in (UNDERTAKING, other)
            for command in ("thing.undo", "thing.credit")
            for version in (1, 2)
        }

        assert len(tokens) == 8


class TestWhatStandsInTheWay:
    def test_is_found_however_deep_it_hangs(self) -> None:
        block = blocked("It was sent.", by=UUID(int=3))
        over = Effect(kind=EffectKind.REVERTED, summary="It is undone.", parts=(block,))

        plan = replace(PLAN, effects=(replace(over, parts=(over,)), block, awaits("Ask.")))

        assert plan.blockers == (block, block)


class TestTheAmount:
    @pytest.mark.parametrize(
        ("asked_cents", "standing", "amount_cents"),
        [
            (None, Standing(amount_cents=100, done_cents=30, running_cents=10, running=1), 60),
            (7, Standing(amount_cents=100), 7),
            (0, Standing(amount_cents=100), 0),
            (None, Standing(), 0),
        ],
    )
    def test_is_what_was_asked_for_or_all_that_is_left(
        self, asked_cents: int | None, standing: Standing, amount_cents: int
    ) -> None:
        original = replace(UNDERTAKING, asked_cents=asked_cents, standing=standing)

        assert original.amount_cents == amount_cents
