import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from workflows.webhooks.domain import signature

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW, OTHER = (f"whsec_{letter * 32}" for letter in "abc")
BODY = b'{"name":"invoice.issued"}'


def signed(*secrets: str) -> dict[str, str]:
    return signature.headers(message_id="evt_1_s", body=BODY, secrets=secrets, at=NOON)


class TestHeaders:
    @pytest.mark.parametrize("known", [OLD, NEW])
    def test_are_verified_with_the_old_secret_and_with_the_new_one(self, known: str) -> None:
        with time_machine.travel(NOON, tick=False):
            assert Webhook(known).verify(BODY, signed(NEW, OLD)) == json.loads(BODY)

    def test_are_not_verified_with_any_other_secret(self) -> None:
        with (
            time_machine.travel(NOON, tick=False),
            pytest.raises(WebhookVerificationError, match="No matching signature"),
        ):
            Webhook(OTHER).verify(BODY, signed(NEW, OLD))

    def test_are_not_verified_when_a_byte_is_missing(self) -> None:
        with (
            time_machine.travel(NOON, tick=False),
            pytest.raises(WebhookVerificationError, match="No matching signature"),
        ):
            Webhook(NEW).verify(BODY[:-1], signed(NEW))

    def test_say_when_they_were_made(self) -> None:
        assert signed(NEW)["webhook-timestamp"] == "1772366400"
        assert signed(NEW)["webhook-id"] == "evt_1_s"
        assert len(signed(NEW, OLD)["webhook-signature"].split(" ")) == 2


class TestMessageId:
    def test_is_one_per_event_and_subscription(self) -> None:
        one, two = UUID(int=1), UUID(int=2)

        assert signature.message_id("evt_a", one) == f"evt_a_{'0' * 31}1"
        assert signature.message_id("evt_a", one) != signature.message_id("evt_a", two)

    def test_says_of_which_event_and_for_whom_it_is(self) -> None:
        message = signature.message_id("evt_booking_made_7", UUID(int=1))

        assert signature.parts_of(message) == ("evt_booking_made_7", UUID(int=1))
        assert [signature.parts_of(each) for each in ("evt_a", f"_{'0' * 32}", "evt_0f")] == [
            None
        ] * 3

    def test_has_no_dot_because_the_signed_text_is_joined_by_dots(self) -> None:
        assert "." not in signature.message_id("evt_invoice.issued_7", UUID(int=1))
