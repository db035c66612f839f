"""What people wrote about somebody who is forgotten goes, and what was recorded stays."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import Error, connection
from django.utils import timezone
from rest_framework.test import APIClient

from commerce.models import Slot
from commerce.services.name_screening import PersonNamed
from events import context, doctor
from events.models import StoredEvent
from events.sequencer import sequence_once
from ledger import recording, verifier
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Read, Target
from ledger.domain.payload import commitment
from ledger.models import Approval, Entry, Remark
from ledger.sealing import exporting
from ledger.services import approvals, seals
from tests import worklab  # noqa: F401 - importing registers its kinds of jobs.
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.forgetting.story import API, Marked, post
from tests.integration.ledger.approvals import acting, asked, put_into_force, say
from tests.integration.ledger.conftest import grant
from tests.support.checkup import violations
from tests.support.everywhere import found_in_database
from workflows.flows import services as flows
from workflows.flows.domain.step_json import step_from_json
from workflows.work import services as work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def person() -> Marked:
    return Marked()


@pytest.fixture
def booking(admin: APIClient, slot: Slot, person: Marked) -> str:
    items = [{"slot_id": str(slot.pk), "quantity": 1}]
    body = {"items": items, "pax": 1, "contact": person.contact()}
    return str(post(admin, "/bookings", body)["id"])


@pytest.fixture
def clerk(transactional_db: None) -> Iterator[None]:
    with context.acting(CLERK):
        yield


def acted(reason: str) -> Entry:
    """Do something to a thing, for this reason."""
    target = Target(type="thing", id="t1")
    action = Action(
        name="thing.do", kind=Kind.EXECUTE, target=target, capability="api_key.read", reason=reason
    )
    with recording.recorded(action) as proof:
        pass
    return Entry.objects.get(pk=proof.entry_id)


def looked(reason: str) -> Entry:
    """Look into something, for this reason."""
    target = Target(type="thing", id=str(uuid4()))
    read = Read(
        name="thing.read", target=target, capability="api_key.read", fields=("a",), reason=reason
    )
    disclosing.disclosed(read, lambda: None)
    return Entry.objects.get(target_id=target.id)


def decided(reason: str, comment: str) -> Approval:
    """Ask for approval for this reason, and be given it with this comment."""
    put_into_force()
    approval = asked()
    manager = grant(User.objects.create_user("manager"), "approval.decide")
    return say(approval, manager, comment=comment)


def forget(client: APIClient, booking: str) -> dict[str, Any]:
    body = {"subject": f"contact/{booking}", "reason": "Request 12"}
    return dict(post(client, "/ledger/erasures", body))


def line_of(certificate: dict[str, Any], place: str) -> dict[str, Any]:
    [line] = [each for each in certificate["places"] if each["place"] == place]
    return dict(line)


def test_the_words_go_whole_and_the_certificate_names_each(
    clerk: None, admin: APIClient, booking: str, person: Marked, tmp_path: Path
) -> None:
    manager_said = f"Spoke to {person.email}"
    naming = [acted(f"For {person.name.upper()}, who is ill"), looked(f"{person.phone} called")]
    other = acted("Somebody else asked")
    approval = decided("", manager_said)
    bodies = dict(Entry.objects.values_list("pk", "digest"))

    certificate = forget(admin, booking)

    line = line_of(certificate, "ledger.remarks")
    vote = approval.votes.get()
    gone = {str(each.pk) for each in naming} | {str(vote.entry_id)}
    assert (line["means"], line["rows"], set(line["ids"])) == ("emptied", 3, gone)
    assert found_in_database(person.texts) == set()
    assert {Entry.objects.get(pk=each).reason for each in gone} == {"[erased]"}
    assert Entry.objects.get(pk=naming[1].pk).disclosure.reason_code == "[erased]"
    assert vote.comment == "[erased]"
    assert Entry.objects.get(pk=other.pk).reason == "Somebody else asked"
    assert bodies.items() <= dict(Entry.objects.values_list("pk", "digest")).items()
    for remark in Remark.objects.filter(text=None):
        assert remark.erased_by is not None
        assert remark.erased_by.action_name == "subject.erase"
    _is_sound(tmp_path)


def _is_sound(tmp_path: Path) -> None:
    out = tmp_path / "export.jsonl"
    seals.seal_entries()
    sequence_once()
    out.write_bytes(b"".join(exporting.export_run()))
    assert verifier.verify(str(out)).entries == Entry.objects.count()
    assert violations() == {}


def test_the_title_of_a_request_goes_whole_and_the_log_never_had_it(
    clerk: None, admin: APIClient, booking: str, person: Marked, tmp_path: Path
) -> None:
    put_into_force(name="subject-approval", capabilities=("approval.request",))
    plan = {"subject_type": "plan", "subject_id": "p1", "title": f"Call {person.name}"}
    made = post(admin, "/ledger/approvals", plan)
    other = post(admin, "/ledger/approvals", {**plan, "subject_id": "p2", "title": "Sail"})

    line = line_of(forget(admin, booking), "ledger.approvals")

    assert (line["means"], line["rows"]) == ("masked", 1)
    titles = dict(Approval.objects.values_list("pk", "title"))
    assert (titles[UUID(made["id"])], titles[UUID(other["id"])]) == ("[erased]", "Sail")
    assert Approval.objects.get(pk=made["id"]).status == "pending"
    assert found_in_database(person.texts) == set()
    _is_sound(tmp_path)


def test_a_title_changes_in_no_other_way(clerk: None, admin: APIClient) -> None:
    put_into_force(name="subject-approval", capabilities=("approval.request",))
    plan = {"subject_type": "plan", "subject_id": "p1", "title": "Sail"}
    post(admin, "/ledger/approvals", plan)

    for change in ("title = 'Row'", "title = '[erased]'", "title = '[erased]', risk = 'low'"):
        with pytest.raises(Error), connection.cursor() as cursor:
            cursor.execute(f"UPDATE ledger_approval SET {change}")

    assert Approval.objects.get().title == "Sail"


def test_why_an_agent_or_a_job_was_stopped_is_in_no_event(
    clerk: None, admin: APIClient, booking: str, person: Marked
) -> None:
    with context.acting(CLERK):
        job = work.enqueue("lab.light", {"n": 1})
    why = {"reason": f"{person.name} complained"}
    post(admin, "/ledger/agents/switch/stop", why)
    post(admin, "/ledger/agents/switch/resume", why)
    post(admin, f"/jobs/{job.id}/cancel", why)

    forget(admin, booking)

    assert found_in_database(person.texts) == set()
    event = StoredEvent.objects.filter(name="agent.all_stopped").get()
    stopped = Entry.objects.get(action_name="agent.stop_all")
    assert json.loads(str(event.data)) == {"entryId": str(stopped.pk)}
    assert stopped.reason == "[erased]"


def test_why_somebody_intervened_in_a_flow_is_in_no_event_and_no_state(
    clerk: None, admin: APIClient, booking: str, person: Marked
) -> None:
    why = f"{person.name} rang, {person.phone}"
    step = {"id": "wait", "name": "wait", "type": "wait", "wait": {"event": "booking.completed"}}
    flows.register_step(step=step_from_json(step))
    for flow_id in ("paused", "cancelled", "skipped", "forced"):
        flows.start_flow(flow_id=flow_id, goals=["wait"], init={})

    with context.acting(CLERK):
        flows.pause_flow(flow_id="paused", reason=why)
        flows.cancel_flow(flow_id="cancelled", reason=why, compensates=False)
        flows.skip_step(flow_id="skipped", step_id="wait", reason=why)
        flows.force_step(flow_id="forced", step_id="wait", outputs={}, reason=why)
    line = line_of(forget(admin, booking), "ledger.remarks")

    acts = Entry.objects.filter(action_name__startswith="flow.").exclude(action_name="flow.start")
    assert {each.reason for each in acts} == {"[erased]"}
    assert set(line["ids"]) == {str(each.pk) for each in acts}
    assert found_in_database(person.texts) == set()


def test_an_entry_commits_to_its_reason_and_does_not_contain_it(clerk: None) -> None:
    entry = acted("Because of the rain")

    body = json.loads(bytes(entry.body))
    remark = Remark.objects.get(pk=entry.pk)
    assert b"rain" not in bytes(entry.body)
    assert remark.salt is not None
    assert body["reason_digest"] == commitment(bytes(remark.salt), b"Because of the rain")
    assert "reason_digest" not in json.loads(bytes(acted("").body))


def test_a_reason_is_kept_whole_however_much_a_peer_said(clerk: None) -> None:
    reason = "The bank said no. " * 100

    entry = acted(reason)

    assert entry.reason == reason
    assert violations() == {}


def test_the_doctor_finds_a_reason_that_was_replaced(clerk: None) -> None:
    entry = acted("Because of the rain")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_remark DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_remark SET text = 'Because I say so'")
        cursor.execute("ALTER TABLE ledger_remark ENABLE TRIGGER USER")

    [found] = [each for each in doctor.run() if each.id == "I12-remarks"]

    assert found.violations == (f"the reason of entry {entry.pk} is not what its entry says",)


UNRECORDED = "text = NULL, salt = NULL, erased_at = now(), erased_by_id = entry_id"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger_remark SET text = 'another'",
        f"UPDATE ledger_remark SET {UNRECORDED}",
        "DELETE FROM ledger_remark",
    ],
    ids=["other words", "gone without record", "deleted"],
)
def test_the_database_lets_no_hand_at_the_words(clerk: None, change: str) -> None:
    acted("Because of the rain")

    with pytest.raises(Error), connection.cursor() as cursor:
        cursor.execute(change)

    assert Remark.objects.get().text == "Because of the rain"


def test_reasons_from_before_are_read_as_ever_and_counted(
    clerk: None, admin: APIClient, booking: str, person: Marked
) -> None:
    body = json.dumps({"format": "daybook.entry/1", "reason": person.email}).encode()
    old = Entry.objects.create(
        occurred_at=timezone.now(),
        action_name="a.b",
        action_kind="execute",
        status="succeeded",
        evaluated_risk="low",
        principal_type="user",
        principal_id="7",
        correlation_id="c",
        target_type="t",
        target_id="1",
        capability_id="a.b",
        capability_version=1,
        authorization_source="permission",
        old_reason=person.email,
        body=body,
        digest=hashlib.sha256(body).hexdigest(),
    )

    line = line_of(forget(admin, booking), "ledger.entries")

    assert Entry.objects.get(pk=old.pk).reason == person.email
    assert (line["means"], line["rows"]) == ("kept", 1)
    assert line["because"].startswith("Written before")


class TestNaming:
    def test_a_comment_on_a_request_may_not_name_whom_it_is_about(
        self, clerk: None, admin: APIClient, booking: str, person: Marked
    ) -> None:
        put_into_force(capabilities=("booking.cancel",), condition="target_type == 'booking'")
        url, key = f"{API}/bookings/{booking}/cancel", {"Idempotency-Key": str(uuid4())}
        request = admin.post(url, {"reason": "Fell ill"}, format="json", headers=key).json()
        manager = grant(User.objects.create_user("manager"), "approval.decide")

        with acting(manager) as caller, pytest.raises(PersonNamed):
            approvals.decide_approval(
                approval_id=request["approval"]["id"],
                decision="approve",
                decider=caller,
                comment=f"I know {person.name}",
                is_fresh=True,
            )

        approval = Approval.objects.get(pk=request["approval"]["id"])
        assert (approval.status, approval.reason) == ("pending", "Fell ill")

    def test_addresses_are_shown_to_who_may_open_payloads_only(
        self, clerk: None, keyed: Any
    ) -> None:
        entry = acted("As ada@example.com asked")
        url = f"{API}/ledger/entries/{entry.pk}"

        reader = keyed("ledger.read", name="reader")
        opener = keyed("ledger.read", "ledger.read_payload", name="opener")

        assert reader.get(url).json()["reason"] == "As [redacted] asked"
        assert opener.get(url).json()["reason"] == "As ada@example.com asked"
