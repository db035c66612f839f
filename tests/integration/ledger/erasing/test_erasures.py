"""Forgetting a person: everywhere at once, on record, once; and not what a court may ask for."""

import hmac
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from events import context
from events.domain import canonical
from ledger import verifier
from ledger.domain.action import Proof
from ledger.domain.erasure import ERASED, Finding, Means, Need, Person
from ledger.domain.payload import PayloadKind, Redaction
from ledger.erasing import erasure
from ledger.erasing.erasure import Place, SubjectOnHold, SubjectStillNeeded
from ledger.models import Entry, LegalHold, Payload, SubjectKey
from ledger.privacy import payloads, subjects
from ledger.privacy.payloads import PayloadGone
from ledger.sealing import exporting
from ledger.services import erasures, seals
from ledger.services import payloads as services
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.ledger.privacy.test_payloads import (
    CLERK,
    CONTENT,
    do,
    do_to_a_person,
    payload_of,
)

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/ledger"
NOTES = erasure.places()["ledger.notes"]


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """A place that notes who was looked for in it, and whether anything was to change."""
    seen: list[tuple[str, bool]] = []

    def handle(person: Person, proof: Proof | None) -> list[Finding]:
        seen.append((person.subject, proof is not None))
        return [Finding(means=Means.EMPTIED, rows=2 if len(seen) == 1 else 0)]

    monkeypatch.setattr(erasure, "_PLACES", {})
    monkeypatch.setattr(erasure, "_SUBJECTS", {})
    erasure.declare_place(Place(name="elsewhere", holds="Notes", handle=handle))
    erasure.declare_place(
        Place(name="of others", holds="-", handle=handle, about=frozenset({"guest"}))
    )
    return seen


def known_as(*named: str, **facts: Any) -> None:
    erasure.declare_subject("known", lambda _: Person(subjects=named, **facts))


def means_by_place(certificate: dict[str, Any]) -> dict[str, tuple[str, int]]:
    return {each["place"]: (each["means"], each["rows"]) for each in certificate["places"]}


