import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from events import context
from events.domain.principal import Principal, PrincipalKind
from events.ids import new_id
from ledger import tasks, verifier
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.payload import CONTENT_BYTES_MAX, MASK, PayloadKind, Redaction
from ledger.invariants import private_data
from ledger.invariants.private_data import _drawn_place, payloads_are_as_committed
from ledger.models import Entry, Payload, SubjectKey
from ledger.privacy import payloads, vault
from ledger.privacy.payloads import PayloadGone, PayloadTooLarge
from ledger.recording import recorded
from ledger.sealing import exporting
from ledger.services import erasures, seals
from ledger.services import payloads as services

pytestmark = pytest.mark.django_db(transaction=True)

CLERK = Principal(kind=PrincipalKind.USER, id="7")
LONG_AGO = timezone.now() - timedelta(days=4_000)
CONTENT = {"name": "Ada Lovelace", "seat": 3}


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(CLERK):
        yield


def do(**kept: Any) -> Proof:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
    )
    kept = {"kind": PayloadKind.BEFORE, "schema_tag": "thing/1", "retention": "ops-400d", **kept}
    with recorded(action) as proof:
        proof.keeps(kept.pop("kind"), kept.pop("content", CONTENT), **kept)
    return proof


def do_to_a_person(subject: str = "traveller/1", **kept: Any) -> Payload:
    proof = do(subject=subject, **{"retention": "pii-90d", **kept})
    return Payload.objects.select_related("key").get(entry=proof.entry_id)


class TestKeeps:
    def test_stores_the_content_and_names_only_its_digest_in_the_entry(self) -> None:
        proof = do()

        entry, payload = Entry.objects.get(pk=proof.entry_id), Payload.objects.get()
        assert payloads.kept_by(entry.pk, PayloadKind.BEFORE) == CONTENT
        body = json.loads(bytes(entry.body))
        assert body["payloads"] == [
            {"kind": "before", "schema_tag": "thing/1", "digest": payload.digest}
        ]
        assert b"Ada" not in entry.body

    def test_commits_to_what_it_stores(self) -> None:
        do()

        assert payloads.fault_of(Payload.objects.get()) is None

    def test_commits_differently_to_the_same_content_each_time(self) -> None:
        do()
        do()

        one, other = Payload.objects.all()
        assert one.digest != other.digest

    def test_says_where_the_arguments_of_the_reversal_are(self) -> None:
        proof = do(kind=PayloadKind.REVERSAL_ARGS)

        mutation = Entry.objects.get(pk=proof.entry_id).mutation
        assert mutation.reversal_args_ref == Payload.objects.get().ref

    def test_expires_when_its_retention_class_says(self) -> None:
        do()

        left = Payload.objects.get().expires_at - timezone.now()
        assert timedelta(days=399) < left <= timedelta(days=400)

    def test_leaves_nothing_when_the_change_fails(self) -> None:
        with pytest.raises(PayloadTooLarge):
            do(content="x" * CONTENT_BYTES_MAX)

        assert not Payload.objects.exists()
        assert not Entry.objects.exists()


class TestContentAboutAPerson:
    def test_is_unreadable_without_the_key_of_that_person(self) -> None:
        payload = do_to_a_person()

        assert payload.content is not None
        assert b"Ada" not in bytes(payload.content)
        assert payloads.content_of(payload) == CONTENT

    def test_of_one_person_is_sealed_with_one_key(self) -> None:
        one, other = do_to_a_person(), do_to_a_person()
        stranger = do_to_a_person("traveller/2")

        assert one.key == other.key != stranger.key

    def test_does_not_open_under_another_master_key(self) -> None:
        with override_settings(SECRET_KEY="another"):
            payload = do_to_a_person()

        with pytest.raises(vault.SealBroken):
            payloads.content_of(payload)


def payload_of(proof: Proof) -> Payload:
    return Payload.objects.select_related("key").get(entry=proof.entry_id)


