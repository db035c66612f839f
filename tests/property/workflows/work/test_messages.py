"""Any permutation of the messages, with repeats, comes to the same end (F14)."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import worklab
from workflows.work import queue, registry, runner
from workflows.work.models import EveryAttempt, Work

PIECES = 4


@pytest.mark.django_db
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(messages=st.lists(st.integers(0, PIECES - 1), max_size=20))
def test_any_order_with_repeats_comes_to_the_same_end(messages: list[int]) -> None:
    assert registry.get("lab.recovers").handler is worklab.recovers
    with transaction.atomic():
        refs = [
            queue.enqueue("lab.recovers", subject="s", input={"after": number % 2})
            for number in range(PIECES)
        ]
        # What is delivered, and then, as the sweeper would, each once more than it can fail.
        for number in [*messages, *range(PIECES), *range(PIECES)]:
            runner.take([refs[number].id], worker="w")

        ends = [
            (Work.objects.get(pk=ref.id).status, Work.objects.get(pk=ref.id).result) for ref in refs
        ]
        assert ends == [("done", str(number % 2 + 1)) for number in range(PIECES)]
        assert EveryAttempt.objects.filter(outcome="done").count() == PIECES
        transaction.set_rollback(True)
