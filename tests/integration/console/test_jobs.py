"""What must still happen: who may look, what is shown, and what may be done to it."""

import re
from collections.abc import Iterator
from html import unescape
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from events import context
from events.domain.principal import SYSTEM
from ledger.models import Approval
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import grant
from workflows.work import registry, runner, services
from workflows.work.domain.claim import Claim, PermanentFailure
from workflows.work.models import Attempt, Work

pytestmark = pytest.mark.django_db(transaction=True)

READERS = ("job.read",)
OPERATORS = ("job.read", "job.retry", "job.cancel", "job.discard")
HOSTILE = "</script><script>alert(1)</script>\u202e"


def _refuse(claim: Claim) -> None:
    raise PermanentFailure(f"No template for {HOSTILE}")


def _sweep(claim: Claim) -> None:
    if claim.input["ends"] == "dead":
        raise PermanentFailure("The broom broke.")


@pytest.fixture(autouse=True)
def _kind() -> Iterator[None]:
    registry.register(registry.WorkKind(name="tale.refused", handler=_refuse))
    registry.register(registry.WorkKind(name="tale.swept", handler=_sweep, housekeeping=True))
    yield
    registry.forget("tale.refused")
    registry.forget("tale.swept")


def waiting_job(**options: object) -> UUID:
    return services.enqueue("tale.refused", {"tale": HOSTILE}, subject="tale/1", **options).id  # type: ignore[arg-type]


def dead_job() -> UUID:
    job_id = waiting_job()
    assert runner.take([job_id], worker="worker@test/1") == 1
    return job_id


def status_of(job_id: UUID) -> str:
    return Work.objects.get(id=job_id).status


def workers_on(page: str) -> list[int]:
    return [int(number) for number in re.findall(r"worker@test/(\d+)", page)]


