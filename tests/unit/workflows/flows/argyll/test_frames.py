"""Argyll's live protocol, word by word."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from events.domain.envelope import Category, Envelope, Source
from events.domain.framing import StateItem
from events.domain.principal import Principal, PrincipalKind
from events.domain.subscription import Subscribe, Unsubscribe
from workflows.flows.argyll.frames import ArgyllFraming

FRAMING = ArgyllFraming()


def enveloped(**facts: Any) -> Envelope:
    return Envelope(
        **{
            "data": {},
            "category": Category.INTERNAL,
            "source": Source.SERVICE,
            "event_id": "e",
            "principal": Principal(kind=PrincipalKind.SYSTEM, id="test"),
            "correlation_id": "c",
            "emitted_at": datetime(2026, 11, 21, 12, 0, 0, 12_345, tzinfo=UTC),
            "sequence": 1,
            **facts,
        }
    )


def parsed(**message: Any) -> object:
    return FRAMING.parse(json.dumps(message))


class TestParsing:
    def test_reads_a_subscription(self) -> None:
        wish = parsed(
            type="subscribe",
            data={
                "sub_id": "x",
                "aggregate_ids": [["catalog"], ["flow", "f1"]],
                "event_types": ["flow_started"],
                "include_state": True,
            },
        )

        assert wish == Subscribe(
            sub_id="x",
            aggregates=(("catalog",), ("flow", "f1")),
            prefixes=(("catalog",), ("flow", "f1")),
            patterns=("flow_started",),
            include_state=True,
        )

    def test_reads_names_of_members_in_any_letter_case(self) -> None:
        frame = parsed(Type="subscribe", DATA={"Sub_ID": "x", "Event_Types": ["flow_failed"]})

        assert frame == parsed(
            type="subscribe", data={"sub_id": "x", "event_types": ["flow_failed"]}
        )
        assert frame is not None

    @pytest.mark.parametrize("paths", [None, [], [[]]])
    def test_takes_no_filter_for_its_own_three_kinds(self, paths: object) -> None:
        wish = parsed(type="subscribe", data={"sub_id": "x", "aggregate_ids": paths})

        assert isinstance(wish, Subscribe)
        assert wish.prefixes == (("catalog",), ("cluster",), ("flow",))

    @pytest.mark.parametrize(
        "raw",
        [
            "garbage",
            "[]",
            '{"type":"ping"}',
            '{"type":"subscribe"}',
            '{"type":"subscribe","data":{"aggregate_ids":[["flow"]]}}',
            '{"type":"subscribe","data":{"sub_id":"x","aggregate_ids":"flow"}}',
            '{"type":"subscribe","data":{"sub_id":"x","aggregate_ids":{}}}',
            '{"type":"subscribe","data":{"sub_id":"x","event_types":"flow_started"}}',
            '{"type":"subscribe","data":{"sub_id":"x","event_types":""}}',
            '{"type":"subscribe","data":{"sub_id":"x","event_types":[1]}}',
            '{"type":"subscribe","data":{"sub_id":"x","include_state":1}}',
        ],
    )
    def test_passes_over_what_it_does_not_understand(self, raw: str) -> None:
        assert FRAMING.parse(raw) is None

    def test_lets_nothing_pass_for_filters_that_nothing_can_match(self) -> None:
        filters = {"aggregate_ids": [["flow", "a" * 600]], "event_types": ["nonsense", "*"]}

        wish = parsed(type="subscribe", data={"sub_id": "x", **filters})

        assert isinstance(wish, Subscribe)
        assert not wish.wants_stream(("flow", "a" * 600))
        assert not wish.wants_name("flow_started")

    def test_keeps_what_can_match_of_a_filter(self) -> None:
        filters = {"event_types": ["nonsense", "flow_started"], "aggregate_ids": [["catalog"], []]}

        wish = parsed(type="subscribe", data={"sub_id": "x", **filters})

        assert isinstance(wish, Subscribe)
        assert wish.patterns == ("flow_started",)
        assert wish.prefixes == (("catalog",), ("cluster",), ("flow",))
        assert wish.aggregates == (("catalog",), ())

    def test_reads_an_unsubscription_even_of_nothing(self) -> None:
        assert parsed(type="unsubscribe", data={"sub_id": "x"}) == Unsubscribe(sub_id="x")
        assert parsed(type="unsubscribe") == Unsubscribe(sub_id="")


class TestFrames:
    def test_of_an_event_count_from_zero_and_in_milliseconds(self) -> None:
        event = enveloped(
            name="step_started",
            data={"flow_id": "f"},
            stream=("flow", "f"),
            sequence=2,
        )

        head, tail = FRAMING.event(event) or ("", "")

        assert head + '"x"' + tail == (
            '{"type":"step_started","sub_id":"x","data":{"flow_id":"f"},"id":["flow","f"],'
            '"timestamp":1795262400012,"sequence":1}\n'
        )

    def test_have_large_numbers_in_all_digits(self) -> None:
        event = enveloped(name="attribute_set", stream=("flow", "f"), data={"value": [1e18]})

        _, tail = FRAMING.event(event) or ("", "")

        assert tail.startswith(',"data":{"value":[1000000000000000000]},')

    def test_tell_nothing_of_other_streams(self) -> None:
        assert FRAMING.event(enveloped(name="booking.made", stream=("booking", "b"))) is None

    def test_of_a_subscription_have_null_without_state(self) -> None:
        without = FRAMING.subscribed(sub_id="x", items=None, position=7)
        item = StateItem(stream=("flow", "f"), data={"id": "f"}, sequence=9)
        nothing = StateItem(stream=("flow",), data=None, sequence=0)
        found = FRAMING.subscribed(sub_id="x", items=[item, nothing], position=7)

        assert without == '{"type":"subscribed","sub_id":"x","items":null}\n'
        assert json.loads(found)["items"] == [
            {"id": ["flow", "f"], "data": {"id": "f"}, "sequence": 8},
            {"id": ["flow"], "data": None, "sequence": 0},
        ]

    def test_confirm_an_unsubscription(self) -> None:
        assert FRAMING.unsubscribed(sub_id="x") == '{"type":"unsubscribed","sub_id":"x"}\n'
        assert FRAMING.unsubscribed(sub_id="") == '{"type":"unsubscribed"}\n'
