"""What may be done about a flow from its page, by whom, and what comes of it."""

import html
import re

import pytest
from django.test import Client

from tests.integration.console.conftest import Visitor
from tests.integration.console.flow_pages import OPERATORS, READERS, flow, part, register
from tests.integration.console.reading import page_of
from workflows.flows import services
from workflows.flows.models import FlowSummary

pytestmark = pytest.mark.django_db(transaction=True)


class TestActions:
    def test_are_offered_as_state_and_visitor_allow(self, visitor: Visitor, trip: str) -> None:
        operator, reader = visitor(*OPERATORS), visitor(*READERS, name="bob")

        def offers(client: Client, query: str = "") -> set[str]:
            page = page_of(client, f"/flows/{trip}{query}")
            return set(re.findall(rf'action="/flows/{trip}/([\w/]+)"', page))

        assert offers(operator) == {"pause", "cancel"}
        assert offers(operator, "?step=hold") == {"pause", "cancel"}
        assert offers(operator, "?step=pay") == {
            "pause",
            "cancel",
            "steps/pay/skip",
            "steps/pay/force",
            "steps/pay/retry",
        }
        assert offers(reader, "?step=pay") == set()

    def test_pause_and_resume_hold_it_and_let_it_go(self, visitor: Visitor, trip: str) -> None:
        client = visitor(*OPERATORS)

        paused = client.post(f"/flows/{trip}/pause", {"reason": "the till"}, follow=True)
        assert flow(trip).is_paused
        assert "It is paused since " in paused.content.decode()
        assert "; somebody has to resume it." in paused.content.decode()
        client.post(f"/flows/{trip}/resume", {"reason": "the till is back"})

        assert not flow(trip).is_paused

    def test_cancel_ends_it_and_says_why_as_long_as_the_words_are_there(
        self, visitor: Visitor, trip: str
    ) -> None:
        client = visitor(*OPERATORS)
        client.post(f"/flows/{trip}/cancel", {"reason": "Ordered twice"})

        assert (flow(trip).status, flow(trip).error) == (
            "failed",
            "flow cancelled: by an operator",
        )
        assert "Ordered twice" in page_of(client, f"/flows/{trip}")

    def test_are_listed_with_the_name_of_who_acted(self, visitor: Visitor, trip: str) -> None:
        client = visitor(*OPERATORS, name="olga")
        client.post(f"/flows/{trip}/pause", {"reason": "the till"})
        client.post(f"/flows/{trip}/resume", {"reason": "the till is back"})
        client.post(f"/flows/{trip}/steps/pay/skip", {"reason": "paid in cash"})

        events = part(page_of(client, f"/flows/{trip}"), "events")

        assert "step_skipped paid in cash by olga pay" in events
        assert "flow_resumed the till is back by olga" in events
        assert "flow_paused the till by olga" in events

    def test_retry_does_not_wait_any_longer(self, visitor: Visitor, trip: str) -> None:
        [token] = flow(trip).executions["pay"].order

        visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/retry", {"reason": "It is back", "token": token}
        )

        assert flow(trip).executions["pay"].items[token].status == "active"

    def test_force_says_what_the_step_gave(self, visitor: Visitor, trip: str) -> None:
        visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/force",
            {"reason": "Paid in cash", "outputs": '{"receipt": "r1"}'},
        )

        assert flow(trip).values("receipt")[0].value == "r1"

    @pytest.mark.parametrize("outputs", ["[1]", "{", '{"a": NaN}'])
    def test_force_marks_what_is_no_object_and_does_nothing(
        self, visitor: Visitor, trip: str, outputs: str
    ) -> None:
        response = visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/force", {"reason": "Cash", "outputs": outputs}
        )

        assert response.status_code == 400
        assert "JSON" in part(response.content.decode(), "picked")
        assert flow(trip).executions["pay"].status == "active"

    def test_force_marks_what_the_step_does_not_declare_and_keeps_what_was_typed(
        self, visitor: Visitor, trip: str
    ) -> None:
        response = visitor(*OPERATORS).post(
            f"/flows/{trip}/steps/pay/force", {"reason": "Cash", "outputs": '{"recipe": 1}'}
        )

        shown = html.unescape(part(response.content.decode(), "picked"))
        assert response.status_code == 400
        assert "output recipe of step pay is not declared" in shown
        assert '{"recipe": 1}' in shown
        assert flow(trip).executions["pay"].status == "active"

    def test_skip_does_without_the_step(self, visitor: Visitor, trip: str) -> None:
        visitor(*OPERATORS).post(f"/flows/{trip}/steps/pay/skip", {"reason": "Free of charge"})

        assert flow(trip).executions["pay"].status == "skipped"

    def test_say_so_when_the_state_has_changed_meanwhile(self, visitor: Visitor, trip: str) -> None:
        services.cancel_flow(flow_id=trip, reason="Over", compensates=False)

        response = visitor(*OPERATORS).post(
            f"/flows/{trip}/pause", {"reason": "Hold on"}, follow=True
        )

        assert "fork it to try again with other inputs" in response.content.decode()

    @pytest.mark.parametrize(
        ("path", "capability"),
        [
            ("pause", "flow.pause"),
            ("cancel", "flow.cancel"),
            ("steps/pay/skip", "flow.intervene"),
            ("fork", "flow.fork"),
        ],
    )
    def test_need_a_capability_each_and_a_reason(
        self, visitor: Visitor, trip: str, path: str, capability: str
    ) -> None:
        others = [each for each in OPERATORS if each != capability]
        before = flow(trip)

        refused = visitor(*others).post(f"/flows/{trip}/{path}", {"reason": "Because"})
        incomplete = visitor(*OPERATORS, name="eve").post(f"/flows/{trip}/{path}", {"reason": " "})

        assert (refused.status_code, incomplete.status_code) == (403, 400)
        assert flow(trip) == before


