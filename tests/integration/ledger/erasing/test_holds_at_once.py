"""A hold at the same moment as another, or as what it forbids: the second waits for the first."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from events import context
from ledger.domain.payload import Redaction
from ledger.models import LegalHold, Payload
from ledger.services import erasures, payloads
from ledger.services.erasures import SubjectHeldAlready
from tests.integration.ledger.at_once import DONE, one_waits_for_the_other
from tests.integration.ledger.privacy.test_payloads import CLERK, do_to_a_person

pytestmark = pytest.mark.django_db(transaction=True)

SUBJECT = "traveller/1"
TAKES_AWAY = 'UPDATE "ledger_payload"'


def hold() -> None:
    with context.acting(CLERK):
        erasures.place_hold(subject=SUBJECT, reason="a court")


def by_a_clerk(act: Callable[[], Any]) -> Callable[[], None]:
    def run() -> None:
        with context.acting(CLERK):
            act()

    return run


@pytest.fixture
def payload() -> Payload:
    with context.acting(CLERK):
        return do_to_a_person(SUBJECT)


def test_is_placed_once() -> None:
    ends = one_waits_for_the_other('INSERT INTO "ledger_legalhold"', hold, hold)

    assert ends == (DONE, SubjectHeldAlready.code)
    assert LegalHold.objects.count() == 1


def test_is_there_when_an_erasure_is_over(payload: Payload) -> None:
    erase = by_a_clerk(lambda: erasures.erase_subject(subject=SUBJECT, reason=""))

    assert one_waits_for_the_other(TAKES_AWAY, erase, hold) == (DONE, DONE)


def test_is_there_when_a_redaction_is_over(payload: Payload) -> None:
    redact = by_a_clerk(
        lambda: payloads.redact_payload(
            payload_id=payload.pk, mode=Redaction.TOMBSTONED, reason="wrong"
        )
    )

    assert one_waits_for_the_other(TAKES_AWAY, redact, hold) == (DONE, DONE)


def test_is_there_when_a_retention_has_ended(payload: Payload) -> None:
    expire = by_a_clerk(lambda: payloads.expire_payload(payload_id=payload.pk))

    with time_machine.travel(payload.expires_at, tick=False):
        assert one_waits_for_the_other(TAKES_AWAY, expire, hold) == (DONE, DONE)
    assert not Payload.objects.filter(pk=payload.pk, redaction="none").exists()