class TestEraseSubject:
    def test_makes_everything_about_a_person_unreadable_and_leaves_the_seals(
        self, tmp_path: Path
    ) -> None:
        theirs = [do_to_a_person(), do_to_a_person(schema_tag="other/1")]
        stranger = do_to_a_person("traveller/2")
        seals.seal_entries()

        issued = erasures.erase_subject(subject="traveller/1", reason="request 12")

        for each in Payload.objects.filter(pk__in=[each.pk for each in theirs]):
            assert (each.content, each.redaction) == (None, "crypto_shredded")
        for each in theirs:
            each.refresh_from_db()
            with pytest.raises(PayloadGone):
                payloads.content_of(each)
        assert payloads.content_of(stranger) == CONTENT
        assert means_by_place(issued.certificate)["ledger.payloads"] == ("crypto_shredded", 2)
        kept = payloads.kept_by(issued.entry_id, PayloadKind.COMMAND_RESULT)
        assert kept == issued.certificate
        out = tmp_path / "export.jsonl"
        seals.seal_entries()
        out.write_bytes(b"".join(exporting.export_run()))
        assert verifier.verify(str(out)).entries == Entry.objects.count()

    def test_names_every_place_of_such_subjects_also_where_nothing_was(
        self, elsewhere: list[tuple[str, bool]]
    ) -> None:
        issued = erasures.erase_subject(subject="traveller/123", reason="")

        assert means_by_place(issued.certificate) == {
            "elsewhere": ("emptied", 2),
            "ledger.payloads": ("nothing_found", 0),
        }

    def test_lets_what_comes_later_be_kept_under_a_new_key(self) -> None:
        before = do_to_a_person()
        erasures.erase_subject(subject="traveller/1", reason="")

        after = do_to_a_person()

        assert payloads.content_of(after) == CONTENT
        assert after.key != before.key

    def test_answers_with_the_first_certificate_while_nothing_is_left(self) -> None:
        do_to_a_person()
        first = erasures.erase_subject(subject="traveller/1", reason="")

        second = erasures.erase_subject(subject="traveller/1", reason="again")

        assert (second.entry_id, second.is_new) == (first.entry_id, False)
        assert second.certificate == first.certificate
        assert Entry.objects.filter(action_name="subject.erase").count() == 1
        do_to_a_person()
        assert erasures.erase_subject(subject="traveller/1", reason="").is_new

    def test_of_several_at_once_all_answer_with_one_certificate(self) -> None:
        do_to_a_person()
        start = Barrier(3)

        def forget(_: int) -> dict[str, Any]:
            start.wait()
            try:
                with context.acting(CLERK):
                    return erasures.erase_subject(subject="traveller/1", reason="").certificate
            finally:
                connection.close()

        with ThreadPoolExecutor(3) as pool:
            first, *others = pool.map(forget, range(3))

        assert others == [first, first]
        assert means_by_place(first)["ledger.payloads"] == ("crypto_shredded", 1)
        assert Entry.objects.filter(action_name="subject.erase").count() == 1

    def test_forgets_who_is_the_same_person_and_records_each(
        self, elsewhere: list[tuple[str, bool]]
    ) -> None:
        known_as("known/1", "other/2")
        payload = do_to_a_person("other/2")

        issued = erasures.erase_subject(subject="known/1", reason="both")

        payload.refresh_from_db()
        assert payload.content is None
        assert issued.certificate["subjects"] == ["known/1", "other/2"]
        entries = Entry.objects.filter(action_name="subject.erase").order_by("target_id")
        assert [(e.target_id, e.reason) for e in entries] == [
            ("known/1", "both"),
            ("other/2", "both"),
        ]
        again = erasures.erase_subject(subject="other/2", reason="")
        assert (again.is_new, again.certificate) == (False, issued.certificate)

    def test_keeps_what_is_needed_and_says_why_and_until_when(
        self, elsewhere: list[tuple[str, bool]]
    ) -> None:
        until = timezone.now() + timedelta(days=3)
        known_as("known/1", "other/2", needs={"other/2": Need(because="A law", until=until)})
        payload = do_to_a_person("other/2")

        issued = erasures.erase_subject(subject="known/1", reason="")

        payload.refresh_from_db()
        assert payloads.content_of(payload) == CONTENT
        [line] = [each for each in issued.certificate["places"] if each["means"] == "kept"]
        assert (line["because"], line["until"]) == ("A law", until.isoformat())

    def test_forgets_it_once_it_is_needed_no_more(self, elsewhere: object) -> None:
        until = timezone.now() - timedelta(seconds=1)
        known_as("known/1", needs={"known/1": Need(because="A law", until=until)})

        assert erasures.erase_subject(subject="known/1", reason="").is_new

    def test_refuses_when_all_of_it_is_needed(self, elsewhere: list[tuple[str, bool]]) -> None:
        known_as("known/1", needs={"known/1": Need(because="Invoice 7 is not settled")})

        with pytest.raises(SubjectStillNeeded, match="Invoice 7 is not settled"):
            erasures.erase_subject(subject="known/1", reason="")

        assert elsewhere == []
        assert not Entry.objects.filter(action_name="subject.erase", status="succeeded").exists()

    def test_masks_notes_that_are_sealed_with_nobodys_key(self, elsewhere: object) -> None:
        erasure.declare_place(NOTES)
        known_as("known/1", values=frozenset({"Ada Lovelace"}))
        note = payload_of(do(content={"who": "ADA LOVELACE called", "n": 1}))
        other = payload_of(do(content={"who": "Ada Byron", "n": 1}))

        erasures.erase_subject(subject="known/1", reason="")

        note.refresh_from_db()
        other.refresh_from_db()
        assert payloads.content_of(note) == {"who": f"{ERASED} called", "n": 1}
        assert note.redaction == "redacted"
        assert payloads.content_of(other)["who"] == "Ada Byron"


