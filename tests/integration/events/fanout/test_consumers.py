"""The live feed as its clients meet it: a real server, real sockets, real commits."""

from tests.live import Server, visiting, written


class TestSubscribing:
    def test_sends_what_happens_from_now_on(self, server: Server, secret: str) -> None:
        (before,) = written(1, text="before")
        with visiting(server, secret) as client:
            answer = client.subscribe("a", aggregate_ids=[["note"]])
            (after,) = written(1, text="after")

            (frame,) = client.hear_events(1)

        assert answer["items"] is None
        assert frame == {
            "type": "note.written",
            "sub_id": "a",
            "id": ["note", "n"],
            "data": {"text": "after"},
            "timestamp": int(after.emitted_at.timestamp() * 1000),
            "sequence": after.sequence,
            "position": answer["position"] + 1,
            "metadata": {**after.as_json()["metadata"], "position": answer["position"] + 1},
        }
        assert (before.sequence, after.sequence) == (1, 2)
