"""That a chargeback is looked at again: noted once, before its end, and walking nothing back."""

from datetime import datetime

import pytest
from rest_framework.test import APIClient

from commerce.approval_policies import POLICIES
from commerce.domain.chargebacks import ChargebackResolved, ChargebackStatus
from commerce.models import Chargeback, ChargebackResolution, ChargebackReview, Invoice, Payment
from commerce.services import chargeback_resolutions, chargeback_reviews
from commerce.services.chargeback_resolutions import ReportedOutcome
from events import context
from events.domain.principal import SYSTEM, Principal
from ledger.approving.gate import ApprovalRequired
from ledger.models import Entry
from ledger.services.approval_policies import install_policies
from tests.integration.commerce.acting import (
    CLERK,
    names_in,
    race,
    status_of,
    work_off,
    work_off_all,
)
from tests.integration.commerce.api.conftest import Keyed, keyed  # noqa: F401 - a fixture.
from tests.integration.commerce.api.notifying import tell
from tests.integration.commerce.charging_back import (
    PROVIDER,
    claim_back,
    end,
    note,
    nothing_is_wrong,
)
from tests.integration.commerce.peers import Peers
from tests.integration.commerce.undoing import entry_of
from workflows.work.domain.claim import WorkRef

pytestmark = pytest.mark.django_db(transaction=True)

WORKFLOW = Principal.parse("workflow:w1")


def review(ref: str = "cb_1") -> WorkRef:
    """Let the provider tell that the bank looks at it again."""
    report = ReportedOutcome(
        provider="demo",
        provider_ref=ref,
        status=ChargebackStatus.UNDER_REVIEW,
        reason="Evidence was sent.",
        occurred_at=datetime.fromisoformat("2026-11-28T09:30:00Z"),
    )
    with context.acting(Principal.parse(PROVIDER)):
        work = chargeback_reviews.report_review(report=report)
    work_off()
    return work


def status(chargeback: Chargeback) -> str:
    return Chargeback.objects.get(pk=chargeback.pk).status


class TestUnderReview:
    def test_is_noted_on_record_and_changes_no_money(self, captured: Payment) -> None:
        chargeback = note(captured)
        before = Invoice.objects.get(pk=captured.invoice_id)

        review()

        assert status(chargeback) == "under_review"
        entry = entry_of("chargeback.review", chargeback.pk)
        assert (entry.status, entry.capability_id) == ("succeeded", "chargeback.resolve")
        assert f"{entry.principal_type}:{entry.principal_id}" == PROVIDER
        events = names_in("chargeback", chargeback.pk)
        assert events == ["chargeback.noted", "chargeback.under_review"]
        after = Invoice.objects.get(pk=captured.invoice_id)
        assert (after.status, after.paid_cents) == (before.status, before.paid_cents)
        assert nothing_is_wrong()

    def test_is_noted_once(self, captured: Payment) -> None:
        note(captured)

        race(review, review, review)
        work_off_all()

        assert ChargebackReview.objects.count() == 1
        assert Entry.objects.filter(action_name="chargeback.review").count() == 1

    def test_ends_as_any_other(self, captured: Payment) -> None:
        chargeback = note(captured)
        review()

        end("won")

        assert status(chargeback) == "won"
        assert Invoice.objects.get(pk=captured.invoice_id).status == "paid"
        assert nothing_is_wrong()

    def test_that_is_told_too_late_walks_nothing_back(self, captured: Payment) -> None:
        chargeback = note(captured)
        end("lost")

        job = review()
        work_off_all()
        with pytest.raises(ChargebackResolved):
            chargeback_reviews.review_chargeback(chargeback_id=chargeback.pk, reason="Again.")

        assert (status_of(job.id), status(chargeback)) == ("done", "lost")
        assert not ChargebackReview.objects.exists()
        assert ChargebackResolution.objects.get().status == "lost"

    def test_waits_for_a_chargeback_that_is_not_noted_yet(self, captured: Payment) -> None:
        job = review()
        assert status_of(job.id) == "retry"

        claim_back(captured)
        work_off_all()

        assert status_of(job.id) == "done"
        assert status(Chargeback.objects.get()) == "under_review"


def test_is_told_by_the_provider_and_found_over_the_api(
    captured: Payment,
    peers: Peers,
    keyed: Keyed,  # noqa: F811 - the fixture.
) -> None:
    reader: APIClient = keyed("chargeback.read")
    peers.tell(peers.payment, charge_back=captured.capture.provider_ref)
    assert tell(peers.seen(peers.payment)["told"][-1]).status_code == 202
    work_off_all()
    [known] = peers.seen(peers.payment)["payments"][0]["chargebacks"]
    peers.tell(peers.payment, review=known["id"])

    answer = tell(peers.seen(peers.payment)["told"][-1])
    work_off_all()

    assert answer.status_code == 202, answer.content
    url = "/api/v1/chargebacks"
    [found] = reader.get(url, {"status": "under_review"}).json()["results"]
    assert (found["status"], found["resolution"]) == ("under_review", None)
    assert found["review"]["reason"] == "the merchant has sent evidence"
    assert reader.get(url, {"status": "open"}).json()["results"] == []


def test_what_a_program_notes_by_itself_takes_leave_and_what_a_provider_tells_does_not(
    captured: Payment,
) -> None:
    with context.acting(SYSTEM):
        install_policies(every=POLICIES)
    chargeback = note(captured)

    with context.acting(WORKFLOW), pytest.raises(ApprovalRequired) as asked:
        chargeback_resolutions.resolve_chargeback(
            chargeback_id=chargeback.pk, status=ChargebackStatus.WON, reason="The bank wrote."
        )
    assert asked.value.approval.policy_name == "finance-chargeback-resolution-approval"
    assert status(chargeback) == "open"
    with context.acting(CLERK):
        chargeback_reviews.review_chargeback(chargeback_id=chargeback.pk, reason="Sent evidence.")
    assert status(chargeback) == "under_review"

    end("won")
    work_off_all()
    assert status(chargeback) == "won"


def test_what_names_somebody_is_left_out_of_what_only_grows(captured: Payment) -> None:
    claim_back(captured, reason="Ada Lovelace never travelled")
    work_off()

    chargeback = Chargeback.objects.get()
    assert chargeback.reason == "[names somebody]"
    # All of it stands beside the entry, where it can be taken away.
    entry = entry_of("chargeback.note", chargeback.pk)
    assert entry.reason == "Ada Lovelace never travelled"
