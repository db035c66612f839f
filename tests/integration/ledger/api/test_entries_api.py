"""The ledger from the outside: read, followed, exported, never changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from events import context
from events.domain.principal import Principal, PrincipalKind
from ledger import drift, recording, timelines, verifier
from ledger.disclosure import disclosing
from ledger.domain.action import Action, Kind, Proof, Read, Target
from ledger.drift import DriftCheck, Mark
from ledger.models import ApiKey, Entry
from ledger.recording import recorded
from ledger.services import seals
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

NOBODYS = UUID(int=7)
"""The id of nothing. Always the same: the workers of a parallel run collect the same tests."""
URL = "/api/v1/ledger"
CLERK = Principal(kind=PrincipalKind.USER, id="7")


@pytest.fixture
def reader(alice: User) -> APIClient:
    grant(alice, "ledger.read", "ledger.read_payload", "ledger.export", "ledger.check_health")
    return client_with(issue(alice, ["ledger.*"])[0])


def an_action(
    name: str = "thing.do", target: str = "t1", type_: str = "thing", **facts: Any
) -> Action:
    return Action(
        name=name,
        kind=Kind.EXECUTE,
        target=Target(type=type_, id=target),
        capability="api_key.read",
        **facts,
    )


def do(*named: str, **facts: Any) -> Proof:
    action = an_action(*named, **facts)
    with context.acting(CLERK, correlation_id="cor_1"), recorded(action) as proof:
        pass
    return proof


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [each["id"] for each in answer.json()["results"]]


def walk(client: APIClient, url: str) -> Iterator[str]:
    following: str | None = url
    while following:
        page = client.get(following).json()
        yield from (each["id"] for each in page["results"])
        following = page["next"]


class TestEntries:
    def test_say_who_did_what_and_show_no_bytes(self, reader: APIClient) -> None:
        proof = do(reason="because")

        [found] = reader.get(f"{URL}/entries?action_name=thing.do").json()["results"]

        assert found["id"] == str(proof.entry_id)
        assert (found["principal_type"], found["principal_id"]) == ("user", "7")
        assert (found["reason"], found["mutation"]["summary"]) == ("because", "")
        assert found["title"] == "Do of thing t1 was done."
        assert found["position"] is None
        assert "body" not in found

    def test_are_filtered_by_choices_that_are_named(self, reader: APIClient) -> None:
        answer = reader.get(f"{URL}/entries?evaluated_risk=low,odd")

        assert answer.status_code == 400
        [error] = answer.json()["errors"]
        assert error["detail"] == "Say one of: low, medium, high, critical."

    def test_are_titled_by_what_their_proof_says(self, reader: APIClient) -> None:
        with context.acting(CLERK), recorded(an_action()) as proof:
            proof.says("The lamp is on.")

        detail = reader.get(f"{URL}/entries/{proof.entry_id}").json()
        [found] = reader.get(f"{URL}/entries?action_name=thing.do").json()["results"]

        assert detail["title"] == found["title"] == "The lamp is on."

    def test_of_looks_are_titled_by_what_they_showed(self, reader: APIClient) -> None:
        target = Target(type="thing", id="t1")
        read = Read(name="thing.read", target=target, capability="api_key.read", fields=("email",))
        with context.acting(CLERK):
            disclosing.disclosed(read, lambda: "ada@example.org")

        [found] = reader.get(f"{URL}/entries?action_name=thing.read").json()["results"]

        assert found["title"] == "Showed email."

    @pytest.mark.parametrize(
        ("query", "is_found"),
        [
            ("target_type=thing&target_id=t1", True),
            ("target_ids=t0,t1", True),
            ("target_id=t0", False),
            ("principal_type=user,agent&principal_id=7", True),
            ("principal_type=agent", False),
            ("evaluated_risk=high,low", True),
            ("evaluated_risk=critical", False),
            ("status=succeeded", True),
            ("correlation_id=cor_1", True),
            ("capability_id=api_key.read&capability_version=1", True),
            ("reversal_kind=none", True),
            ("reversal_state=completed", False),
            ("reversal_state=available,not_reversible", True),
            ("reason_code=x", False),
            ("idempotency_scope=x", False),
            (f"approval_id={NOBODYS}", False),
            ("occurred_after=2001-01-01T00:00:00Z", True),
            ("occurred_before=2001-01-01T00:00:00Z", False),
        ],
    )
    def test_are_filtered(self, reader: APIClient, query: str, is_found: bool) -> None:  # noqa: FBT001
        proof = do()

        found = ids(reader.get(f"{URL}/entries?action_name=thing.do&{query}"))

        assert found == ([str(proof.entry_id)] if is_found else [])

    @pytest.mark.parametrize(
        "query",
        [
            "colour=red",
            "status=lost",
            "target_id=a&target_ids=b",
            "ordering=id",
            "cursor=x",
            "approval_id=1",
            "capability_version=0.5",
            "occurred_after=soon",
        ],
    )
    def test_refuse_questions_that_are_not_understood(self, reader: APIClient, query: str) -> None:
        answer = reader.get(f"{URL}/entries?{query}")

        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"

    @pytest.mark.parametrize("ordering", ["-occurred_at", "occurred_at"])
    def test_of_one_moment_are_each_shown_exactly_once(
        self, reader: APIClient, ordering: str
    ) -> None:
        moment = timezone.now() - timedelta(hours=1)
        with (
            context.acting(CLERK),
            patch("ledger.recording.timezone.now", return_value=moment),
            transaction.atomic(),
        ):
            for number in range(500):
                action = Action(
                    name="thing.same",
                    kind=Kind.EXECUTE,
                    target=Target(type="thing", id=str(number)),
                    capability="api_key.read",
                )
                with recording.recorded_in_transaction(action):
                    pass

        url = f"{URL}/entries?action_name=thing.same&page_size=90&ordering={ordering}"
        seen = list(walk(reader, url))

        assert len(seen) == len(set(seen)) == 500

    def test_are_for_those_who_may_read_the_ledger(self, bob: User) -> None:
        client = client_with(issue(bob, ["*"])[0])

        for path in ("entries", f"entries/{uuid4()}", "timeline?target=a:b", "tail", "seals"):
            assert client.get(f"{URL}/{path}").status_code == 403, path

    def test_cannot_be_changed(self, reader: APIClient) -> None:
        entry_id = do().entry_id

        for method in (reader.put, reader.patch, reader.delete, reader.post):
            assert method(f"{URL}/entries/{entry_id}", {}).status_code == 405


class TestAnEntry:
    def test_shows_what_led_to_it_and_what_came_of_it(self, reader: APIClient) -> None:
        first = do()
        with context.acting(CLERK, causation_id=str(first.entry_id)):
            action = Action(
                name="thing.follow",
                kind=Kind.EXECUTE,
                target=Target(type="thing", id="t2"),
                capability="api_key.read",
                amends=first.entry_id,
            )
            with recorded(action) as second:
                pass

        before = reader.get(f"{URL}/entries/{first.entry_id}").json()["chain"]
        after = reader.get(f"{URL}/entries/{second.entry_id}").json()["chain"]

        assert [each["id"] for each in before["causes"]] == [str(second.entry_id)]
        assert [each["id"] for each in before["amended_by"]] == [str(second.entry_id)]
        assert [each["id"] for each in after["caused_by"]] == [str(first.entry_id)]
        assert [each["id"] for each in after["amends"]] == [str(first.entry_id)]
        assert (after["reverses"], after["reversals"], after["approval"]) == ([], [], [])

    def test_that_is_not_there_is_not_found(self, reader: APIClient) -> None:
        assert reader.get(f"{URL}/entries/{uuid4()}").status_code == 404


class TestTheTimeline:
    def test_merges_targets_and_what_belongs_to_them(
        self, reader: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        part = Target(type="part", id="p1")
        monkeypatch.setitem(timelines._RELATED, "thing", lambda id_: [part] if id_ == "t1" else [])
        of_thing, of_part, of_other = do(), do(target="p1", type_="part"), do(target="t9")
        do(target="p2", type_="part")

        url = f"{URL}/timeline?target=thing:t1&target=thing:t9"

        assert ids(reader.get(url)) == [
            str(each.entry_id) for each in (of_other, of_part, of_thing)
        ]
        assert ids(reader.get(url + "&related=false")) == [
            str(each.entry_id) for each in (of_other, of_thing)
        ]

    @pytest.mark.parametrize("query", ["", "target=thing", "target=:x", "target=a:b&who=me"])
    def test_refuses_what_names_no_target(self, reader: APIClient, query: str) -> None:
        assert reader.get(f"{URL}/timeline?{query}").status_code == 400


class TestTheTail:
    def test_is_followed_by_position(self, reader: APIClient) -> None:
        for _ in range(5):
            do()
        seals.seal_entries()
        total = Entry.objects.count()

        seen, after = [], 0
        while after < total:
            page = reader.get(f"{URL}/tail?after={after}&limit=2").json()
            seen += [each["position"] for each in page["results"]]
            after = page["next_after"]

        assert seen == list(range(1, total + 1))
        assert reader.get(f"{URL}/tail?after={after}").json()["results"] == []

    @pytest.mark.parametrize("query", ["after=-1", "after=999", "limit=0", "limit=501", "from=1"])
    def test_refuses_questions_that_make_no_sense(self, reader: APIClient, query: str) -> None:
        assert reader.get(f"{URL}/tail?{query}").status_code == 400


class TestSeals:
    def test_are_listed_and_their_standing_told(self, reader: APIClient) -> None:
        do()
        seals.seal_entries()
        do()

        [seal] = reader.get(f"{URL}/seals").json()["results"]
        standing = reader.get(f"{URL}/seals/standing").json()

        assert reader.get(f"{URL}/seals/1").json() == seal == standing["checkpoint"]
        assert standing["size"] == seal["size"]
        assert standing["waiting"] == 1


class TestAnExport:
    def test_is_evidence_and_is_itself_on_record(self, reader: APIClient, tmp_path: Path) -> None:
        do()
        seals.seal_entries()

        answer = reader.get(f"{URL}/export", headers={"Access-Reason": "audit"})
        out = tmp_path / "ledger.jsonl"
        out.write_bytes(b"".join(answer))

        assert answer["Content-Type"] == "application/jsonl"
        assert verifier.verify(str(out)).entries == timelines.head_position()
        look = Entry.objects.select_related("disclosure").get(action_name="ledger.export")
        assert look.disclosure.reason_code == "audit"

    def test_of_one_target_proves_its_entries(self, reader: APIClient, tmp_path: Path) -> None:
        do()
        do(target="t2")
        seals.seal_entries()

        out = tmp_path / "ledger.jsonl"
        answer = reader.get(f"{URL}/export?target=thing:t2", headers={"Access-Reason": "audit"})
        out.write_bytes(b"".join(answer))

        report = verifier.verify(str(out))
        assert (report.entries, report.is_selection) == (1, True)
        [_, _, line] = out.read_text().splitlines()
        assert json.loads(line)["entry"]["target_id"] == "t2"

    def test_of_nothing_is_not_found(self, reader: APIClient) -> None:
        answer = reader.get(f"{URL}/export?target=thing:t2", headers={"Access-Reason": "audit"})

        assert (answer.status_code, answer.json()["code"]) == (404, "ledger_nothing_sealed")

    def test_of_a_target_with_the_longest_id_is_on_record_too(self, reader: APIClient) -> None:
        url = f"{URL}/export?target=thing:{'t' * 200}"

        answer = reader.get(url, headers={"Access-Reason": "audit"})

        assert answer.json()["code"] == "ledger_nothing_sealed"
        look = Entry.objects.get(action_name="ledger.export")
        assert look.target_id.startswith("target thing:ttt")


class TestHealth:
    def test_finds_what_was_changed_off_the_record(
        self, reader: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        check = DriftCheck(
            name="api_key_issued",
            rows=ApiKey.objects.all,
            mark=Mark(actions=("api_key.issue",), target_type="api_key"),
        )
        monkeypatch.setattr(drift, "_CHECKS", {})
        drift.declare_check(check)
        assert reader.get(f"{URL}/health").json()["ok"]
        key = ApiKey.objects.get()

        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                "INSERT INTO ledger_apikey SELECT gen_random_uuid(), 'zzzzzzzzzzzz', digest, name, "
                "scopes, gen_random_uuid(), created_at, expires_at, last_used_at, revoked_at, "
                "owner_id, successor_id FROM ledger_apikey WHERE id = %s",
                [key.pk],
            )
        answer = reader.get(f"{URL}/health")

        assert answer.status_code == 503
        [found] = answer.json()["drift"]
        assert (found["check"], found["missing_count"]) == ("api_key_issued", 1)
        assert found["sample_ids"] == [str(ApiKey.objects.get(prefix="zzzzzzzzzzzz").pk)]

    def test_is_tried_out_with_a_canary(
        self, reader: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(drift, "_CHECKS", {})

        answer = reader.post(f"{URL}/health", headers={"Idempotency-Key": str(uuid4())}).json()

        assert answer["ok"]
        canary = Entry.objects.get(pk=answer["canary_entry_id"])
        assert canary.action_name == "ledger.write_canary"

    def test_tells_when_its_canary_is_lost(
        self, reader: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        @contextmanager
        def forgetful(action: Action) -> Iterator[Proof]:
            yield Proof.of(action, entry_id=NOBODYS)

        monkeypatch.setattr(drift, "recorded", forgetful)

        answer = reader.post(f"{URL}/health", headers={"Idempotency-Key": str(uuid4())})

        assert (answer.status_code, answer.json()["code"]) == (503, "ledger_canary_lost")


def test_a_look_is_committed_before_its_value_leaves() -> None:
    read = Read(
        name="thing.look",
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
        fields=("name",),
    )

    def reveal() -> bool:
        with transaction.atomic():
            return Entry.objects.filter(action_name="thing.look").exists()

    with context.acting(CLERK):
        assert disclosing.disclosed(read, reveal)
