"""What is handed over with a key is listed once, whatever comes with it, alone and together."""

from collections.abc import Callable, Sequence

import orjson
import pytest

from events import wire
from events.domain.principal import Principal
from workflows.work import handover
from workflows.work.handover import NextWork
from workflows.work.models import Work

pytestmark = pytest.mark.django_db

BY = Principal.parse("system:test")
FOR_SEVERAL = "SELECT * FROM work_hand_over_many(0, '[]', %(following)s::json)"


def alone(wanted: Sequence[NextWork]) -> int:
    """Hand `wanted` over; return how many were listed."""
    listed = handover.statement(None, wanted, by=BY)
    return len(wire.fetch(listed.sql.format(head="0"), listed.params))


def together(wanted: Sequence[NextWork]) -> int:
    """Hand `wanted` over in the statement for several threads; return how many were listed."""
    joint = handover.statement(None, wanted, by=BY).joint
    assert joint is not None
    following = orjson.dumps([joint().parts["following"]]).decode()
    return len(wire.fetch(FOR_SEVERAL, {"following": following}))


@pytest.mark.parametrize("hand_over", [alone, together])
def test_work_with_a_known_key_is_not_listed_again(
    hand_over: Callable[[Sequence[NextWork]], int],
) -> None:
    def wanted(count: int) -> list[NextWork]:
        others = [NextWork(kind="lab.echo", input={"n": number}) for number in range(count)]
        return [*others, NextWork(kind="lab.echo", input={}, idempotency_key="k")]

    assert hand_over(wanted(0)) == 1
    assert hand_over(wanted(2)) == 2
    assert hand_over(wanted(0)) == 0

    assert sorted(Work.objects.values_list("idempotency_key", flat=True), key=str) == [
        None, None, "k",
    ]  # fmt: skip
