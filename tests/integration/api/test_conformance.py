"""Every operation of the API, with what its description allows and what it does not.

As a key of a superuser with all scopes: nothing is spared by a 403. Never a 5xx, never an
answer that the description does not know.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.bootstrap import ROOT
from config.testing.flush import put_all_right
from config.wsgi import application
from tests.integration.ledger.conftest import issue

DOCUMENT = ROOT / "docs" / "openapi.yaml"
RANDOM_ONES_OF_A_SOAK = 20
ASKED_ALWAYS, ASKED_OF = {0, 3}, 30
"""Some bodies give 300 cases, most of them alike: two of the first, then one in so many.

The other ones of the first vary the `Idempotency-Key`, which is read in one place for all.
"""

Ask = Callable[..., None]


@pytest.fixture(scope="module")
def authorization(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """A key for the whole file: what a test does with it is taken back."""
    with django_db_blocker.unblock():
        yield f"Bearer {issue(User.objects.create_superuser('root'), ['*'])[0]}"
        put_all_right()


@pytest.fixture(autouse=True, scope="module")
def _requests_leave_the_connection_to_the_test() -> Iterator[None]:
    """As Django's own test client has it: it is in the transaction of the test."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def documented() -> list[str]:
    """Return the operations as `POST /api/v1/bookings`, without describing the API anew.

    As docs/openapi.yaml has them, which tests/architecture compares with the code. Every worker
    collects this file, and to ask for the description and draw all cases took it half a minute.
    """
    lines = re.findall(
        r"^  (/.*):$|^    (get|post|put|patch|delete):$", DOCUMENT.read_text(), re.MULTILINE
    )
    found: list[str] = []
    latest = ""
    for path, method in lines:
        latest = path or latest
        if method:
            found.append(f"{method.upper()} {latest}")
    return found


@pytest.fixture(scope="module")
def description(
    _requests_leave_the_connection_to_the_test: None,
) -> "schemathesis.BaseSchema":
    """Return how the API describes itself. Public, and made without the database."""
    return schemathesis.openapi.from_wsgi(
        "/api/schema/?format=json",
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


def explored(*phases: Phase) -> settings:
    return settings(
        max_examples=RANDOM_ONES_OF_A_SOAK,
        deadline=None,
        derandomize=True,
        database=None,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )


@explored(Phase.explicit)
def ask_a_sample(case: "schemathesis.Case[Any]", authorization: str, statuses: list[int]) -> None:
    statuses.append(status_as_described(case, authorization))


@explored(Phase.explicit, Phase.generate)
def ask_everything(case: "schemathesis.Case[Any]", authorization: str, statuses: list[int]) -> None:
    statuses.append(status_as_described(case, authorization))


def drawn(description: "schemathesis.BaseSchema", ask: Ask) -> dict[str, Ask]:
    """Return by operation what asks all its cases."""
    results = get_all_tests(schema=description, test_func=ask, settings=None, given_kwargs=None)
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    return {operation.label: test for operation, test in operations}


def sampled(ask: Any) -> Ask:
    """Leave to what asks all cases the plainest, two of the first, and some of the others.

    Hypothesis takes longer over a case that is passed by than many an operation does to answer.
    """
    every = ask.hypothesis_explicit_examples[::-1]  # It begins at the end.
    plain = min(range(len(every)), key=lambda number: _frills_of(every[number].kwargs["case"]))
    asked = [case for number, case in enumerate(every) if number == plain or _is_asked(number)]
    ask.hypothesis_explicit_examples = asked[::-1]
    kept: Ask = ask
    return kept


@pytest.fixture(scope="module")
def samples(description: "schemathesis.BaseSchema") -> dict[str, Ask]:
    return {label: sampled(ask) for label, ask in drawn(description, ask_a_sample).items()}


@pytest.fixture(scope="module")
def cases(description: "schemathesis.BaseSchema") -> dict[str, Ask]:
    return drawn(description, ask_everything)


def test_every_operation_is_asked(samples: dict[str, Ask]) -> None:
    assert sorted(documented()) == sorted(samples)


@pytest.mark.django_db
@pytest.mark.parametrize("operation", documented())
def test_every_operation_answers_as_described(
    operation: str, samples: dict[str, Ask], authorization: str
) -> None:
    statuses: list[int] = []

    samples[operation](authorization=authorization, statuses=statuses)

    assert statuses
    assert max(statuses) < 500


@pytest.mark.soak
@pytest.mark.django_db
@pytest.mark.parametrize("operation", documented())
def test_every_operation_answers_everything_as_described(
    operation: str, cases: dict[str, Ask], authorization: str
) -> None:
    statuses: list[int] = []

    cases[operation](authorization=authorization, statuses=statuses)

    assert statuses
    assert max(statuses) < 500


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


def _frills_of(case: "schemathesis.Case[Any]") -> tuple[bool, int]:
    """Return whether it is wrong on purpose, and of how many parameters that may be left out."""
    meta = case.meta
    assert meta is not None
    return meta.generation.mode.is_negative, len(case.query or ()) + len(case.headers or ())


def _is_asked(number: int) -> bool:
    return number in ASKED_ALWAYS or number % ASKED_OF == ASKED_OF // 2
