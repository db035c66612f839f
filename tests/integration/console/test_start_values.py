"""The values that the forms of starts take: nothing is lost, and nothing else is taken."""

import html
import re

import pytest
from django.contrib.auth.models import User

from events import context
from events.domain.principal import Principal, PrincipalKind
from tests.integration.console.conftest import Visitor
from tests.integration.console.reading import page_of
from tests.integration.console.test_steps import register
from workflows.flows.execution import engine
from workflows.flows.models import FlowStart, FlowSummary
from workflows.flows.triggers import starts

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("weather"),
]

KEEPERS = ("step.read", "flow.read", "flow.start", "flow_start.manage")
START = {"goal": "hold", "flow_id": "t1"}


@pytest.mark.parametrize(("written", "kept"), [("", {}), ('""', {"note": [""]})])
def test_an_empty_text_stays_until_it_is_taken_away(
    visitor: Visitor, written: str, kept: dict[str, list[str]]
) -> None:
    register("hold", note={"role": "optional", "type": "string"})
    keeper = visitor(*KEEPERS)
    with context.acting(Principal(kind=PrincipalKind.USER, id=str(User.objects.get().pk))):
        starts.declare_start(name="odd", goals=["hold"], event="wind.rose", init={"note": [""]})
    page = page_of(keeper, "/flows/starts/odd/edit")
    shown = re.search(r'name="value\.note" value="([^"]*)"', page)
    assert shown is not None
    assert html.unescape(shown[1]) == '""'

    sent = {"goals": "hold", "by": "event", "event": "wind.rose", "value.note": written}
    assert keeper.post("/flows/starts/odd/edit", sent).status_code == 302

    assert FlowStart.objects.get().init == kept


def test_null_is_the_only_value_of_its_type(visitor: Visitor) -> None:
    register("hold", none={"role": "required", "type": "null"})
    keeper = visitor(*KEEPERS)

    refused = keeper.post("/flows/start", START | {"init.none": "nothing"})
    missing = keeper.post("/flows/start", START | {"init.none": ""})

    assert (refused.status_code, missing.status_code) == (400, 400)
    assert "Select a valid choice" in refused.content.decode()
    assert not FlowSummary.objects.exists()

    assert keeper.post("/flows/start", START | {"init.none": "null"}).status_code == 302
    flow = engine.flow("t1")
    assert flow is not None
    assert flow.init == {"none": [None]}
