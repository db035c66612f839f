from datetime import UTC, datetime

import pytest

from workflows.webhooks.domain.verdict import (
    Decision,
    ErrorClass,
    of_failure,
    of_status,
    retry_after_seconds,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestOfStatus:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_takes_any_2xx_as_an_acknowledgement(self, status: int) -> None:
        assert of_status(status, {}, now=NOON).decision is Decision.DELIVERED

    @pytest.mark.parametrize(
        ("status", "decision", "error_class", "hurts"),
        [
            (301, Decision.RETRY, ErrorClass.CLIENT, False),
            (400, Decision.RETRY, ErrorClass.CLIENT, False),
            (401, Decision.RETRY, ErrorClass.CLIENT, False),
            (404, Decision.RETRY, ErrorClass.CLIENT, False),
            (410, Decision.GONE, ErrorClass.CLIENT, False),
            (429, Decision.RETRY, ErrorClass.RATE_LIMITED, False),
            (500, Decision.RETRY, ErrorClass.SERVER, True),
            (503, Decision.RETRY, ErrorClass.SERVER, True),
        ],
    )
    def test_sorts_the_rest(
        self,
        status: int,
        decision: Decision,
        error_class: ErrorClass,
        hurts: bool,  # noqa: FBT001 (a column of the table)
    ) -> None:
        verdict = of_status(status, {}, now=NOON)

        assert (verdict.decision, verdict.error_class) == (decision, error_class)
        assert verdict.hurts_endpoint is hurts
        assert verdict.error == f"The receiver answered {status}."

    @pytest.mark.parametrize("status", [302, 404, 408, 413, 425, 429, 500, 503])
    def test_honours_retry_after_whatever_it_comes_with(self, status: int) -> None:
        assert of_status(status, {"retry-after": "90"}, now=NOON).retry_after == 90


class TestOfFailure:
    def test_gives_up_what_was_refused(self) -> None:
        assert of_failure(ErrorClass.REFUSED, "no").decision is Decision.GIVE_UP

    @pytest.mark.parametrize("error_class", [ErrorClass.NETWORK, ErrorClass.TIMEOUT])
    def test_tries_again_what_did_not_come_through(self, error_class: ErrorClass) -> None:
        verdict = of_failure(error_class, "silence")

        assert verdict.decision is Decision.RETRY
        assert verdict.hurts_endpoint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, 999999999),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 12:01:00", 60),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("Sun, 99 Foo 2026 12:01:00 GMT", None),
        ("Sun, 01 Mar 99999999999999999999 12:01:00 GMT", None),
        ("Sun, 01 Mar 2026 99999999999999999999:01:00 GMT", None),
        ("Sun, 01 Mar 2026 12:01:00 +99999999999999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    text: str | None, seconds: float | None
) -> None:
    assert retry_after_seconds(text, now=NOON) == seconds
