"""A database that is set back to an older copy under running sockets."""

import pytest

from config.testing.flush import put_all_right
from ledger.access import grants
from tests import trips
from tests.integration.events.fanout.conftest import make_key, make_user
from tests.live import Server, visiting, written

pytestmark = pytest.mark.django_db(transaction=True)


def test_sends_everybody_back_to_where_the_log_is_now(server: Server, secret: str) -> None:
    with visiting(server, secret) as client:
        client.subscribe()
        written(5)
        last = client.hear_events(5)[-1]["position"]
        put_all_right()
        grants.provision()
        written(1)

        assert client.hear_the_end()[0] == 1011
    fresh, _ = make_key(make_user(trips.READ))
    with visiting(server, fresh) as client:
        assert client.subscribe(after=last)["code"] == "after_in_future"
        client.subscribe("again", after=0)
        assert client.hear_events(1)[0]["metadata"]["position"] == 1