class TestListing:
    def test_is_for_those_who_may_see_jobs(self, client: Client, visitor: Visitor) -> None:
        assert client.get("/jobs")["Location"] == "/login/?next=/jobs"
        page_of(visitor(name="bob"), "/jobs", status=403)
        page_of(visitor(*READERS), "/jobs")

    def test_links_what_a_job_is_about_where_it_has_a_page(self, visitor: Visitor) -> None:
        for subject in ("flow/trip", "tale/1"):
            services.enqueue("tale.refused", {}, subject=subject)

        page = page_of(visitor(*READERS), "/jobs")

        assert re.findall(r'<a class="mono" href="([^"]+)"', page) == ["/flows/trip"]

    def test_counts_by_state_and_filters_by_it(self, visitor: Visitor) -> None:
        dead, waiting = dead_job(), waiting_job()
        client = visitor(*READERS)

        page = page_of(client, "/jobs")
        letters = page_of(client, "/jobs?status=dead")

        assert re.search(r'href="/jobs\?status=dead"\s*>dead letter <b>1</b>', page)
        assert f"/jobs/{waiting}" in page
        assert f"/jobs/{dead}" in letters
        assert f"/jobs/{waiting}" not in letters

    def test_leaves_out_housekeeping_that_went_well_until_it_is_asked_for(
        self, visitor: Visitor
    ) -> None:
        ids = {
            state: services.enqueue("tale.swept", {"ends": state}).id
            for state in ("done", "dead", "ready")
        }
        runner.take([ids["done"], ids["dead"]], worker="worker@test/1")
        client = visitor(*READERS)

        def shown(query: str) -> set[str]:
            page = page_of(client, f"/jobs{query}")
            return {state for state, job_id in ids.items() if f'"/jobs/{job_id}"' in page}

        assert shown("") == {"dead", "ready"}
        assert shown("?status=done") == set()
        assert 'href="?status=done&amp;housekeeping=shown">Show it' in page_of(
            client, "/jobs?status=done"
        )
        assert shown("?housekeeping=shown") == set(ids)
        assert shown("?kind=tale.swept") == set(ids)
        assert "Show it" not in page_of(client, "/jobs?housekeeping=shown")

    def test_shows_what_was_done_of_a_kind_that_nobody_declares_any_more(
        self, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = services.enqueue("tale.swept", {"ends": "done"}).id
        runner.take([job], worker="worker@test/1")
        monkeypatch.setattr(registry, "_kinds", {})

        assert f"/jobs/{job}" in page_of(visitor(*READERS), "/jobs")

    @pytest.mark.parametrize("query", ["status=gone", "before=x", "housekeeping=odd"])
    def test_refuses_filters_that_cannot_be(self, visitor: Visitor, query: str) -> None:
        page_of(visitor(*READERS), f"/jobs?{query}", status=400)

    def test_goes_back_page_by_page(self, visitor: Visitor) -> None:
        ids = [waiting_job() for _ in range(51)]
        client = visitor(*READERS)

        first = page_of(client, "/jobs")
        older = re.search(r'href="(\?[^"]*before=[^"]*)" rel="next"', first)
        assert older is not None
        second = page_of(client, "/jobs" + unescape(older[1]))

        assert f"/jobs/{ids[0]}" not in first
        assert f"/jobs/{ids[0]}" in second


class TestDetail:
    def test_says_why_it_waits_and_shows_every_attempt(self, visitor: Visitor) -> None:
        page = page_of(visitor(*READERS), f"/jobs/{dead_job()}")

        assert "Gave up after 1 failed attempt." in page
        assert "PermanentFailure" in page
        assert "worker@test/1" in page
        assert '<dt>On behalf of</dt><dd><span title="system:daybook">Daybook itself<' in page

    def test_shows_the_last_attempts_and_the_way_to_those_before(self, visitor: Visitor) -> None:
        job_id, now = waiting_job(), timezone.now()
        Attempt.objects.bulk_create(
            Attempt(
                work_id=job_id, attempt=number, fence=number, worker=f"worker@test/{number}",
                started_at=now, ended_at=now, outcome="snoozed",
            )
            for number in range(1, 61)
        )  # fmt: skip
        client = visitor(*READERS)

        last = page_of(client, f"/jobs/{job_id}")
        [older] = re.findall(r'href="(\?before=\d+)" rel="next"', last)
        before = page_of(client, f"/jobs/{job_id}{older}")

        assert workers_on(last) == list(range(11, 61))
        assert workers_on(before) == list(range(1, 11))
        assert 'href="?">Newest' in before
        page_of(client, f"/jobs/{job_id}?before=x", status=400)

    def test_never_lets_an_error_or_an_input_become_markup(self, visitor: Visitor) -> None:
        page = page_of(visitor(*READERS), f"/jobs/{dead_job()}")

        assert "<script>alert" not in page
        assert "\u202e" not in page
        assert "\\u202e" in unescape(page)

    def test_offers_only_what_state_and_visitor_allow(self, visitor: Visitor) -> None:
        waiting, dead = waiting_job(), dead_job()
        operator, reader = visitor(*OPERATORS), visitor(*READERS, name="bob")

        def offers(client: Client, job_id: UUID) -> list[str]:
            page = page_of(client, f"/jobs/{job_id}")
            return re.findall(r'action="/jobs/[^/"]+/(\w+)"', page)

        assert offers(operator, waiting) == ["cancel"]
        assert offers(operator, dead) == ["retry", "discard"]
        assert offers(reader, dead) == []

    def test_says_why_a_letter_of_a_kind_that_is_gone_cannot_be_retried(
        self, visitor: Visitor
    ) -> None:
        dead = dead_job()
        registry.forget("tale.refused")

        page = page_of(visitor(*OPERATORS), f"/jobs/{dead}")

        assert re.findall(r'action="/jobs/[^/"]+/(\w+)"', page) == ["discard"]
        assert "This release has no such kind of job, so it cannot be retried here" in page

    def test_knows_no_other_job(self, visitor: Visitor) -> None:
        page_of(visitor(*READERS), f"/jobs/{uuid4()}", status=404)


class TestActions:
    def test_retry_takes_a_dead_letter_up_again(self, visitor: Visitor) -> None:
        job_id = dead_job()

        response = visitor(*OPERATORS).post(
            f"/jobs/{job_id}/retry", {"reason": "The template is back"}, follow=True
        )

        assert response.redirect_chain == [(f"/jobs/{job_id}", 302)]
        assert "Taken up again." in response.content.decode()
        assert status_of(job_id) == "ready"

    def test_discard_keeps_the_reason(self, visitor: Visitor) -> None:
        job_id = dead_job()

        visitor(*OPERATORS).post(f"/jobs/{job_id}/discard", {"reason": "Sent by hand"})

        assert (status_of(job_id), Work.objects.get(id=job_id).reason) == (
            "discarded",
            "Sent by hand",
        )

    def test_cancel_ends_waiting_work(self, visitor: Visitor) -> None:
        job_id = waiting_job()

        visitor(*OPERATORS).post(f"/jobs/{job_id}/cancel", {"reason": "Ordered twice"})

        assert status_of(job_id) == "cancelled"

    def test_that_somebody_else_has_to_approve_lead_to_that_request(self, visitor: Visitor) -> None:
        job_id, client = dead_job(), visitor(*OPERATORS, "approval.read")
        grant(User.objects.create_user("decider"), "approval.decide")
        with context.acting(SYSTEM):
            put_into_force(capabilities=("job.discard",), condition="")

        asked = client.post(f"/jobs/{job_id}/discard", {"reason": "Sent by hand"})

        page = asked.content.decode()
        assert asked.status_code == 409
        assert f'<a href="/approvals/{Approval.objects.get().pk}">see the request</a>' in page
        assert "Sent by hand" in page
        assert status_of(job_id) == "dead"

    @pytest.mark.parametrize("action", ["retry", "discard"])
    def test_ask_for_a_reason_and_do_nothing_without(self, visitor: Visitor, action: str) -> None:
        job_id = dead_job()

        response = visitor(*OPERATORS).post(f"/jobs/{job_id}/{action}", {"reason": "  "})

        assert response.status_code == 400
        assert "Give a reason; it is kept with the entry." in response.content.decode()
        assert status_of(job_id) == "dead"

    def test_say_so_when_the_state_has_changed_meanwhile(self, visitor: Visitor) -> None:
        job_id = waiting_job()

        response = visitor(*OPERATORS).post(
            f"/jobs/{job_id}/retry", {"reason": "Again"}, follow=True
        )

        assert "its state does not allow this" in response.content.decode()
        assert status_of(job_id) == "ready"

    def test_say_why_a_letter_of_a_kind_that_is_gone_is_not_retried(self, visitor: Visitor) -> None:
        job_id = dead_job()
        registry.forget("tale.refused")

        response = visitor(*OPERATORS).post(
            f"/jobs/{job_id}/retry", {"reason": "Again"}, follow=True
        )

        assert "this release has no kind of job called" in response.content.decode()
        assert status_of(job_id) == "dead"

    @pytest.mark.parametrize("action", ["retry", "cancel", "discard"])
    def test_need_a_capability_each(self, visitor: Visitor, action: str) -> None:
        job_id = dead_job()
        others = [each for each in OPERATORS if each != f"job.{action}"]

        response = visitor(*others).post(f"/jobs/{job_id}/{action}", {"reason": "Because"})

        assert response.status_code == 403
        assert status_of(job_id) == "dead"

    @pytest.mark.parametrize("action", ["retry", "cancel", "discard"])
    def test_are_never_a_mere_link(self, visitor: Visitor, action: str) -> None:
        job_id = dead_job()

        assert visitor(*OPERATORS).get(f"/jobs/{job_id}/{action}").status_code == 405
        assert status_of(job_id) == "dead"
