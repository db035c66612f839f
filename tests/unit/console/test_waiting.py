"""The sentence that answers "why is it stuck?"."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.waiting import Why, why
from workflows.work.domain.life import State
from workflows.work.models import Work

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOON = NOON + timedelta(minutes=3)
EARLIER = NOON - timedelta(minutes=3)


def work(status: str, **facts: Any) -> Work:
    return Work(status=status, **{"due_at": EARLIER, "max_attempts": 8, "crash_budget": 3, **facts})


def sentence(job: Work, *, is_anybody_working: bool = True, is_kind_known: bool = True) -> Why:
    queue = "webhooks" if is_kind_known else None
    return why(job, now=NOON, queue=queue, is_anybody_working=is_anybody_working)


class TestWhy:
    def test_names_the_time_for_which_scheduled_work_waits(self) -> None:
        assert sentence(work("scheduled", due_at=SOON)) == Why(
            tone="wait", says="Waiting for its time,", at=SOON, after="."
        )

    def test_names_the_error_and_the_next_try(self) -> None:
        job = work("retry", due_at=SOON, attempt=2, failures=2, last_error_class="SmtpDown")

        assert sentence(job) == Why(
            tone="wait",
            says="Attempt 2 failed with SmtpDown. 6 tries left. The next one starts",
            at=SOON,
            after=", automatically.",
        )

    @pytest.mark.parametrize("status", ["ready", "scheduled", "retry"])
    def test_says_that_due_work_waits_for_a_worker(self, status: str) -> None:
        assert sentence(work(status)) == Why(
            tone="run", says="Due since", at=EARLIER, after="; waiting for a free worker."
        )

    def test_says_what_to_do_when_no_worker_is_alive(self) -> None:
        found = sentence(work("ready"), is_anybody_working=False)

        assert found.tone == "bad"
        assert found.after == (
            ", but no worker takes from the queue webhooks. Start one, or run "
            "manage.py sweep --execute."
        )

    @pytest.mark.parametrize("status", ["ready", "scheduled", "retry"])
    @pytest.mark.parametrize("due_at", [EARLIER, SOON])
    def test_says_that_work_of_an_unknown_kind_waits_for_another_release(
        self, status: str, due_at: datetime
    ) -> None:
        job = work(status, due_at=due_at, kind="lab.newer", created_at=EARLIER)

        assert sentence(job, is_kind_known=False) == Why(
            tone="bad",
            says="This release has no kind of job called lab.newer. It was enqueued",
            at=EARLIER,
            after=" and waits for a worker of a release that has: start one, or cancel it if "
            "none will.",
        )

    def test_names_the_worker_that_has_it(self) -> None:
        job = work("leased", attempt=1, lease_until=SOON, leased_by="w1@host")

        assert sentence(job) == Why(
            tone="run",
            says="w1@host is running attempt 1. Its lease expires",
            at=SOON,
            after=" unless renewed; then another worker takes over.",
        )

    def test_says_that_the_lease_of_a_silent_worker_ran_out(self) -> None:
        job = work("leased", attempt=1, lease_until=EARLIER, leased_by="w1@host")

        assert sentence(job).says == "w1@host stopped responding. Its lease expired"

    @pytest.mark.parametrize("status", ["dead", "poisoned"])
    def test_says_that_nobody_here_could_take_up_a_letter_of_a_kind_that_is_gone(
        self, status: str
    ) -> None:
        found = sentence(work(status), is_kind_known=False)

        assert found.after == (
            ". This release has no such kind of job, so it cannot be retried here: discard it, "
            "or keep it for a release that has."
        )

    def test_says_that_running_work_was_asked_to_stop(self) -> None:
        job = work("leased", lease_until=SOON, leased_by="w1", cancel_requested_at=EARLIER)

        assert sentence(job).says == "w1 was asked to stop"

    @pytest.mark.parametrize(
        ("job", "says"),
        [
            (work("dead", failures=8), "Gave up after 8 failed attempts. It stopped"),
            (work("dead", failures=1), "Gave up after 1 failed attempt. It stopped"),
            (
                work("poisoned", crashes=3),
                "Gave up: 3 workers died while running it. It stopped",
            ),
        ],
    )
    def test_hands_dead_letters_to_the_reader(self, job: Work, says: str) -> None:
        job.finished_at = EARLIER

        assert sentence(job) == Why(
            tone="dead",
            says=says,
            at=EARLIER,
            after=". Retry it once the cause is fixed, or discard it.",
        )

    def test_repeats_the_reason_of_who_put_it_away(self) -> None:
        job = work("discarded", reason="Sent by hand", finished_at=EARLIER)

        assert sentence(job) == Why(
            tone="mute", says="Read and discarded", at=EARLIER, after=": Sent by hand"
        )

    def test_has_an_answer_for_every_state(self) -> None:
        for state in State:
            assert sentence(work(state.value, finished_at=EARLIER)).says