class TestPreview:
    def test_says_what_would_be_forgotten_and_changes_nothing(
        self, elsewhere: list[tuple[str, bool]]
    ) -> None:
        payload = do_to_a_person()
        entries = Entry.objects.count()

        certificate = erasures.preview_erasure(subject="traveller/1")

        assert means_by_place(certificate.as_json()) == {
            "elsewhere": ("emptied", 2),
            "ledger.payloads": ("crypto_shredded", 1),
        }
        assert elsewhere == [("traveller/1", False)]
        assert payloads.content_of(payload) == CONTENT
        assert Entry.objects.count() == entries


class TestAHold:
    def test_keeps_everything_until_it_is_lifted(self) -> None:
        payload = do_to_a_person()
        hold = erasures.place_hold(subject="traveller/1", reason="Case 4711")

        with pytest.raises(SubjectOnHold):
            erasures.erase_subject(subject="traveller/1", reason="")
        with pytest.raises(SubjectOnHold):
            erasures.preview_erasure(subject="traveller/1")
        with pytest.raises(SubjectOnHold):
            services.redact_payload(payload_id=payload.pk, mode=Redaction.TOMBSTONED, reason="")
        assert payloads.content_of(payload) == CONTENT
        erasures.lift_hold(hold_id=hold.pk, reason="It is over")

        assert erasures.erase_subject(subject="traveller/1", reason="").is_new

    def test_outlives_retention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        payload = do_to_a_person()
        erasures.place_hold(subject="traveller/1", reason="Case 4711")
        later = timezone.now() + timedelta(days=91)
        monkeypatch.setattr("ledger.services.payloads.timezone.now", lambda: later)

        assert services.expire_payloads() == 0

        payload.refresh_from_db()
        assert payloads.content_of(payload) == CONTENT

    def test_is_placed_once_and_lifted_once_on_record(self) -> None:
        hold = erasures.place_hold(subject="traveller/1", reason="Case 4711")
        with pytest.raises(erasures.SubjectHeldAlready):
            erasures.place_hold(subject="traveller/1", reason="Case 4712")
        lifted = erasures.lift_hold(hold_id=hold.pk, reason="It is over")
        with pytest.raises(erasures.HoldLiftedAlready):
            erasures.lift_hold(hold_id=hold.pk, reason="It is over")
        with pytest.raises(erasures.HoldUnknown):
            erasures.lift_hold(hold_id=uuid4(), reason="")

        assert lifted.lifted_by is not None
        assert (lifted.placed_by.action_name, lifted.lifted_by.action_name) == (
            "legal_hold.place",
            "legal_hold.lift",
        )


