from http import HTTPStatus

import pytest

from events.domain import problem
from events.domain.errors import DomainError, Forbidden, Throttled, Unauthenticated, Unavailable


class KeyUnknown(Unauthenticated):
    code = "key_unknown"
    hint = "Send another."


class LogAway(Unavailable):
    code = "log_away"


def test_says_what_every_answer_says_and_leaves_out_what_is_empty() -> None:
    document = problem.document(
        LogAway("It is away."), status=HTTPStatus.SERVICE_UNAVAILABLE, docs_url="/docs/errors.md"
    )

    assert document == {
        "type": "/docs/errors.md#log_away",
        "title": "Log away",
        "status": 503,
        "detail": "It is away.",
        "code": "log_away",
    }


@pytest.mark.parametrize(
    ("refusal", "status", "headers"),
    [
        (KeyUnknown("?"), HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": 'Bearer realm="daybook"'}),
        (LogAway("?"), HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"}),
        (Throttled("?"), HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "60"}),
        (Forbidden("?"), HTTPStatus.FORBIDDEN, {}),
    ],
)
def test_says_when_to_come_back_and_with_what(
    refusal: DomainError, status: HTTPStatus, headers: dict[str, str]
) -> None:
    assert problem.headers(refusal, status=status) == headers
