"""The live feed as its clients meet it: a real server, real sockets, real commits."""

import json
from typing import Any

import pytest

from config.websockets import MESSAGE_BYTES_MAX
from events.domain.envelope import Stream
from events.sourcing import executor
from tests import trips
from tests.integration.events.fanout.conftest import make_key, make_user
from tests.live import Client, Frame, Server, happen, is_event, sequence, visiting, written

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(frames: list[Frame]) -> list[tuple[str, int]]:
    return [(frame["sub_id"], frame["sequence"]) for frame in frames]


class TestSubscribing:
    def test_sends_what_happens_from_now_on(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        written(1, stream, text="before")
        with visiting(server, secret) as client:
            answer = client.subscribe("a", aggregate_ids=[["note"]])
            (after,) = written(1, stream, text="after")

            (frame,) = client.hear_events(1)

        assert answer["items"] is None
        assert frame == {
            "type": "note.written",
            "sub_id": "a",
            "id": list(stream),
            "data": {"text": "after"},
            "timestamp": int(after.emitted_at.timestamp() * 1000),
            "sequence": 2,
            "position": answer["position"] + 1,
            "metadata": {**after.as_json()["metadata"], "position": answer["position"] + 1},
        }

    def test_takes_the_fields_inside_data_as_well(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            client.say("subscribe", data={"sub_id": "a", "aggregate_ids": [list(stream)]})
            client.hear_type("subscribed")
            written(1, stream)

            assert numbers(client.hear_events(1)) == [("a", 1)]

    def test_filters_by_prefix_and_type(self, server: Server, secret: str, stream: Stream) -> None:
        with visiting(server, secret) as client:
            client.subscribe(
                "a", aggregate_ids=[list(stream)], event_types=["note.written", "trip.*"]
            )
            client.subscribe("b", aggregate_ids=[list(stream)], event_types=["note.torn"])
            client.subscribe("c", aggregate_ids=[list(stream)], event_types=["note.*"])
            happen((stream, "note.written"), ((*stream, "x"), "note.torn"))

            frames = client.hear_events(4)

        assert sorted((frame["sub_id"], frame["type"]) for frame in frames) == [
            ("a", "note.written"),
            ("b", "note.torn"),
            ("c", "note.torn"),
            ("c", "note.written"),
        ]

    def test_sends_an_event_once_for_each_subscription_that_matches(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            client.subscribe("a")
            client.subscribe("b", aggregate_ids=[["note"], list(stream), ["trip"]])
            client.subscribe("c", aggregate_ids=[list(stream)])
            client.subscribe("d", aggregate_ids=[["trip"]])
            written(2, stream)

            frames = client.hear_events(6)
            client.hear_type("heartbeat")

        assert sorted(numbers(frames)) == [(name, n) for name in "abc" for n in (1, 2)]
        assert len([frame for frame in client.heard if is_event(frame)]) == 6

    def test_replaces_a_subscription_of_the_same_name(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            client.subscribe("a")
            client.subscribe("a", aggregate_ids=[["trip"]])
            happen((stream, "note.written"), (("trip", stream[1]), "trip.leg-travelled"))

            (frame,) = client.hear_events(1)

        assert frame["type"] == "trip.leg-travelled"

    def test_ends_when_unsubscribed(self, server: Server, secret: str, stream: Stream) -> None:
        with visiting(server, secret) as client:
            client.subscribe("a")
            client.subscribe("b")
            client.say("unsubscribe", sub_id="a")
            assert client.hear_type("unsubscribed") == {"type": "unsubscribed", "sub_id": "a"}
            written(1, stream)

            assert numbers(client.hear_events(1)) == [("b", 1)]

    def test_confirms_the_end_of_what_never_began(self, server: Server, secret: str) -> None:
        with visiting(server, secret) as client:
            client.say("unsubscribe", sub_id="nothing")

            assert client.hear_type("unsubscribed")["sub_id"] == "nothing"

    def test_says_how_far_the_log_is_when_nothing_happens(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            position = client.subscribe("a", aggregate_ids=[["trip"]])["position"]
            written(2, stream)

            beat = client.hear(lambda frame: frame.get("position") == position + 2)

        assert beat == {"type": "heartbeat", "position": position + 2, "after": position + 2}


class TestState:
    def test_comes_with_the_subscription_and_older_events_do_not(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        trip = ("trip", stream[1])
        for place in ("Ulm", "Bonn"):
            executor.execute(trips.TRIP, trip, place)
        # Not sequenced yet: the feed will come to them after the state was read.
        with visiting(server, secret) as client:
            answer = client.subscribe("a", aggregate_ids=[list(trip)], include_state=True)
            executor.execute(trips.TRIP, trip, "Kiel")
            sequence()

            (frame,) = client.hear_events(1)

        assert answer["items"] == [{"id": list(trip), "data": {"legs": 2}, "sequence": 3}]
        assert (frame["sequence"], frame["data"]) == (3, {"to": "Kiel"})

    def test_is_asked_for_in_the_name_of_whoever_subscribes(
        self, server: Server, stream: Stream
    ) -> None:
        mirror = ("mirror", stream[1])
        executor.execute(trips.MIRROR, mirror, "the wall")
        secret, _ = make_key(make_user(trips.READ))
        with visiting(server, secret) as client:
            answer = client.subscribe("a", aggregate_ids=[list(mirror)], include_state=True)

        prefix = secret.split("_")[1]
        [item] = answer["items"]
        assert item["data"] == {"seen_by": f"api_key:{prefix}"}

    def test_without_it_they_do(self, server: Server, secret: str, stream: Stream) -> None:
        trip = ("trip", stream[1])
        executor.execute(trips.TRIP, trip, "Ulm")
        with visiting(server, secret) as client:
            client.subscribe("a", aggregate_ids=[list(trip)])
            sequence()

            assert client.hear_events(1)[0]["sequence"] == 1

    def test_is_null_for_a_prefix_and_left_out_for_what_never_happened(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        written(1, stream)
        paths = [["note"], list(stream), ["trip", "never"], []]
        with visiting(server, secret) as client:
            answer = client.subscribe("a", aggregate_ids=paths, include_state=True)

        assert answer["items"] == [
            {"id": ["note"], "data": None, "sequence": 0},
            {"id": list(stream), "data": None, "sequence": 0},
            {"id": [], "data": None, "sequence": 0},
        ]


class TestResuming:
    def test_goes_on_where_it_was_told_and_then_live(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        # More than the queue of this server holds, so that it takes several pages.
        written(150, stream)
        with visiting(server, secret) as client:
            head = client.subscribe("all", aggregate_ids=[list(stream)], after=0)["position"]
            client.hear_events(10)
            written(5, stream)
            client.hear_events(145)

        events = [frame for frame in client.heard if is_event(frame)]
        assert [frame["sequence"] for frame in events] == list(range(1, 156))
        assert events[149]["position"] == head

    def test_goes_on_from_memory_after_a_short_absence(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as watcher, visiting(server, secret) as client:
            watcher.subscribe("keeps-the-reader-awake")
            written(3, stream)
            third = watcher.hear_events(3)[-1]["position"]

            client.subscribe("a", aggregate_ids=[list(stream)], after=third - 2)

            assert [frame["sequence"] for frame in client.hear_events(2)] == [2, 3]

    def test_may_start_after_what_this_process_has_read(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            position = client.subscribe("a")["position"]
            written(3, stream)
            answer = client.subscribe("b", after=position + 2)

            written(1, stream)
            client.hear(lambda frame: frame.get("sub_id") == "b" and frame.get("sequence") == 4)

        assert answer["type"] == "subscribed"
        heard = [frame for frame in client.heard if is_event(frame)]
        assert [n for name, n in numbers(heard) if name == "a"] == [1, 2, 3, 4]
        assert [n for name, n in numbers(heard) if name == "b"] == [3, 4]

    @pytest.mark.parametrize("cuts", [(1, 7, 30), (2, 2, 2, 2)])
    def test_reconnecting_loses_and_repeats_nothing(
        self, server: Server, secret: str, stream: Stream, cuts: tuple[int, ...]
    ) -> None:
        after = written_before = 0
        got: list[int] = []
        for cut in (*cuts, None):
            written(20, stream)
            written_before += 20
            with visiting(server, secret) as client:
                client.subscribe("a", aggregate_ids=[list(stream)], after=after)
                wanted = written_before - len(got) if cut is None else cut
                frames = client.hear_events(wanted)
            got += [frame["sequence"] for frame in frames]
            after = frames[-1]["position"]

        assert got == list(range(1, written_before + 1))


class TestMistakes:
    @pytest.mark.parametrize(
        ("message", "code", "sub_id"),
        [
            ("ping", "message_not_json", None),
            ('{"type":"ping"}', "message_type_unknown", None),
            ('{"type":"subscribe"}', "sub_id_invalid", None),
            ('{"type":"subscribe","sub_id":"b","after":-1}', "after_invalid", "b"),
            ('{"type":"subscribe","sub_id":"b","after":9007199254740991}', "after_in_future", "b"),
            ('{"type":"subscribe","sub_id":"b","aggregate_ids":[[7]]}', "filter_invalid", "b"),
            ("[" * 900 + "]" * 900, "message_not_json", None),
            (json.dumps({"type": "subscribe", "sub_id": "x" * 70_000}), "message_too_large", None),
            (b'{"type":"subscribe","sub_id":"b"}', "message_not_text", None),
        ],
    )
    def test_are_named_and_cost_nothing(
        self,
        server: Server,
        secret: str,
        stream: Stream,
        message: str | bytes,
        code: str,
        sub_id: str | None,
    ) -> None:
        with visiting(server, secret) as client:
            client.subscribe("a", aggregate_ids=[list(stream)])
            client.connection.send(message)
            error = client.hear_type("error")
            written(1, stream)

            assert numbers(client.hear_events(1)) == [("a", 1)]
        assert (error["code"], error.get("sub_id")) == (code, sub_id)
        assert error["detail"]

    def test_a_bad_replacement_leaves_the_subscription_as_it_was(
        self, server: Server, secret: str, stream: Stream
    ) -> None:
        with visiting(server, secret) as client:
            client.subscribe("a", aggregate_ids=[list(stream)])
            assert client.subscribe("a", after=2**53 - 1)["code"] == "after_in_future"
            written(1, stream)

            assert numbers(client.hear_events(1)) == [("a", 1)]

    def test_there_is_an_end_to_subscriptions(self, server: Server, secret: str) -> None:
        with visiting(server, secret) as client:
            answers = [_answer(client, number) for number in range(102)]

        assert [answer["type"] for answer in answers[:100]] == ["subscribed"] * 100
        assert {answer["code"] for answer in answers[100:]} == {"too_many_subscriptions"}


class TestFlood:
    def test_a_message_beyond_all_measure_closes_the_socket(
        self, server: Server, secret: str
    ) -> None:
        with visiting(server, secret) as client:
            client.connection.send("x" * (MESSAGE_BYTES_MAX + 1))

            assert client.hear_the_end()[0] == 1009


def _answer(client: Client, number: int) -> Any:
    return client.subscribe(f"s{number}", aggregate_ids=[["trip", "none"]])