class TestOverRest:
    @pytest.fixture
    def client(self, alice: User) -> APIClient:
        grant(alice, "subject.erase", "subject.read", "subject.hold", "ledger.read")
        return client_with(issue(alice, ["*"])[0])

    def erase(self, client: APIClient, subject: str) -> Any:
        body = {"subject": subject, "reason": "request 12"}
        key = {"Idempotency-Key": str(uuid4())}
        return client.post(f"{URL}/erasures", body, headers=key)

    def test_answers_with_a_certificate_that_an_entry_carries(self, client: APIClient) -> None:
        subject = f"traveller/{uuid4()}"
        body = {"subject": subject, "reason": "request 12"}
        assert client.post(f"{URL}/erasures", body).status_code == 400

        answer = self.erase(client, subject)

        assert answer.status_code == 201
        assert means_by_place(answer.json())["ledger.payloads"] == ("nothing_found", 0)
        assert client.get(answer["Location"]).json() == answer.json()
        entry = client.get(f"{URL}/entries/{answer.json()['entry_id']}").json()
        assert (entry["action_name"], entry["evaluated_risk"]) == ("subject.erase", "critical")
        assert [each["schema_tag"] for each in entry["payloads"]] == ["erasure_certificate/3"]

    def test_answers_again_with_the_first(self, client: APIClient) -> None:
        subject = f"traveller/{uuid4()}"
        first = self.erase(client, subject)

        again = self.erase(client, subject)

        assert again.status_code == 200
        assert again.json() == first.json()
        [row] = client.get(f"{URL}/erasures", {"subject": subject}).json()["results"]
        assert (row["entry_id"], row["subject"]) == (first.json()["entry_id"], subject)
        assert client.get(f"{URL}/erasures", {"subject": "traveller/x"}).json()["results"] == []

    def test_hands_out_what_proves_a_certificate(self, client: APIClient) -> None:
        made = self.erase(client, f"traveller/{uuid4()}").json()

        answer = client.get(f"{URL}/erasures/{made['entry_id']}/download")

        assert answer["Content-Disposition"].startswith("attachment")
        told_ = answer.json()
        content = canonical.canonical(told_["certificate"])
        digest = hmac.new(bytes.fromhex(told_["salt"]), content, "sha256").hexdigest()
        assert digest == told_["digest"]
        body = json.loads(bytes(Entry.objects.get(pk=made["entry_id"]).body))
        assert told_["digest"] in [each["digest"] for each in body["payloads"]]

    def test_previews_without_changing_anything(self, client: APIClient) -> None:
        do_to_a_person()

        answer = client.post(f"{URL}/erasures/preview", {"subject": "traveller/1"})

        assert means_by_place(answer.json())["ledger.payloads"] == ("crypto_shredded", 1)
        assert SubjectKey.objects.get().wrapped is not None

    def test_refuses_who_is_on_hold(self, client: APIClient) -> None:
        body = {"subject": "traveller/1", "reason": "Case 4711"}
        made = client.post(f"{URL}/legal-holds", body)
        assert made.status_code == 201

        answer = self.erase(client, "traveller/1")

        assert (answer.status_code, answer.json()["code"]) == (409, "subject_on_hold")
        lifted = client.post(f"{made['Location']}/lift", {"reason": "It is over"})
        assert lifted.json()["lifted_at"] is not None
        assert self.erase(client, "traveller/1").status_code == 201

    def test_knows_no_certificate_of_other_entries(self, client: APIClient) -> None:
        entry_id = do().entry_id

        for path in (f"{URL}/erasures/{entry_id}", f"{URL}/erasures/{entry_id}/download"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "certificate_unknown")

    @pytest.mark.parametrize("subject", ["", "traveller", "Traveller/1", "a/b/c", "a/ b"])
    def test_refuses_what_names_nobody(self, client: APIClient, subject: str) -> None:
        assert self.erase(client, subject).status_code == 400

    def test_shows_nothing_to_who_may_not(self, bob: User) -> None:
        stranger = client_with(issue(bob, ["*"])[0])

        assert stranger.get(f"{URL}/erasures").status_code == 403
        assert self.erase(stranger, "traveller/1").status_code == 403


class TestInTheAdmin:
    def test_certificates_are_shown_and_handed_out(self, admin_client: Any) -> None:
        do_to_a_person()
        issued = erasures.erase_subject(subject="traveller/1", reason="request 12")

        assert "traveller/1" in admin_client.get("/admin/ledger/erasure/").content.decode()
        page = admin_client.get(reverse("admin:ledger_erasure_change", args=[issued.entry_id]))
        assert "<strong>crypto shredded</strong>: 1 of “" in page.content.decode()
        url = reverse("admin:ledger_erasure_certificate", args=[issued.entry_id])
        assert admin_client.get(url).json()["certificate"] == issued.certificate

    def test_holds_are_lifted(self, admin_client: Any) -> None:
        hold = erasures.place_hold(subject="traveller/1", reason="Case 4711")

        admin_client.post(
            "/admin/ledger/legalhold/", {"action": "lift", "_selected_action": [str(hold.pk)]}
        )

        assert LegalHold.objects.get().lifted_at is not None


def test_what_is_sealed_with_a_persons_key_opens_until_they_are_forgotten() -> None:
    with transaction.atomic():
        sealed = subjects.seal(b"secret", subject="traveller/1", of="row")
    assert subjects.unseal(sealed, of="row") == b"secret"

    erasures.erase_subject(subject="traveller/1", reason="")

    with pytest.raises(subjects.SubjectForgotten):
        subjects.unseal(sealed, of="row")
