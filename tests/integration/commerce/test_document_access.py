from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from commerce import selectors
from commerce.domain.access import (
    AccessEndedAlready,
    AccessEndsInThePast,
    AccessGrantedAlready,
    GranteeNotAllowed,
)
from commerce.models import DocumentAccess, Invoice, Rendition
from commerce.services import document_access, renditions
from commerce.services.document_access import DocumentNotFound, GranteeUnknown
from events.ids import new_id
from ledger import drift, timelines
from ledger.access.authority import Caller
from ledger.capabilities import get
from ledger.disclosure import disclosing
from ledger.domain.action import Read, Target
from ledger.domain.capability import PrincipalNotAllowed
from ledger.domain.reversals import ReversalAlreadyReversed, ReversalExpired
from ledger.invariants.reversals import reversals_are_sound, standings_follow_from_entries
from ledger.models import Entry, ReversalStanding
from ledger.services import reversals
from ledger.services.reversals import ReversalPreviewStale
from tests.integration.commerce.acting import DONE, names_in, race
from tests.integration.commerce.undoing import (
    chief,
    entry_of,
    kinds_of,
    look,
    refusal_of,
    standing_of,
    undo,
)
from tests.integration.ledger.agents import acting, an_agent, delegated

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def document(invoice: Invoice) -> Rendition:
    return renditions.generate_invoice_document(invoice_id=invoice.pk)


@pytest.fixture
def auditor(transactional_db: None) -> User:
    return User.objects.create_user("auditor")


def grant(document: Rendition, to: User, **facts: object) -> DocumentAccess:
    return document_access.grant_document_access(
        document_id=document.pk,
        grantee=f"user:{to.pk}",
        purpose="The yearly audit",
        **facts,  # type: ignore[arg-type]
    )


def let_expire(access: DocumentAccess) -> None:
    past = timezone.now() - timedelta(seconds=1)
    with transaction.atomic():
        # As if time had passed, which is no act of anybody.
        _without_triggers(
            "UPDATE commerce_documentaccess SET granted_at = %s, expires_at = %s",
            [past - timedelta(days=1), past],
        )
    ReversalStanding.objects.filter(entry__target_id=str(access.pk)).update(until=past)


def _without_triggers(statement: str, values: list[object]) -> None:
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement, values)


class TestGrant:
    def test_is_on_record_with_what_it_is_for(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)

        entry = entry_of("document_access.grant", access.pk)
        assert (entry.evaluated_risk, entry.reason) == ("high", "The yearly audit")
        assert (entry.mutation.reversal_command_id, entry.mutation.reversal_until) == (
            "document_access.revoke",
            access.expires_at,
        )
        assert names_in("document_access", access.pk) == ["document.access.granted"]
        assert (access.expires_at - access.granted_at).days == 14
        assert access.granted_by == "user:7"

    def test_is_in_the_timeline_of_the_booking(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)

        story = timeline_of_booking(document)
        assert ("document_access.grant", str(access.pk)) in story

    @pytest.mark.parametrize("grantee", ["agent:x@y", "workflow:x", "somebody", ""])
    def test_is_not_for_what_is_no_person(self, document: Rendition, grantee: str) -> None:
        with pytest.raises(GranteeNotAllowed):
            document_access.grant_document_access(
                document_id=document.pk, grantee=grantee, purpose="x"
            )

    @pytest.mark.parametrize("grantee", ["user:999999", "user:x", "api_key:000000000000"])
    def test_is_not_for_who_is_not_there(self, document: Rendition, grantee: str) -> None:
        with pytest.raises(GranteeUnknown):
            document_access.grant_document_access(
                document_id=document.pk, grantee=grantee, purpose="x"
            )
        assert not DocumentAccess.objects.exists()

    def test_is_not_for_a_user_by_another_spelling_of_their_id(
        self, document: Rendition, auditor: User
    ) -> None:
        with pytest.raises(GranteeUnknown):
            document_access.grant_document_access(
                document_id=document.pk, grantee=f"user:0{auditor.pk}", purpose="x"
            )

    def test_is_not_for_who_may_not_log_in(self, document: Rendition, auditor: User) -> None:
        User.objects.update(is_active=False)

        with pytest.raises(GranteeUnknown):
            grant(document, auditor)

    def test_needs_a_document_and_a_future(self, document: Rendition, auditor: User) -> None:
        with pytest.raises(AccessEndsInThePast):
            grant(document, auditor, expires_at=timezone.now())
        with pytest.raises(DocumentNotFound):
            document_access.grant_document_access(
                document_id=new_id(), grantee=f"user:{auditor.pk}", purpose="x"
            )

        assert not Entry.objects.filter(action_name="document_access.grant").exists()

    def test_is_one_per_document_and_person(self, document: Rendition, auditor: User) -> None:
        first = grant(document, auditor)

        with pytest.raises(AccessGrantedAlready) as refusal:
            grant(document, auditor)
        assert refusal.value.facts["access_id"] == str(first.pk)
        with pytest.raises(IntegrityError, match="one_live_access_per_grantee"):
            DocumentAccess.objects.create(
                document=document,
                grantee=first.grantee,
                purpose="x",
                granted_by="user:7",
                expires_at=first.expires_at,
            )

    def test_is_one_however_many_grant_it_at_once(self, document: Rendition, auditor: User) -> None:
        ends = race(*[lambda: grant(document, auditor)] * 4)

        assert sorted(ends) == [AccessGrantedAlready.code] * 3 + [DONE]
        assert DocumentAccess.objects.count() == 1

    def test_takes_the_place_of_one_that_is_over(self, document: Rendition, auditor: User) -> None:
        old = grant(document, auditor)
        let_expire(old)

        new = grant(document, auditor)

        old.refresh_from_db()
        assert old.lapsed_at is not None
        assert old.lapsed_at == new.granted_at
        assert [each.check.name for each in drift.find_drift() if not each.is_none] == []

    def test_is_never_an_agents(self, document: Rendition, auditor: User) -> None:
        delegation = delegated(an_agent(User.objects.create_superuser("chief")), "*")

        with acting(delegation), pytest.raises(PrincipalNotAllowed):
            grant(document, auditor)

        assert not DocumentAccess.objects.exists()
        assert Entry.objects.get(status="denied").principal_type == "agent"
        assert "workflow" not in get("document_access.manage").principals


