import json
from typing import Any

import pytest

from events.domain import subscription
from events.domain.subscription import BadMessage, Subscribe, Unsubscribe, minimal, parse


def frame(**message: Any) -> str:
    return json.dumps(message)


class TestParse:
    def test_reads_a_subscription_with_everything(self) -> None:
        requested = parse(
            frame(
                type="subscribe",
                sub_id="a",
                aggregate_ids=[["invoice"], ["booking", "b1"]],
                event_types=["invoice.settled", "booking.*"],
                include_state=True,
                after=7,
            )
        )

        assert requested == Subscribe(
            sub_id="a",
            aggregates=(("invoice",), ("booking", "b1")),
            prefixes=(("booking", "b1"), ("invoice",)),
            patterns=("invoice.settled", "booking.*"),
            include_state=True,
            after=7,
        )

    def test_reads_the_fields_inside_data_as_well(self) -> None:
        assert parse(frame(type="subscribe", data={"sub_id": "a"})) == Subscribe(sub_id="a")
        assert parse(frame(type="unsubscribe", data={"sub_id": "a"})) == Unsubscribe(sub_id="a")

    def test_takes_null_for_absent(self) -> None:
        message = frame(
            type="subscribe", sub_id="a", aggregate_ids=None, event_types=None, after=None
        )

        assert parse(message) == Subscribe(sub_id="a")

    @pytest.mark.parametrize(
        ("raw", "code"),
        [
            ("", "message_not_json"),
            ("ping", "message_not_json"),
            ("[]", "message_not_json"),
            ('"subscribe"', "message_not_json"),
            ('{"type":"subscribe","sub_id":"a","sub_id":"b"}', "message_not_json"),
            ('{"type":"subscribe","sub_id":"a","after":NaN}', "message_not_json"),
            ('{"type":"subscribe","sub_id":"\\u0000"}', "message_not_json"),
            ('{"type":"subscribe","sub_id":"\\ud800"}', "message_not_json"),
            ("[" * 100_000 + "]" * 100_000, "message_too_large"),
            ("[" * 900 + "]" * 900, "message_not_json"),
            (frame(type="subscribe", sub_id="x" * 70_000), "message_too_large"),
            (frame(), "message_type_unknown"),
            (frame(type="ping"), "message_type_unknown"),
            (frame(type=["subscribe"], sub_id="a"), "message_type_unknown"),
            (frame(type="subscribe"), "sub_id_invalid"),
            (frame(type="subscribe", sub_id=""), "sub_id_invalid"),
            (frame(type="subscribe", sub_id=7), "sub_id_invalid"),
            (frame(type="subscribe", sub_id="x" * 201), "sub_id_invalid"),
            (frame(type="unsubscribe"), "sub_id_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_id=[["x"]]), "field_unknown"),
            (frame(type="subscribe", sub_id="a", data=7), "field_unknown"),
            (frame(type="subscribe", after=7, data={"sub_id": "a"}), "fields_split"),
            (frame(type="unsubscribe", sub_id="b", data={"sub_id": "a"}), "fields_split"),
            (frame(type="unsubscribe", sub_id="a", after=7), "field_unknown"),
            (frame(type="subscribe", sub_id="a", aggregate_ids="invoice"), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_ids=["invoice"]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_ids=[["flow", 7]]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_ids=[["flow", ""]]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_ids=[["x" * 600]]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", aggregate_ids=[["x"]] * 201), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", event_types={}), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", event_types=[None]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", event_types=["Not A Name"]), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", include_state="yes"), "filter_invalid"),
            (frame(type="subscribe", sub_id="a", after=-1), "after_invalid"),
            (frame(type="subscribe", sub_id="a", after="7"), "after_invalid"),
            (frame(type="subscribe", sub_id="a", after=True), "after_invalid"),
            (frame(type="subscribe", sub_id="a", after=1.0), "after_invalid"),
            (frame(type="subscribe", sub_id="a", after=2**63), "message_not_json"),
        ],
    )
    def test_says_what_is_wrong(self, raw: str, code: str) -> None:
        with pytest.raises(BadMessage) as refused:
            parse(raw)

        assert refused.value.code == code

    def test_says_which_subscription_it_was_about(self) -> None:
        with pytest.raises(BadMessage) as refused:
            parse(frame(type="subscribe", sub_id="a", after=-1))

        assert refused.value.sub_id == "a"
        assert str(refused.value) == "`after` must be a whole number from 0 to 9007199254740991."

    def test_takes_wildcards_in_a_path_literally(self) -> None:
        requested = parse(frame(type="subscribe", sub_id="a", aggregate_ids=[["flow", "%"]]))

        assert isinstance(requested, Subscribe)
        assert not requested.matches(("flow", "f1"), "flow_started")


class TestMatches:
    def test_matches_everything_by_default(self) -> None:
        assert Subscribe(sub_id="a").matches(("invoice", "1"), "invoice.settled")

    @pytest.mark.parametrize(
        ("stream", "expected"),
        [
            (("invoice",), True),
            (("invoice", "1"), True),
            (("invoice", "1", "lines"), True),
            (("invoices",), False),
            (("booking", "1"), False),
            (("booking", "b1"), True),
            (("booking",), False),
        ],
    )
    def test_matches_streams_by_prefix_of_the_path(
        self, stream: tuple[str, ...], *, expected: bool
    ) -> None:
        requested = Subscribe(sub_id="a", prefixes=(("booking", "b1"), ("invoice",)))

        assert requested.matches(stream, "x.y") is expected

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("invoice.settled", True), ("invoice.voided", False), ("booking.made", True)],
    )
    def test_matches_names_exactly_or_by_pattern(self, name: str, *, expected: bool) -> None:
        requested = Subscribe(sub_id="a", patterns=("invoice.settled", "booking.*"))

        assert requested.matches(("invoice", "1"), name) is expected


class TestMinimal:
    def test_drops_what_another_prefix_covers(self) -> None:
        assert minimal([("a", "b"), ("a",), ("b",), ("a", "b", "c"), ("b",)]) == (("a",), ("b",))

    def test_means_everything_by_the_empty_path(self) -> None:
        assert minimal([("a",), ()]) == ()

    def test_keeps_a_sibling_that_begins_alike(self) -> None:
        assert minimal([("a",), ("ab",)]) == (("a",), ("ab",))


def test_the_limit_is_the_one_of_the_documentation() -> None:
    assert subscription.MESSAGE_BYTES_MAX == 64 * 1024
