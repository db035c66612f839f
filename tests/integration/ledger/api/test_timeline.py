"""Timelines of targets to which more belongs than is looked at."""

import pytest
from django.contrib.auth.models import User

from ledger import timelines
from ledger.domain.action import Target
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/ledger/timeline?target=thing:t1"


def test_tell_that_something_is_missing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    grant(alice, "ledger.read")
    reader = client_with(issue(alice, ["ledger.*"])[0])
    parts = [Target(type="part", id=f"p{number}") for number in range(3)]
    monkeypatch.setitem(timelines._RELATED, "thing", lambda _id: parts)

    for limit, is_complete in ((3, True), (2, False)):
        monkeypatch.setattr(timelines, "RELATED_MAX", limit)
        assert reader.get(URL).json()["is_complete"] is is_complete
    assert reader.get(f"{URL}&related=false").json()["is_complete"] is True
