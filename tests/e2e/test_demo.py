"""What a newcomer types second."""

import pytest

from config import demo
from config.stack import Stack
from examples.stories import STORIES, Story
from examples.stories.world import Peer, World
from tests.chaos.load import eventually
from tests.support.managing import manage

pytestmark = pytest.mark.e2e


class TestDemo:
    def test_tells_the_story_of_a_booking_on_what_runs(self, stack: Stack) -> None:
        told = manage(stack, "demo")

        assert told.returncode == 0, told.text
        assert f"On {stack.url}, which runs already." in told.text
        assert "polled twice, booked once" in told.text
        assert "both attempts used one token, so one message went out" in told.text
        assert "told twice, noted once" in told.text
        assert "Everything was as it should be." in told.text

    def test_tells_the_story_of_flows_on_what_runs(self, stack: Stack) -> None:
        told = manage(stack, "demo", "flow")

        assert told.returncode == 0, told.text
        assert "then: flow_failed, comp_started, comp_succeeded, flow_deactivated" in told.text
        assert "called twice with one token, charged once" in told.text
        assert "12A, allowed by api_key:" in told.text
        assert "Everything was as it should be." in told.text

    def test_tells_the_story_of_an_agent_and_its_approval_on_what_runs(self, stack: Stack) -> None:
        told = manage(stack, "demo", "approval")

        assert told.returncode == 0, told.text
        assert "the agent may not decide at all" in told.text
        assert "asked twice, done once" in told.text
        assert "the agent has to ask, by agent-action-approval@v1: 1 of those" in told.text
        assert "who may decide approvals and have nothing to do with the request" in told.text
        assert "of a copy with one id changed it says no" in told.text
        assert "Everything was as it should be." in told.text
        eventually(lambda: stack.sql("SELECT count(*) FROM events_unsequenced") == [(0,)])
        examined = manage(stack, "doctor")
        assert examined.returncode == 0, examined.text

    def test_fails_when_something_is_not_as_it_says(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def lie(world: World) -> None:
            world.expect("the number of products", len(world.api.get("products")["results"]), -1)

        monkeypatch.setitem(STORIES, "lie", Story("Not true.", lie))
        monkeypatch.setenv("DAYBOOK_STATE", str(stack.state.folder))

        assert demo.main(["lie"]) == 1
        assert "the number of products" in capsys.readouterr().err

    def test_names_the_request_that_came_to_nothing(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def call_nobody(_world: World) -> None:
            Peer("http://127.0.0.1:1/payment").get("payments")

        monkeypatch.setitem(STORIES, "alone", Story("Nobody is there.", call_nobody))
        monkeypatch.setenv("DAYBOOK_STATE", str(stack.state.folder))

        assert demo.main(["alone"]) == 1
        told = capsys.readouterr().err
        assert "GET http://127.0.0.1:1/payment/payments came to nothing (ConnectError" in told
        assert str(stack.state.logs) in told

    def test_knows_no_story_of_that_name(self, stack: Stack) -> None:
        assert manage(stack, "demo", "cinderella").returncode == 2