class TestFork:
    def test_begins_anew_with_edited_inputs_and_keeps_the_original(
        self, visitor: Visitor, trip: str
    ) -> None:
        client = visitor(*OPERATORS)
        page = page_of(client, f"/flows/{trip}/fork?from=pay")
        assert '<option value="pay" selected>' in page

        response = client.post(
            f"/flows/{trip}/fork",
            {
                "from_step": "pay",
                "new_flow_id": "trip-2",
                "init.card": '["5151"]',
                "reason": "Another card",
            },
        )

        assert response["Location"] == "/flows/trip-2"
        assert flow("trip-2").values("card")[0].value == "5151"
        assert flow("trip-2").executions["hold"].status == "completed"
        assert flow(trip).values("card")[0].value == "4242"
        assert "forked from" in page_of(client, "/flows/trip-2")

    @pytest.mark.usefixtures("step_functions")
    def test_was_not_started_by_what_started_the_original(self, visitor: Visitor) -> None:
        register("hold", seat="output")
        options = {"started_by_start": "nightly"}
        services.start_flow(flow_id="a", goals=["hold"], init={}, options=options)
        services.fork_flow(flow_id="a", new_flow_id="b", from_step="hold")
        client = visitor(*OPERATORS)

        assert "started by nightly" in part(page_of(client, "/flows/a"), "head")
        forked = part(page_of(client, "/flows/b"), "head")
        assert "forked from a" in forked
        assert "started by" not in forked

    def test_again_is_offered_under_an_id_that_no_flow_has(
        self, visitor: Visitor, trip: str
    ) -> None:
        client = visitor(*OPERATORS)
        ask = {"from_step": "pay", "reason": "Try again"}

        for new_id in ("trip-fork", "trip-fork-2"):
            page = page_of(client, f"/flows/{trip}/fork")
            assert f'name="new_flow_id" value="{new_id}"' in page
            client.post(f"/flows/{trip}/fork", {**ask, "new_flow_id": new_id})

        assert FlowSummary.objects.filter(forked_from=trip).count() == 2

    def test_takes_a_value_for_edited_that_only_python_takes_for_equal(
        self, visitor: Visitor, trip: str
    ) -> None:
        ask = {"from_step": "pay", "reason": "Try again"}
        client = visitor(*OPERATORS)
        client.post(f"/flows/{trip}/fork", {**ask, "new_flow_id": "one", "init.card": "[1]"})

        client.post("/flows/one/fork", {**ask, "new_flow_id": "true", "init.card": "[true]"})

        assert flow("true").init["card"] == [True]
        assert flow("true").init["card"][0] is True

    @pytest.mark.parametrize(
        ("asked", "says"),
        [
            ({"init.card": "5151"}, "Write a JSON array."),
            ({"init.card": "[]"}, "required inputs not provided: [card]"),
            ({"new_flow_id": "a/b"}, "flow ID contains invalid characters"),
            ({"new_flow_id": "trip"}, "flow exists with different plan or init: trip"),
            ({"from_step": "nothing"}, "Select a valid choice."),
        ],
    )
    def test_marks_what_cannot_be_and_starts_nothing(
        self, visitor: Visitor, trip: str, asked: dict[str, str], says: str
    ) -> None:
        form = {"from_step": "pay", "new_flow_id": "trip-2", "reason": "x", **asked}
        form = {"init.card": '["5151"]', **form}

        response = visitor(*OPERATORS).post(f"/flows/{trip}/fork", form)

        assert response.status_code == 400
        page = html.unescape(response.content.decode())
        [field] = asked
        fields = re.findall(r'<div class="field">.*?</div>', page, re.DOTALL)
        [marked] = [one for one in fields if f'name="{field}"' in one]
        # Which of its parts another flow differs from, nobody can say.
        assert says in (page if "exists" in says else marked)
        assert FlowSummary.objects.count() == 1
