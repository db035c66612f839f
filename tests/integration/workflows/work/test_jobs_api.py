from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from config.jobs import CHECK
from events.domain.ids import least_id
from tests.integration.ledger.conftest import client_with, grant, issue
from tests.integration.workflows.work.conftest import Enqueue, row
from tests.support.planner import forget_statistics
from workflows.work import registry, runner
from workflows.work.api.views import JobFilters
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Attempt, Schedule, Work

pytestmark = pytest.mark.django_db

# Fixed, so that every worker of a parallel run collects the same tests.
NOBODYS = UUID("01900000-0000-7000-8000-000000000000")
JOBS = "/api/v1/jobs"
SCHEDULES = "/api/v1/job-schedules"
EVERYTHING = (
    "job.read",
    "job.enqueue",
    "job.retry",
    "job.cancel",
    "job.discard",
    "schedule.manage",
)


def try_often(work_id: UUID, *, times: int) -> None:
    """Have a job tried and put off again and again, as one without a budget may be."""
    now = timezone.now()
    Attempt.objects.bulk_create(
        Attempt(
            work_id=work_id, attempt=number, fence=number, worker="worker@test/1",
            started_at=now, ended_at=now, outcome="snoozed",
        )
        for number in range(1, times + 1)
    )  # fmt: skip


@pytest.fixture
def operator() -> APIClient:
    user = User.objects.create_user("operator")
    grant(user, *EVERYTHING)
    return client_with(issue(user, ["*"])[0])


@pytest.fixture
def nobody() -> APIClient:
    return client_with(issue(User.objects.create_user("nobody"), ["*"])[0])


@pytest.fixture
def letter(enqueue: Enqueue) -> WorkRef:
    ref = enqueue("lab.fails", {"how": "permanent"})
    runner.take([ref.id], worker="w")
    return ref


class TestTime:
    @pytest.fixture
    def jobs(self, enqueue: Enqueue) -> dict[str, WorkRef]:
        """A job of now, and one of a week ago."""
        old, new = enqueue(), enqueue()
        ago = timezone.now() - timedelta(days=7)
        moved = least_id(ago, later=timedelta(seconds=1))
        # Neither changes once it is written; the database knows no way, and needs none.
        Work.objects.filter(id=old.id).update(id=moved, created_at=ago)
        return {"old": replace(old, id=moved), "new": new}

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"created_before": timedelta(days=1)}, ["old"]),
            ({"created_after": timedelta(days=1)}, ["new"]),
            ({"created_after": timedelta(days=8)}, ["new", "old"]),
            ({"created_before": timedelta(days=8)}, []),
            ({"created_after": timedelta(days=8), "created_before": timedelta(days=1)}, ["old"]),
        ],
    )
    def test_narrows_the_list(
        self,
        operator: APIClient,
        jobs: dict[str, WorkRef],
        query: dict[str, timedelta],
        expected: list[str],
    ) -> None:
        asked = {name: (timezone.now() - ago).isoformat() for name, ago in query.items()}

        found = operator.get(JOBS, asked).json()["results"]

        assert [each["id"] for each in found] == [str(jobs[name].id) for name in expected]

    @pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    @pytest.mark.parametrize("name", ["created_before", "created_after"])
    def test_takes_every_moment_that_there_is(
        self, operator: APIClient, name: str, moment: str
    ) -> None:
        assert operator.get(JOBS, {name: moment}).status_code == 200

    def test_reads_nothing_that_is_newer(self) -> None:
        week_ago = timezone.now() - timedelta(days=7)
        asked = JobFilters({"created_before": week_ago.isoformat()}, queryset=Work.objects.all())

        forget_statistics()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
        plan = asked.qs.order_by("-id")[:51].explain()

        assert "Index Cond: (id <" in plan