class TestRevocation:
    def test_is_the_undoing_of_the_grant(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)
        granted = entry_of("document_access.grant", access.pk)

        revoked = document_access.revoke_document_access(access_id=access.pk, reason="Done")

        entry = entry_of("document_access.revoke", access.pk)
        assert (entry.action_kind, entry.status) == ("reverse", "reversed")
        assert entry.mutation.reverses_id == granted.pk
        assert (standing_of(granted).state, standing_of(granted).outcome) == ("completed", "full")
        assert (revoked.revoked_by, revoked.revoke_reason) == ("user:7", "Done")
        assert names_in("document_access", access.pk)[-1] == "document.access.revoked"

    def test_happens_once(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)

        def revoke() -> None:
            document_access.revoke_document_access(access_id=access.pk, reason="Done")

        ends = race(revoke, revoke, revoke)

        assert sorted(ends) == [AccessEndedAlready.code] * 2 + [DONE]

    def test_of_what_is_over_is_refused(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)
        let_expire(access)

        with pytest.raises(AccessEndedAlready) as refusal:
            document_access.revoke_document_access(access_id=access.pk, reason="Done")
        assert refusal.value.facts["status"] == "expired"


class TestUndoing:
    def test_a_grant_revokes_it_and_not_twice(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)
        granted = entry_of("document_access.grant", access.pk)
        assert kinds_of(look(granted)) == ["reverted"]

        done = undo(granted)

        access.refresh_from_db()
        assert access.revoke_reason == "Asked for by the customer"
        assert (done.state, done.outcome) == ("completed", "full")
        with pytest.raises(ReversalAlreadyReversed):
            undo(granted)
        assert reversals_are_sound() == []
        assert standings_follow_from_entries() == []

    def test_what_was_revoked_by_hand_is_undone_already(
        self, document: Rendition, auditor: User
    ) -> None:
        access = grant(document, auditor)
        document_access.revoke_document_access(access_id=access.pk, reason="Done")

        preview = look(entry_of("document_access.grant", access.pk))

        assert refusal_of(preview) == "reversal_already_reversed"

    def test_what_is_over_says_so(self, document: Rendition, auditor: User) -> None:
        access = grant(document, auditor)
        let_expire(access)
        granted = entry_of("document_access.grant", access.pk)

        preview = look(granted)

        assert refusal_of(preview) == "reversal_expired"
        assert [each.name for each in preview.follow_ups] == ["document_access.grant"]
        with pytest.raises(ReversalExpired):
            undo(granted)
        assert reversals.expire_reversals() == 1

    def test_a_revocation_lets_in_again_for_the_rest_of_the_time(
        self, document: Rendition, auditor: User
    ) -> None:
        access = grant(document, auditor)
        revoked = undo(entry_of("document_access.grant", access.pk))
        entry = Entry.objects.get(pk=revoked.reversal_id)

        undo(entry)

        again = DocumentAccess.objects.exclude(pk=access.pk).get()
        assert (again.grantee, again.expires_at) == (access.grantee, access.expires_at)
        assert standing_of(entry).outcome == "full"
        assert standings_follow_from_entries() == []

    def test_a_revocation_is_not_undone_beside_a_new_grant(
        self, document: Rendition, auditor: User
    ) -> None:
        access = grant(document, auditor)
        revoked = undo(entry_of("document_access.grant", access.pk))
        grant(document, auditor)

        preview = look(Entry.objects.get(pk=revoked.reversal_id))

        assert refusal_of(preview) == "reversal_blocked"

    def test_a_look_after_the_preview_makes_it_stale(
        self, document: Rendition, auditor: User
    ) -> None:
        access = grant(document, auditor)
        granted = entry_of("document_access.grant", access.pk)
        token = look(granted).token
        opened_under(access)

        with pytest.raises(ReversalPreviewStale):
            reversals.execute_reversal(
                entry_id=granted.pk, token=token, reason="Done", caller=caller_with_everything()
            )
        assert kinds_of(look(granted)) == ["reverted", "irreversible", "irreversible"]


def timeline_of_booking(document: Rendition) -> list[tuple[str, str]]:
    booking = Target(type="booking", id=str(document.invoice.booking_id))
    rows = timelines.timeline_of([booking])
    return [(row.action_name, row.target_id) for row in rows]


def opened_under(access: DocumentAccess) -> None:
    read = Read(
        name="invoice.read_document",
        target=selectors.disclosed_target(access.document),
        capability="invoice.read_document",
        fields=("content",),
        source="grant",
        policy=selectors.policy_of(access),
    )
    disclosing.disclosed(read, lambda: None)


def caller_with_everything() -> Caller:
    return Caller(chief())
