"""Who may give what to whom, and how that is told."""

from dataclasses import replace

import pytest

from ledger.domain.rights import (
    ADMINISTER,
    OwnAccess,
    Rights,
    RightsTooWide,
    check_own_access,
    check_reach,
    describe_changes,
)

ROOT = Rights(is_superuser=True)


def reaching(*permissions: str) -> Rights:
    return Rights(permissions=frozenset(permissions), reach=frozenset(permissions))


class TestReach:
    def test_ends_where_that_of_the_giver_ends(self) -> None:
        giver = reaching("ledger.job.read", "ledger.job.retry")

        check_reach(giver, reaching("ledger.job.read"))
        check_reach(ROOT, ROOT, reaching("ledger.job.discard"))
        with pytest.raises(RightsTooWide) as refusal:
            check_reach(giver, reaching("ledger.job.read"), reaching("ledger.job.discard"))

        assert refusal.value.facts == {"beyond": ["ledger.job.discard"]}

    def test_of_nobody_else_is_as_far_as_a_superusers(self) -> None:
        with pytest.raises(RightsTooWide) as refusal:
            check_reach(reaching("ledger.user.administer"), ROOT)

        assert refusal.value.facts == {"beyond": ["superuser"]}

    def test_names_no_more_than_twenty_permissions(self) -> None:
        with pytest.raises(RightsTooWide) as refusal:
            check_reach(Rights(), reaching(*(f"ledger.p.n{number}" for number in range(30))))

        assert len(refusal.value.facts["beyond"]) == 20


MINE = Rights(is_active=True, is_staff=True, is_superuser=True)


@pytest.mark.parametrize(
    "after",
    [
        replace(MINE, is_active=False),
        replace(MINE, is_staff=False),
        replace(MINE, is_superuser=False),
    ],
)
def test_nobody_takes_their_own_access_away(after: Rights) -> None:

    check_own_access(MINE, MINE)
    with pytest.raises(OwnAccess):
        check_own_access(MINE, after)


def test_nobody_takes_their_own_permission_to_administer_away() -> None:
    mine = reaching(ADMINISTER, "ledger.job.read")

    check_own_access(mine, reaching(ADMINISTER))
    with pytest.raises(OwnAccess):
        check_own_access(mine, reaching("ledger.job.read"))


def test_whoever_may_not_log_in_holds_nothing() -> None:
    assert reaching("ledger.job.read").holds("ledger.job.read")
    assert not Rights(is_active=False, is_superuser=True).holds("ledger.job.read")


class TestTold:
    def test_begins_with_what_is_gravest(self) -> None:
        after = Rights(
            is_superuser=True, groups=frozenset({"b"}), permissions=frozenset({"ledger.job.read"})
        )

        assert describe_changes(Rights(groups=frozenset({"a"})), after) == (
            "Made a superuser. Put into: b. Taken out of: a. Given: ledger.job.read."
        )
        assert describe_changes(after, Rights(is_active=False)) == (
            "A superuser no more. May not log in any more. Taken out of: b. "
            "Taken away: ledger.job.read."
        )

    def test_is_empty_if_nothing_changed(self) -> None:
        assert describe_changes(ROOT, ROOT) == ""
