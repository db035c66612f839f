"""Every operation of the API, with what its description allows and what it does not.

As a key of a superuser with all scopes: nothing is spared by a 403. Never a 5xx, never an
answer that the description does not know.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from tests.integration.ledger.conftest import issue

EXAMPLES_PER_OPERATION, OF_A_SOAK = 2, 20
ASKED_ALWAYS, ASKED_OF = 6, 12
"""Some bodies give 300 cases, most of them alike: all of the first, then one in so many."""

_cases: defaultdict[str, "count[int]"] = defaultdict(count)


@pytest.fixture
def authorization(db: None) -> str:
    return f"Bearer {issue(User.objects.create_superuser('root'), ['*'])[0]}"


@pytest.fixture(autouse=True)
def _requests_leave_the_connection_to_the_test() -> Iterator[None]:
    """As Django's own test client has it: it is in the transaction of the test."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


# Public, and made without the database.
schema = schemathesis.openapi.from_wsgi(
    "/api/schema/",
    application,
    config=schemathesis.Config.from_dict(
        {
            # With 412 (a precondition) and 413 beside those it knows.
            "checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}},
            # What nobody answers is asked once, in test_problems.
            "phases": {"coverage": {"unexpected-methods": []}},
        }
    ),
)


def explored(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@schema.parametrize()
@explored(EXAMPLES_PER_OPERATION)
def test_every_operation_answers_as_described(
    case: "schemathesis.Case[Any]", authorization: str
) -> None:
    if _is_asked(next(_cases[case.operation.label])):
        assert status_as_described(case, authorization) < 500


@pytest.mark.soak
@schema.parametrize()
@explored(OF_A_SOAK)
def test_every_operation_answers_everything_as_described(
    case: "schemathesis.Case[Any]", authorization: str
) -> None:
    assert status_as_described(case, authorization) < 500


def status_as_described(case: "schemathesis.Case[Any]", authorization: str) -> int:
    """Ask, and return the status of an answer that is as it was described.

    :raises schemathesis.errors.Failure: if it is not.
    """
    answer = case.call_and_validate(
        headers={"Authorization": authorization},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
            negative_data_rejection,
        ],
    )
    return int(answer.status_code)


def _is_asked(number: int) -> bool:
    return number < ASKED_ALWAYS or number % ASKED_OF == 0
