"""Stories that `manage.py demo` tells: each drives a running Daybook from outside, over HTTP and
WebSocket, as an integrator would, and ends at the first thing that is not as it should be."""

from collections.abc import Callable
from dataclasses import dataclass

from examples.stories import approval, booking, flow
from examples.stories.world import World


@dataclass(frozen=True, slots=True)
class Story:
    summary: str
    tell: Callable[[World], None]


STORIES = {
    "approval": Story("An agent cancels a paid booking, and is held to account.", approval.tell),
    "booking": Story("A booking is made, paid and sent, while things go wrong.", booking.tell),
    "flow": Story("Seats are held, paid and ticketed by flows, while things go wrong.", flow.tell),
}
"""By name. A new story is a module beside this one and a line here."""

DEFAULT = "booking"