class TestCreate:
    def test_enqueues_a_public_kind(self, operator: APIClient) -> None:
        answer = operator.post(
            JOBS, {"name": "lab.echo", "input": {"n": 1}, "priority": 3}, format="json"
        )

        assert answer.status_code == 201, answer.content
        made = answer.json()
        assert answer["Location"] == f"/api/v1/jobs/{made['id']}"
        assert (made["name"], made["input"], made["status"]) == ("lab.echo", {"n": 1}, "ready")
        assert made["principal"].startswith("api_key:")

    def test_waits_as_long_as_it_is_told(self, operator: APIClient) -> None:
        body = {"name": "lab.echo", "input": {"n": 1}, "delay_s": 60}

        assert operator.post(JOBS, body, format="json").json()["status"] == "scheduled"

    def test_hides_what_is_not_public(self, operator: APIClient) -> None:
        answer = operator.post(JOBS, {"name": "lab.effect", "input": {}}, format="json")

        assert answer.status_code == 422
        assert answer.json()["code"] == "job_kind_unknown"
        assert not Work.objects.exists()

    def test_points_a_schedule_of_nothing_to_its_job(self, operator: APIClient) -> None:
        answer = operator.put(f"{SCHEDULES}/s1", {"job": "lab.no", "every": "60"}, format="json")

        assert answer.json()["code"] == "job_kind_unknown"
        assert answer.json()["errors"][0]["pointer"] == "/job"

    def test_names_the_public_kind_that_may_be_meant(self, operator: APIClient) -> None:
        answer = operator.post(JOBS, {"name": "lab.ecko", "input": {}}, format="json")

        detail = "There is no kind of work called 'lab.ecko'; did you mean lab.echo?"
        assert answer.json()["detail"] == detail

    def test_points_at_what_is_wrong(self, operator: APIClient) -> None:
        answer = operator.post(JOBS, {"name": "lab.echo", "input": {"n": "x"}}, format="json")

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/input/n"

    def test_of_a_known_key_answers_with_the_first(self, operator: APIClient) -> None:
        body = {"name": "lab.echo", "input": {"n": 1}, "idempotency_key": "k"}
        first = operator.post(JOBS, body, format="json")
        again = operator.post(JOBS, body, format="json")
        other = operator.post(JOBS, {**body, "input": {"n": 2}}, format="json")

        assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
        assert again.json()["id"] == first.json()["id"]
        assert other.json()["code"] == "job_key_conflict"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": "lab.echo", "input": {"n": 1}, "delay_s": -1},
            {"name": "lab.echo", "input": {"n": 1}, "delay_s": 1e300},
            {"name": "lab.echo", "input": {"n": 1}, "priority": 10**9},
            {"name": "lab.echo", "input": {"n": 1}, "max_attempts": 0},
            {"name": "lab.echo", "input": {"n": 1}, "due_at": "tomorrow"},
            {"name": "lab.echo", "input": {"n": 1}, "due_at": "2026-12-01T09:00:00"},
            {"name": "lab.echo", "input": {"n": 1}, "due_at": "9999-12-31T23:59:59Z", "delay_s": 2},
            {"name": "lab.echo", "input": {"n": 1}, "idempotency_key": ""},
            {"name": "lab.echo", "input": {"n": 1}, "idempotency_key": " k"},
            {"name": "\u0000", "input": {"n": 1}},
            {"name": "lab.echo", "input": {"n": 1}, "subject": "s" * 201},
        ],
    )
    def test_refuses_nonsense(self, operator: APIClient, body: dict[str, Any]) -> None:
        answer = operator.post(JOBS, body, format="json")

        assert answer.status_code in {400, 422}, answer.content
        assert answer["Content-Type"] == "application/problem+json"
        assert not Work.objects.exists()


