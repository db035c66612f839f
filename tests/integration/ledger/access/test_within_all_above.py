"""A delegation is within all above it, whoever writes it, and in whosever name it is asked for."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.utils import timezone

from events.domain.errors import NotFound
from ledger.invariants.delegations import agents_keep_within_their_delegations
from ledger.models import Delegation, Entry
from ledger.services import delegations
from ledger.services.delegations import AgentOfSomebodyElse, DelegationStartOutOfRange
from tests.integration.ledger import approvals
from tests.integration.ledger.agents import ENDS, an_agent, delegated, terms
from tests.integration.ledger.conftest import grant

pytestmark = pytest.mark.django_db(transaction=True)

BEGINS = ENDS - timedelta(days=5)


class TestItsStart:
    def test_is_that_of_those_above_where_none_is_asked_for(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"), starts_at=BEGINS)

        child = delegated(an_agent(ada, "second"), parent_id=parent.pk)

        assert child.starts_at == BEGINS
        assert agents_keep_within_their_delegations() == []

    def test_is_before_its_end(self, ada: User) -> None:
        parent = delegated(an_agent(ada, "first"), starts_at=BEGINS)
        second = an_agent(ada, "second")

        with pytest.raises(DelegationStartOutOfRange):
            delegated(second, parent_id=parent.pk, expires_at=BEGINS)

        assert not second.delegations.exists()


@pytest.fixture(params=[1, 2])
def below(ada: User, request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the columns of a row below one that has every limit, or below its child, with none."""
    above = delegated(
        an_agent(ada, "first"),
        "booking.*",
        resources={"booking": ("b1", "b2")},
        actions_max=5,
        cents_max=500,
        currency="EUR",
        per_minute_max=6,
        hours=(9, 17),
        starts_at=BEGINS,
    )
    row = Delegation.objects.values().get()
    for _ in range(request.param - 1):
        above = delegated(
            an_agent(ada, "second"), *above.scopes, parent_id=above.pk, resources=above.resources
        )
    return {**row, "id": uuid4(), "parent_id": above.pk, "depth": above.depth + 1}


def write(row: dict[str, Any]) -> None:
    with db_transaction.atomic():
        Delegation.objects.create(**row)
        db_transaction.set_rollback(True)


class TestARow:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"scopes": ["booking.cancel", "booking.*"], "resources": {"booking": ["b2", "b1"]}},
            {"resources": {"booking": []}, "actions_max": 0, "hour_from": 10, "hour_until": 16},
            {"actions_max": None, "cents_max": None, "currency": "", "per_minute_max": None},
        ],
    )
    def test_may_be_as_wide_as_those_above_it(
        self, below: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        write({**below, **changes})

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("scopes", ["booking.read", "invoice.read"]),
            ("scopes", ["*"]),
            ("scopes", ["booking"]),
            ("resources", {}),
            ("resources", {"booking": ["b1", "b3"]}),
            ("resources", {"booking": ["b1"], "invoice": ["i1"]}),
            ("actions_max", 6),
            ("cents_max", 501),
            ("currency", "USD"),
            ("per_minute_max", 7),
            ("hour_from", 8),
            ("hour_until", 18),
            ("starts_at", BEGINS - timedelta(seconds=1)),
            ("expires_at", ENDS + timedelta(seconds=1)),
        ],
    )
    def test_is_no_wider_than_any_above_it(
        self, below: dict[str, Any], column: str, value: object
    ) -> None:
        with pytest.raises(IntegrityError, match="is wider than one above it"):
            write({**below, column: value})


class TestWhatIsSomebodyElses:
    @pytest.fixture
    def eve(self) -> User:
        return grant(User.objects.create_user("eve"), "delegation.create", "agent.read")

    @pytest.mark.parametrize("what", ["agent", "delegation"])
    def test_is_not_found_and_on_record_as_what_it_is(
        self, ada: User, eve: User, what: str
    ) -> None:
        theirs = delegated(an_agent(ada))
        own = an_agent(eve, "own")
        asked = (
            {"agent_id": theirs.agent_id, "parent_id": None}
            if what == "agent"
            else {"agent_id": own.pk, "parent_id": theirs.pk}
        )

        with approvals.acting(eve) as caller, pytest.raises(NotFound) as refusal:
            delegations.create_delegation(
                **asked, root=eve, terms=terms(), reason="mine now", issuer=caller
            )

        assert refusal.value.code == f"{what}_not_found"
        assert refusal.value.facts == {
            f"{what}_id": str(theirs.agent_id if what == "agent" else theirs.pk)
        }
        [tried] = Entry.objects.filter(status="denied", action_name="delegation.create")
        assert tried.mutation.summary == "Refused: agent_of_somebody_else"

    def test_is_told_to_who_administers_them(self, ada: User) -> None:
        theirs = an_agent(User.objects.create_user("eve"))

        with approvals.acting(ada) as caller, pytest.raises(AgentOfSomebodyElse):
            delegations.create_delegation(
                agent_id=theirs.pk, root=ada, terms=terms(), reason="mine now", issuer=caller
            )


def test_the_doctor_passes_over_a_start_that_nobody_asked_for(ada: User) -> None:
    """Until lately a child without a start began at once, also below one that begins later."""
    parent = delegated(an_agent(ada, "first"), starts_at=timezone.now() + timedelta(days=1))
    child = delegated(an_agent(ada, "second"), parent_id=parent.pk)
    wider = delegated(an_agent(ada, "third"), parent_id=parent.pk)
    with db_transaction.atomic():
        # As it was written then; and one that somebody has moved.
        db_transaction.get_connection().cursor().execute(
            "SET LOCAL session_replication_role = replica"
        )
        Delegation.objects.filter(pk=child.pk).update(starts_at=child.created_at)
        Delegation.objects.filter(pk=wider.pk).update(
            starts_at=wider.created_at + timedelta(seconds=1)
        )

    assert agents_keep_within_their_delegations() == [
        f"delegation {wider.pk}: starts_at exceeds what a delegation above allows."
    ]
