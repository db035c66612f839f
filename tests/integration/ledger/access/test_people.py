"""What pages call who acts."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.access import people
from ledger.models import ApiKey
from tests.integration.ledger.agents import an_agent
from tests.integration.ledger.conftest import issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


def test_users_go_by_their_name(ada: User) -> None:
    assert people.names_of([f"user:{ada.pk}"]) == {f"user:{ada.pk}": "ada"}


def test_programs_go_by_their_name_and_whose_they_are(ada: User) -> None:
    _, key_id = issue(ada, ["*"], name="Till")
    key = f"api_key:{ApiKey.objects.get(pk=key_id).prefix}"
    agent = f"agent:{an_agent(ada).pk}@01a222ba-f185-7628-9243-9b8e15600350"

    assert people.names_of([key, agent]) == {
        key: "key “Till” of ada",
        agent: "agent “clerk” of ada",
    }


def test_many_take_as_many_queries_as_one_of_each_kind(ada: User) -> None:
    def written(number: int) -> list[str]:
        _, key_id = issue(ada, ["*"], name=f"Till {number}")
        key = ApiKey.objects.get(pk=key_id).prefix
        return [f"user:{ada.pk}", f"api_key:{key}", f"agent:{an_agent(ada, f'a{number}').pk}@d1"]

    def count(asked: list[str]) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert all(
                " of ada" in name or name == "ada" for name in people.names_of(asked).values()
            )
        return len(queries)

    one = written(1)
    many = [*one, *written(2), *written(3)]

    assert count(many) == count(one)


def test_the_system_is_daybook_itself() -> None:
    assert people.names_of(["system:daybook"]) == {"system:daybook": "Daybook itself"}


def test_who_is_nobody_stays_as_they_are_written() -> None:
    nobody = ["agent:01a222ba-f185-7628-9243-9b8e15600350@d1", "api_key:gone", "user:nobody"]

    assert people.names_of(nobody) == {each: each for each in nobody}
