"""When a start is due next, as its page tells it."""

import pytest

from workflows.flows.models import FlowStart
from workflows.flows.triggers import starts


@pytest.mark.parametrize(
    ("stated", "count"),
    [
        ({"cron": "30 6 * * 1-5", "tz": "Europe/Berlin", "enabled": True}, starts.SLOTS_SHOWN),
        ({"cron": "30 6 * * 1-5", "tz": "Europe/Berlin", "enabled": False}, 0),
        ({"event": "wind.rose", "enabled": True}, 0),
        # Declared on a machine that knew the zone. Its page is where it is declared anew.
        ({"cron": "30 6 * * 1-5", "tz": "Mars/Base", "enabled": True}, 0),
    ],
)
def test_are_told_of_a_start_that_fires(stated: dict[str, object], count: int) -> None:
    assert len(starts.slots_to_come(FlowStart(**stated))) == count