class TestList:
    def test_filters_and_pages(self, operator: APIClient, enqueue: Enqueue) -> None:
        refs = [enqueue() for _ in range(3)]
        enqueue("lab.light", {})

        page = operator.get(f"{JOBS}?name=lab.echo&status=ready,retry&page_size=2")
        assert page.status_code == 200, page.content
        following = operator.get(page.json()["next"])

        listed = [job["id"] for job in page.json()["results"] + following.json()["results"]]
        assert listed == [str(ref.id) for ref in reversed(refs)]
        assert following.json()["next"] is None

    def test_refuses_an_unknown_status(self, operator: APIClient) -> None:
        assert operator.get(JOBS, {"status": "asleep"}).status_code == 400

    def test_takes_one_query_for_the_page(
        self, operator: APIClient, enqueue: Enqueue, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(5):
            enqueue()
        operator.get(JOBS)

        with django_assert_max_num_queries(8):
            operator.get(JOBS)


class TestDetail:
    def test_shows_the_last_attempts_and_where_the_others_are(
        self, operator: APIClient, enqueue: Enqueue
    ) -> None:
        ref = enqueue("lab.echo", {"n": 1})
        try_often(ref.id, times=60)

        shown = operator.get(f"{JOBS}/{ref.id}").json()["attempts"]
        first = operator.get(f"{JOBS}/{ref.id}/attempts").json()
        rest = operator.get(first["next"]).json()

        assert [each["attempt"] for each in shown] == list(range(11, 61))
        found = [each["attempt"] for page in (first, rest) for each in page["results"]]
        assert found == list(range(60, 0, -1))
        assert operator.get(f"{JOBS}/{NOBODYS}/attempts").status_code == 404

    def test_shows_the_attempts(self, operator: APIClient, letter: WorkRef) -> None:
        job = operator.get(f"{JOBS}/{letter.id}").json()

        assert (job["status"], job["last_error"]) == ("dead", "never")
        [attempt] = job["attempts"]
        assert (attempt["attempt"], attempt["outcome"]) == (1, "failed")

    @pytest.mark.parametrize("id_", [str(NOBODYS), "1", "a b"])
    def test_knows_no_other(self, operator: APIClient, id_: str) -> None:
        assert operator.get(f"{JOBS}/{id_}").status_code == 404


class TestDecisions:
    def test_take_a_dead_letter_up(self, operator: APIClient, letter: WorkRef) -> None:
        answer = operator.post(f"{JOBS}/{letter.id}/retry", {"reason": "fixed"}, format="json")

        assert (answer.status_code, answer.json()["status"]) == (200, "ready")

    def test_leave_a_dead_letter_of_a_kind_that_is_gone(
        self, operator: APIClient, letter: WorkRef, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = row(letter).kind
        monkeypatch.delitem(registry._kinds, name)

        answer = operator.post(f"{JOBS}/{letter.id}/retry", {"reason": "again"}, format="json")

        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (422, "job_kind_gone")
        assert problem["facts"] == {"name": name}
        assert "errors" not in problem  # Nothing in the body is wrong.
        assert row(letter).status == "dead"

    def test_put_a_dead_letter_away_for_a_reason(
        self, operator: APIClient, letter: WorkRef
    ) -> None:
        url = f"{JOBS}/{letter.id}/discard"
        assert operator.post(url, {}, format="json").status_code == 400
        assert row(letter).status == "dead"

        answer = operator.post(url, {"reason": "known"}, format="json")

        assert (answer.json()["status"], answer.json()["reason"]) == ("discarded", "known")

    def test_cancel(self, operator: APIClient, enqueue: Enqueue) -> None:
        ref = enqueue()

        answer = operator.post(f"{JOBS}/{ref.id}/cancel", {}, format="json")
        again = operator.post(f"{JOBS}/{ref.id}/cancel", {}, format="json")

        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert (again.status_code, again.json()["code"]) == (422, "work_not_in_that_state")


class TestAuthority:
    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", JOBS),
            ("get", f"{JOBS}/{NOBODYS}"),
            ("post", JOBS),
            ("post", f"{JOBS}/{NOBODYS}/retry"),
            ("post", f"{JOBS}/{NOBODYS}/cancel"),
            ("post", f"{JOBS}/{NOBODYS}/discard"),
            ("get", SCHEDULES),
            ("get", f"{SCHEDULES}/x"),
            ("put", f"{SCHEDULES}/x"),
            ("post", f"{SCHEDULES}/x/enable"),
            ("post", f"{SCHEDULES}/x/disable"),
        ],
    )
    def test_is_asked_for_everywhere(self, nobody: APIClient, method: str, path: str) -> None:
        assert getattr(nobody, method)(path, {}, format="json").status_code == 403
        assert getattr(APIClient(), method)(path, {}, format="json").status_code == 401


class TestSchedules:
    BODY: dict[str, Any] = {"job": "lab.echo", "cron": "0 9 * * 1-5", "tz": "Europe/Berlin"}

    def test_are_declared_under_a_name(self, operator: APIClient) -> None:
        url = f"{SCHEDULES}/every.morning"
        answer = operator.put(url, {**self.BODY, "input": {"n": 1}}, format="json")

        assert answer.status_code == 200, answer.content
        assert (answer.json()["name"], answer.json()["job"]) == ("every.morning", "lab.echo")
        assert operator.get(url).json() == answer.json()
        assert [one["name"] for one in operator.get(SCHEDULES).json()["results"]] == [
            "every.morning"
        ]

    def test_are_not_declared_for_a_job_that_the_caller_may_not_have_done(self) -> None:
        user = User.objects.create_user("planner")
        grant(user, "schedule.manage")
        planner = client_with(issue(user, ["*"])[0])
        body = {"job": CHECK, "every": "1h", "input": {"nonce": "n"}}

        answer = planner.put(f"{SCHEDULES}/s", body, format="json")

        assert (answer.status_code, answer.json()["code"]) == (403, "capability_missing")
        assert not Schedule.objects.filter(name="s").exists()

    def test_are_switched(self, operator: APIClient) -> None:
        url = f"{SCHEDULES}/s"
        operator.put(url, {**self.BODY, "input": {"n": 1}}, format="json")

        assert operator.post(f"{url}/disable").json()["enabled"] is False
        assert operator.post(f"{url}/enable").json()["enabled"] is True
        assert operator.post(f"{SCHEDULES}/other/enable").status_code == 404

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"cron": "61 * * * *"}, "/cron"),
            ({"tz": "Mars/Base"}, "/tz"),
            ({"tz": "localtime"}, "/tz"),
            ({"every": "1h"}, "/cron"),
            ({"cron": "", "every": "0s"}, "/every"),
            ({"input": {}}, "/input"),
            ({"missed": "perhaps"}, "/missed"),
            ({"every": None, "at": "2026-12-01T09:00:00", "tz": "Europe/Berlin"}, "/at"),
        ],
    )
    def test_point_at_what_is_wrong(
        self, operator: APIClient, change: dict[str, Any], pointer: str
    ) -> None:
        body = {**self.BODY, "input": {"n": 1}, **change}
        answer = operator.put(f"{SCHEDULES}/s", body, format="json")

        assert answer.status_code in {400, 422}, answer.content
        assert answer.json()["errors"][0]["pointer"] == pointer
