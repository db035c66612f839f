from collections.abc import Iterator

import pytest
from django.db import transaction

from events import bus, catalogue, context, recorder
from events.domain.envelope import Envelope
from events.domain.principal import Principal, PrincipalKind
from tests.integration.workflows.work.conftest import journal, row
from workflows.work import registry, runner
from workflows.work.domain.claim import Claim
from workflows.work.domain.retry import RetryPolicy
from workflows.work.models import Work
from workflows.work.promotion import durable_subscriber

pytestmark = pytest.mark.django_db

AT_ONCE = RetryPolicy(max_attempts=2, base_s=0, jitter=0)
heard: list[tuple[Envelope, Claim]] = []

catalogue.declare_stream("lab", meaning="For tests.", read="job.read")
catalogue.declare(
    "lab.thing.happened",
    category="domain",
    meaning="For tests.",
    stream="lab",
    schema={"type": "object"},
)


@pytest.fixture(autouse=True)
def _two_subscribers() -> Iterator[None]:
    heard.clear()

    @durable_subscriber("lab.thing.happened", name="lab.listens")
    def listens(envelope: Envelope, claim: Claim) -> None:
        heard.append((envelope, claim))

    @durable_subscriber("lab.thing.*", name="lab.fails", retry=AT_ONCE)
    def fails(_envelope: Envelope, _claim: Claim) -> None:
        raise RuntimeError("cannot")

    yield
    registry.forget("subscriber.lab.listens")
    registry.forget("subscriber.lab.fails")


def emit(event_id: str | None = None) -> Envelope:
    who = Principal(kind=PrincipalKind.USER, id="7")
    with context.acting(who, correlation_id="cor_1"), transaction.atomic():
        return recorder.emit("lab.thing.happened", {"n": 1}, stream=("lab", "1"), event_id=event_id)


def work_of(subscriber: str) -> Work:
    return Work.objects.get(kind=f"subscriber.{subscriber}")


class TestDurableSubscriber:
    def test_gets_a_row_in_the_emitting_transaction(self) -> None:
        with transaction.atomic():
            recorder.emit("lab.thing.happened", {"n": 1}, stream=("lab", "1"))
            assert Work.objects.count() == 2
            transaction.set_rollback(True)

        assert not Work.objects.exists()

    def test_is_called_with_the_event_as_it_was_told(self) -> None:
        envelope = emit()

        runner.take([work_of("lab.listens").pk], worker="w")

        [(event, claim)] = heard
        assert event == envelope
        assert (claim.subject, claim.principal) == ("lab/1", "user:7")
        assert (claim.correlation_id, claim.causation_id) == ("cor_1", envelope.event_id)

    def test_never_gets_the_same_event_twice(self) -> None:
        emit("evt_lab_1")
        envelope = emit("evt_lab_1")
        for hook in bus.hooks_of("lab.thing.happened"):
            with transaction.atomic():
                hook.handler(envelope)  # As if the log had let the repetition through.

        assert Work.objects.count() == 2

    def test_fails_alone_and_ends_among_its_own_dead_letters(self) -> None:
        emit()
        for _ in range(2):
            runner.work_off(worker="w", kinds=["subscriber.lab.fails"])
        runner.work_off(worker="w", kinds=["subscriber.lab.listens"])

        assert work_of("lab.fails").status == "dead"
        assert journal(row(work_of("lab.fails").pk)) == [(1, 1, "failed"), (2, 2, "failed")]  # type: ignore[arg-type]
        assert work_of("lab.listens").status == "done"
        assert len(heard) == 1
