"""By which command an entry is undone, and what is said where there is none."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import SYSTEM
from ledger import recording
from ledger.domain.payload import Redaction
from ledger.models import Payload
from ledger.reversing import previews
from ledger.services import payloads
from tests.integration.ledger.lamp import lamp_of, switch_off, switching
from tests.integration.ledger.reversing.test_standings import CLERK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _a_new_lamp(alice: User) -> Iterator[None]:
    with lamp_of(CLERK):
        yield


def refused(entry_id: UUID, command: str = "") -> tuple[str, str]:
    shown = previews.preview(entry_id, command=command)
    assert shown.refusal is not None
    assert not shown.token
    return shown.refusal.code, str(shown.refusal)


def test_by_its_own_also_where_that_is_named() -> None:
    entry_id = switch_off()

    shown, named = (previews.preview(entry_id, command=name) for name in ("", "lamp.on"))

    assert shown.token
    assert (shown.token, shown.command) == (named.token, named.command)


@pytest.mark.parametrize("named", ["", "lamp.on"])
def test_by_its_own_of_no_other_version(named: str) -> None:
    code, says = refused(switch_off(version=7), named)

    assert code == "reversal_command_unavailable"
    assert says == "No handler for lamp.on version 7 is registered any more."


@pytest.mark.parametrize("named", ["lamp.candle", "lamp.paint"])
def test_by_none_that_it_did_not_declare_or_that_does_nothing(named: str) -> None:
    entry_id = switch_off(follow_ups=("lamp.candle",))

    assert refused(entry_id, named) == (
        "reversal_command_unavailable",
        f"No command {named} undoes this.",
    )


def test_by_none_once_what_it_has_to_know_is_gone() -> None:
    entry_id = switch_off()
    kept = Payload.objects.get(entry=entry_id, kind="reversal_args")
    with context.acting(SYSTEM):
        payloads.redact_payload(payload_id=kept.pk, mode=Redaction.TOMBSTONED, reason="wrong")

    assert refused(entry_id)[0] == "reversal_command_unavailable"


@pytest.mark.parametrize("named", ["", "lamp.on"])
def test_by_none_where_it_says_that_it_cannot_be_whatever_is_named(named: str) -> None:
    with recording.recorded(switching("lamp.break")) as proof:
        proof.cannot_be_undone("Glass does not mend.", follow_ups=("lamp.on",))

    assert previews.preview(proof.entry_id, command=named).command is None
    assert refused(proof.entry_id, named) == (
        "reversal_not_reversible",
        "This cannot be undone: Glass does not mend.",
    )
