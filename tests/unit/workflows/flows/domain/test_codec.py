"""Events of flows as they are stored, and as they were stored before."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from workflows.flows.domain import codec
from workflows.flows.domain import flow_events as happened

AT = datetime(2026, 11, 28, tzinfo=UTC)
STEP: dict[str, Any] = {"at": AT, "step_id": "wait"}
WHY: dict[str, Any] = {"reason": "by an operator", "entry_id": "e1"}


@pytest.mark.parametrize(
    "event",
    [
        happened.FlowPaused(at=AT, **WHY),
        happened.FlowCancelled(at=AT, **WHY, compensates=True),
        happened.StepSkipped(**STEP, **WHY),
        happened.StepForced(**STEP, **WHY),
        happened.WorkRetryRequested(**STEP, token="t", **WHY),
    ],
    ids=lambda event: type(event).__name__,
)
class TestWhatAnOperatorDid:
    def test_names_the_entry_that_says_why(self, event: happened.FlowEvent) -> None:
        name, data = codec.encode("trip", event)

        assert (data["reason"], data["entry_id"]) == ("by an operator", "e1")
        assert codec.decode(name, json.loads(json.dumps(data)), AT) == event

    def test_is_read_as_it_was_written_before_entries_had_the_words(
        self, event: happened.FlowEvent
    ) -> None:
        name, data = codec.encode("trip", event)
        del data["entry_id"]

        read = codec.decode(name, {**data, "reason": "storm"}, AT)

        assert (getattr(read, "reason", ""), getattr(read, "entry_id", "?")) == ("storm", "")


def test_what_no_operator_did_names_no_entry() -> None:
    skipped = happened.StepSkipped(**STEP, reason="outputs not needed")

    assert codec.encode("trip", skipped) == (
        "step_skipped",
        {"flow_id": "trip", "step_id": "wait", "reason": "outputs not needed"},
    )


class TestTheOlderLog:
    def test_calls_a_retry_by_its_older_name(self) -> None:
        event = happened.WorkRetryScheduled(
            **STEP, token="t", retry_count=2, next_retry_at=AT, error="busy"
        )
        name, data = codec.encode("trip", event)

        assert name == "work_retry_scheduled"
        assert codec.decode("retry_scheduled", json.loads(json.dumps(data)), AT) == event

    @pytest.mark.parametrize(
        "name", ["flow_activated", "flow_archiving", "flow_archived", "flow_digest_updated"]
    )
    def test_says_of_its_index_what_no_flow_needs(self, name: str) -> None:
        assert codec.decode(name, {"flow_id": "trip"}, AT) is None
