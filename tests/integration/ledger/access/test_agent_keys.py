"""The key of an agent is good for whoever has the whole of it."""

import pytest
from django.contrib.auth.models import User

from ledger.access import credentials
from ledger.access.credentials import CredentialRefused
from ledger.domain import api_key as written
from ledger.domain.api_key import SECRET_BYTES
from ledger.models import AgentKey, Entry
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.conftest import issue

pytestmark = pytest.mark.django_db


def refused(text: str) -> bool:
    try:
        credentials.agent_key_for(text)
    except CredentialRefused:
        return True
    return False


class TestTheKeyOfAnAgent:
    def test_is_found_among_others_and_its_use_is_noted(self, ada: User) -> None:
        texts = [key_of(delegated(an_agent(ada, name), "event.read")) for name in ("a", "b")]

        found = [credentials.agent_key_for(text) for text in texts]

        assert [key.prefix for key in found] == [text.split("_")[2] for text in texts]
        assert not AgentKey.objects.filter(last_used_at=None).exists()

    def test_is_shown_once_on_record(self, ada: User) -> None:
        link = delegated(an_agent(ada), "event.read")
        key_of(link)

        [key] = link.keys.all()
        issued, shown = Entry.objects.filter(target_id=str(key.pk)).order_by("action_name")
        assert (issued.action_name, shown.action_name) == (
            "agent_key.issue",
            "agent_key.show_secret",
        )
        assert shown.disclosure.disclosed_fields == ["secret"]

    def test_is_no_other_of_the_same_prefix(self, ada: User) -> None:
        prefix = key_of(delegated(an_agent(ada), "event.read")).split("_")[2]

        forged = written.write(prefix=prefix, random_bytes=bytes(SECRET_BYTES), is_of_agent=True)

        assert refused(forged.text)

    def test_is_there(self, ada: User) -> None:
        assert refused(credentials.new_key(is_of_agent=True).text)

    def test_is_neither_that_of_a_person_nor_any_text(self, ada: User) -> None:
        assert refused(issue(ada, ["*"])[0])
        assert refused("nonsense")
