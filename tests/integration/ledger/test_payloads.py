import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import payloads
from ledger.domain.action import Action, Kind, Proof, Target
from ledger.domain.payload import CONTENT_BYTES_MAX, PayloadKind
from ledger.models import Entry, Payload, SubjectKey
from ledger.payloads import PayloadTooLarge
from ledger.recording import recorded
from ledger.vault import SealBroken

pytestmark = pytest.mark.django_db(transaction=True)

CONTENT = {"name": "Ada Lovelace", "seat": 3}


@pytest.fixture(autouse=True)
def _a_clerk_acts() -> Iterator[None]:
    with context.acting(Principal(kind=PrincipalKind.USER, id="7")):
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
        said = json.loads(bytes(entry.body))
        assert said["payloads"] == [
            {"kind": "before", "schema_tag": "thing/1", "digest": payload.digest}
        ]
        assert b"Ada" not in entry.body

    def test_commits_to_what_it_stores(self) -> None:
        do()

        assert payloads.is_as_committed(Payload.objects.get())

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

        with pytest.raises(SealBroken):
            payloads.content_of(payload)


class TestTheDatabase:
    def test_lets_no_payload_change_or_go(self) -> None:
        do()
        payload = Payload.objects.get()

        with pytest.raises(DatabaseError, match="only lose its content"):
            Payload.objects.update(content=b"something else")
        with pytest.raises(DatabaseError, match="only lose its content"):
            payload.delete()

        assert payloads.is_as_committed(Payload.objects.get())

    def test_lets_no_content_be_taken_away_off_the_record(self) -> None:
        entry = Entry.objects.get(pk=do().entry_id)

        with pytest.raises(IntegrityError, match="not on record"), transaction.atomic():
            Payload.objects.update(
                content=None,
                redaction="tombstoned",
                redacted_at=timezone.now(),
                redacted_by=entry,
            )

        assert payloads.is_as_committed(Payload.objects.get())

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
