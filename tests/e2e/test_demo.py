"""What a newcomer types second."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from config import demo
from config.embedded.state import Instance
from config.processes.stack import Stack
from config.testing.throwaway import temporary_state
from examples.stories import STORIES, Story
from examples.stories.world import Peer, World
from tests.chaos.load import eventually
from tests.support.managing import manage

pytestmark = pytest.mark.e2e


@pytest.fixture
def is_printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], bool]:
    """Return a function that tells whether something has been printed by now."""
    lines: list[str] = []

    def is_said(text: str) -> bool:
        lines.append(capsys.readouterr().out)
        return text in "".join(lines)

    return is_said


@pytest.fixture
def brief(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that tells a story in which nothing happens."""
    monkeypatch.setitem(STORIES, "brief", Story("Nothing happens.", lambda _world: None))
    monkeypatch.setenv("DAYBOOK_STATE", str(stack.state.folder))
    return lambda: demo.main(["brief"])


class TestDemo:
    def test_tells_the_story_of_a_booking_on_what_runs(self, stack: Stack) -> None:
        result = manage(stack, "demo")

        assert result.returncode == 0, result.text
        assert f"On {stack.url}, which runs already." in result.text
        assert "polled twice, booked once" in result.text
        assert "both attempts used one token, so one message went out" in result.text
        assert "told twice, noted once" in result.text
        assert "Everything was as it should be." in result.text

    def test_tells_the_story_of_flows_on_what_runs(self, stack: Stack) -> None:
        result = manage(stack, "demo", "flow")

        assert result.returncode == 0, result.text
        assert "then: flow_failed, comp_started, comp_succeeded, flow_deactivated" in result.text
        assert "called twice with one token, charged once" in result.text
        assert "12A, allowed by api_key:" in result.text
        assert "Everything was as it should be." in result.text

    def test_tells_the_story_of_an_agent_and_its_approval_on_what_runs(self, stack: Stack) -> None:
        result = manage(stack, "demo", "approval")

        assert result.returncode == 0, result.text
        assert "the agent may not decide at all" in result.text
        assert "asked twice, done once" in result.text
        assert "the agent has to ask, by agent-action-approval@v1: 1 of those" in result.text
        assert "who may decide approvals and have nothing to do with the request" in result.text
        assert "of a copy with one id changed it says no" in result.text
        assert "Everything was as it should be." in result.text
        eventually(lambda: stack.sql("SELECT count(*) FROM events_unsequenced") == [(0,)])
        examined = manage(stack, "doctor")
        assert examined.returncode == 0, examined.text

    def test_waits_for_another(
        self, stack: Stack, brief: Callable[[], int], is_printed: Callable[[str], bool]
    ) -> None:
        with ThreadPoolExecutor() as aside:
            with stack.state.one_at_a_time("demo.lock", lambda: pytest.fail("it is free")):
                result = aside.submit(brief)
                eventually(lambda: is_printed("Another demo is being told on"))
                assert not is_printed("which runs already")

            assert result.result(timeout=60) == 0
        assert is_printed(f"On {stack.url}, which runs already.")

    def test_waits_for_what_another_command_starts(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch, is_printed: Callable[[str], bool]
    ) -> None:
        with temporary_state() as state, ThreadPoolExecutor() as aside:
            state.prepare()
            with state.own() or pytest.fail("nobody else is here"):
                found = aside.submit(demo._found_or_started, state)
                eventually(lambda: is_printed("Another command is starting or using"))
                # A command has a database and no more.
                state.announce(Instance(pid=1, environment={}))
                assert not found.done()
                state.announce(stack.instance)

                assert found.result(timeout=60) == (stack.instance, None)

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
        result = capsys.readouterr().err
        assert "GET http://127.0.0.1:1/payment/payments came to nothing (ConnectError" in result
        assert str(stack.state.logs) in result

    def test_knows_no_story_of_that_name(self, stack: Stack) -> None:
        assert manage(stack, "demo", "cinderella").returncode == 2