class TestRedactPayload:
    def test_masks_what_the_schema_calls_personal_and_is_itself_on_record(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(payloads, "_PERSONAL", {})
        payloads.declare_personal("thing/1", "/name")
        payload = payload_of(do())

        services.redact_payload(
            payload_id=payload.pk, mode=Redaction.REDACTED, reason="asked by the person"
        )

        after = Payload.objects.select_related("redacted_by").get()
        assert payloads.content_of(after) == {"name": MASK, "seat": 3}
        assert after.digest == payload.digest
        assert after.redacted_by is not None
        assert after.redacted_by.action_name == "ledger.redact_payload"
        assert after.redacted_by.reason == "asked by the person"

    def test_masks_everything_of_a_schema_that_says_nothing(self) -> None:
        payload = do_to_a_person()

        services.redact_payload(payload_id=payload.pk, mode=Redaction.REDACTED, reason="")

        after = Payload.objects.select_related("key").get()
        assert payloads.content_of(after) == {"name": MASK, "seat": MASK}
        assert payloads.fault_of(after) is None

    def test_removes_the_content_and_leaves_entry_and_seal(self, tmp_path: Path) -> None:
        proof = do()
        services.redact_payload(
            payload_id=payload_of(proof).pk, mode=Redaction.TOMBSTONED, reason=""
        )

        with pytest.raises(PayloadGone):
            payloads.kept_by(proof.entry_id, PayloadKind.BEFORE)
        assert seals_hold(tmp_path)

    def test_refuses_what_cannot_be_done(self) -> None:
        payload = payload_of(do())
        with pytest.raises(services.RedactionNotPossible):
            services.redact_payload(
                payload_id=payload.pk, mode=Redaction.CRYPTO_SHREDDED, reason=""
            )
        with pytest.raises(services.PayloadUnknown):
            services.redact_payload(payload_id=uuid4(), mode=Redaction.REDACTED, reason="")
        assert Entry.objects.filter(action_name="ledger.redact_payload").count() == 0

        services.redact_payload(payload_id=payload.pk, mode=Redaction.TOMBSTONED, reason="")
        with pytest.raises(services.PayloadAlreadyGone):
            services.redact_payload(payload_id=payload.pk, mode=Redaction.TOMBSTONED, reason="")


def seals_hold(tmp_path: Path) -> bool:
    out = tmp_path / "export.jsonl"
    seals.seal_entries()
    out.write_bytes(b"".join(exporting.export_run()))
    return verifier.verify(str(out)).entries == Entry.objects.count()


class TestExpiry:
    @pytest.mark.parametrize(
        ("retention", "redaction"),
        [
            ("ops-400d", "tombstoned"),
            ("finance-10y", "tombstoned"),
            ("approval-snapshot-2y", "redacted"),
        ],
    )
    def test_goes_as_the_retention_class_says(self, retention: str, redaction: str) -> None:
        with patch("ledger.recording.timezone.now", return_value=LONG_AGO):
            do(retention=retention)
        do(retention=retention)

        assert services.expire_payloads() == 1
        assert services.expire_payloads() == 0

        assert sorted(Payload.objects.values_list("redaction", flat=True)) == sorted(
            ["none", redaction]
        )
        assert Entry.objects.filter(action_name="ledger.expire_payload").count() == 1

    def test_leaves_what_is_not_due_and_what_is_gone_already(self) -> None:
        fresh = payload_of(do())
        with patch("ledger.recording.timezone.now", return_value=LONG_AGO):
            gone = payload_of(do())
        assert services.expire_payload(payload_id=gone.pk)

        assert not services.expire_payload(payload_id=fresh.pk)
        assert not services.expire_payload(payload_id=gone.pk)

        assert Entry.objects.filter(action_name="ledger.expire_payload").count() == 1

    def test_comes_when_the_last_hold_is_lifted(self) -> None:
        with patch("ledger.recording.timezone.now", return_value=LONG_AGO):
            do_to_a_person()
        hold = erasures.place_hold(subject="traveller/1", reason="Case 4711")
        assert services.expire_payloads() == 0

        erasures.lift_hold(hold_id=hold.pk, reason="It is over")

        assert services.expire_payloads() == 1

    def test_destroys_the_key_of_a_person_whatever_there_is_of_others(self) -> None:
        with patch("ledger.recording.timezone.now", return_value=LONG_AGO):
            do_to_a_person()
        do_to_a_person("traveller/2")

        assert services.expire_payloads() == 1

        assert SubjectKey.objects.get(subject="traveller/1").wrapped is None
        assert SubjectKey.objects.get(subject="traveller/2").wrapped is not None

    def test_of_the_last_content_about_a_person_destroys_their_key(self) -> None:
        with patch("ledger.recording.timezone.now", return_value=LONG_AGO):
            do_to_a_person()
            do_to_a_person()

        tasks.expire_payloads()

        assert SubjectKey.objects.get().wrapped is None
        assert set(Payload.objects.values_list("redaction", flat=True)) == {
            "tombstoned",
            "crypto_shredded",
        }


def tamper(**changes: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        Payload.objects.update(**changes)


class TestTheDoctor:
    def test_finds_content_that_was_changed(self) -> None:
        payload = payload_of(do())
        assert payload.content is not None
        tamper(content=bytes(payload.content).replace(b"Ada", b"Eve"))

        assert payloads_are_as_committed() == [f"payload {payload.pk} is not what its digest says"]

    def test_finds_sealed_content_that_does_not_open(self) -> None:
        payload = do_to_a_person()
        tamper(content=bytes(64))

        assert payloads_are_as_committed() == [f"payload {payload.pk} does not open"]

    def test_finds_a_mask_that_left_the_salt_by_which_the_masked_could_be_guessed(self) -> None:
        payload = payload_of(do())
        whole = bytes(payload.content or b"")
        services.redact_payload(payload_id=payload.pk, mode=Redaction.REDACTED, reason="asked")
        assert payloads_are_as_committed() == []

        tamper(content=whole)

        assert payloads_are_as_committed() == [
            f"payload {payload.pk} was masked, and kept its salt"
        ]

    def test_finds_content_whose_key_is_destroyed_without_a_word_of_it(self) -> None:
        payload = do_to_a_person()
        entry = Entry.objects.get()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            SubjectKey.objects.update(wrapped=None, destroyed_at=timezone.now(), destroyed_by=entry)

        assert payloads_are_as_committed() == [
            f"payload {payload.pk} is sealed with a key that was destroyed, and not marked so"
        ]

    def test_has_nothing_to_say_of_what_was_taken_away(self) -> None:
        do()
        do_to_a_person()
        for payload in Payload.objects.all():
            services.redact_payload(payload_id=payload.pk, mode=Redaction.TOMBSTONED, reason="")

        assert payloads_are_as_committed() == []

    def test_looks_at_the_newest_and_from_a_drawn_place_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(private_data, "PAYLOADS_REREAD", 1)
        made = [payload_of(do()) for _ in range(4)]
        tamper(digest="0" * 64)
        monkeypatch.setattr(private_data, "_drawn_place", lambda _rows: made[1].pk)

        found = payloads_are_as_committed()

        assert found == [f"payload {made[n].pk} is not what its digest says" for n in (1, 3)]

    def test_may_draw_any_place_between_the_first_and_the_last(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = [payload_of(do()) for _ in range(3)]
        monkeypatch.setattr(private_data, "PAYLOADS_REREAD", 0)

        for drawn, place in ((lambda _n: 0, made[0]), (lambda n: n - 1, made[2])):
            monkeypatch.setattr("secrets.randbelow", drawn)
            assert _drawn_place(Payload.objects.all()) == place.pk


class TestTheDatabase:
    @pytest.mark.parametrize(
        ("rule", "changes"),
        [
            ("ledger_payload_kind_is_known", {"kind": "hearsay"}),
            ("ledger_payload_redaction_is_known", {"redaction": "lost"}),
            ("ledger_payload_retention_is_known", {"retention": "for-ever"}),
            ("ledger_payload_is_digested", {"digest": "A" * 64}),
            ("ledger_personal_payload_has_a_subject", {"retention": "pii-90d"}),
            ("ledger_payload_redaction_is_on_record", {"redacted_at": timezone.now()}),
            ("ledger_payload_redaction_is_on_record", {"redaction": "redacted"}),
            ("ledger_payload_that_is_gone_is_empty", {"content": None}),
            ("ledger_payload_is_of_an_entry", {"entry_id": UUID(int=5)}),
        ],
    )
    def test_lets_in_no_payload_that_breaks_a_rule(
        self, rule: str, changes: dict[str, Any]
    ) -> None:
        payload = payload_of(do())
        payload.pk, payload.schema_tag = new_id(), "another/1"
        for name, value in changes.items():
            setattr(payload, name, value)

        with pytest.raises(IntegrityError) as refused:
            payload.save(force_insert=True)

        assert isinstance(refused.value.__cause__, psycopg.Error)
        assert refused.value.__cause__.diag.constraint_name == rule

    def test_lets_no_payload_change_or_go(self) -> None:
        do()
        payload = Payload.objects.get()

        with pytest.raises(DatabaseError, match="only lose its content"):
            Payload.objects.update(content=b"something else")
        with pytest.raises(DatabaseError, match="only lose its content"):
            payload.delete()

        assert payloads.fault_of(Payload.objects.get()) is None

    def test_lets_no_content_be_taken_away_off_the_record(self) -> None:
        entry = Entry.objects.get(pk=do().entry_id)

        with pytest.raises(IntegrityError, match="not on record"), transaction.atomic():
            Payload.objects.update(
                content=None,
                redaction="tombstoned",
                redacted_at=timezone.now(),
                redacted_by=entry,
            )

        assert payloads.fault_of(Payload.objects.get()) is None

    def test_takes_no_personal_content_without_a_key(self) -> None:
        do()

        with pytest.raises(IntegrityError, match="has_a_subject"), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO ledger_payload (id, entry_id, kind, schema_tag, retention, digest, "
                "content, expires_at) SELECT gen_random_uuid(), entry_id, kind, 'other', "
                "'pii-90d', digest, content, expires_at FROM ledger_payload"
            )

    def test_lets_no_key_be_deleted(self) -> None:
        do_to_a_person()

        with pytest.raises(DatabaseError, match="can only be destroyed"):
            SubjectKey.objects.all()._raw_delete("default")
