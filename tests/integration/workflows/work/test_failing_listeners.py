"""Who listens to the end of work may fail: that holds up this work, and no other."""

from collections.abc import Iterator

import pytest

from events import bus
from events.domain.envelope import Envelope
from events.selectors import stream_events
from tests.integration.workflows.work.conftest import Enqueue, journal, let_time_pass, row, take
from workflows.work import leases, runner
from workflows.work.domain.claim import WorkRef
from workflows.work.models import Work

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _a_listener_that_fails() -> Iterator[None]:
    """Fails for work about `bad`, after it has written something."""

    def listen(envelope: Envelope) -> None:
        if envelope.data["subject"] == "bad":
            Work.objects.filter(pk=envelope.data["jobId"]).update(reason="half done")
            raise RuntimeError("I cannot")

    hook = bus.before_commit("job.dead_lettered", listen)
    yield
    hook.unsubscribe()


def last_lost(enqueue: Enqueue, subject: str) -> WorkRef:
    """Return work whose worker is lost, for the last time that it may be."""
    ref = enqueue("lab.echo", subject=subject)
    Work.objects.filter(pk=ref.id).update(attempt=2, fence=4, crashes=2)
    take(ref)
    let_time_pass(ref, seconds=60)
    return ref


def test_of_lost_work_keeps_no_other_lease_from_being_taken_away(
    enqueue: Enqueue, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = last_lost(enqueue, "bad"), last_lost(enqueue, "good")
    other = enqueue()
    take(other)
    let_time_pass(other, seconds=50)

    states = leases.expire(limit=10)

    assert states == {good.id: "poisoned", other.id: "retry"}
    assert [row(ref).status for ref in (bad, good, other)] == ["leased", "poisoned", "retry"]
    assert (row(bad).reason, journal(bad)) == ("", [])
    assert stream_events(("job", str(bad.id))) == []
    assert [event.name for event in stream_events(("job", str(good.id)))] == ["job.dead_lettered"]
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (record.message, vars(record)["work_id"]) == (
        "Work could not be given up.",
        str(bad.id),
    )


def test_of_failed_work_keeps_no_other_of_its_batch_from_being_completed(
    enqueue: Enqueue, caplog: pytest.LogCaptureFixture
) -> None:
    before = enqueue("lab.light", {"n": 1})
    bad = enqueue("lab.light", {"fails": True}, subject="bad", max_attempts=1)
    after = enqueue("lab.light", {"n": 2})

    assert runner.work_off(worker="w", kinds=["lab.light"]) == 3

    assert [row(ref).status for ref in (before, bad, after)] == ["done", "leased", "done"]
    assert "The end of an attempt could not be recorded." in caplog.messages
