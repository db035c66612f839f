"""Forms in a real browser: sent once, and nothing that was typed is lost."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, Visit, driver
from tests.support.managing import create_decider

expect = driver().expect
pytestmark = IN_A_BROWSER

PASSWORD = "a-long-password-of-theirs"
SESSION = re.compile("/session$")


@pytest.fixture
def flow_id(stack: Stack) -> Iterator[str]:
    """A flow that waits for somebody, and may be paused."""
    step = {
        "id": "agree-to-forms",
        "name": "Agree",
        "type": "approval",
        "approval": {"title": "Agree", "risk": "medium"},
        "attributes": {"agreed": {"role": "output"}},
    }
    asked = {"id": "held-up-by-forms", "goals": [step["id"]]}
    with stack.client() as client:
        assert client.post("/api/v1/steps", json=step).status_code == 201
        assert client.post("/api/v1/flows", json=asked).is_success
        yield "held-up-by-forms"
        assert client.delete(f"/api/v1/steps/{step['id']}").is_success


def reason(tab: Visit) -> Any:
    return tab.page.get_by_label("Reason").first


def press(tab: Visit, name: str) -> None:
    tab.page.get_by_role("button", name=name, exact=True).click()


def test_what_was_typed_comes_back_after_a_reload_and_a_log_in(
    browse: Browse, stack: Stack, flow_id: str
) -> None:
    with browse() as tab:
        tab.log_in()
        tab.open(f"/flows/{flow_id}")
        tab.page.locator("summary", has_text="Pause…").click()
        reason(tab).fill("The bank is closed")
        tab.page.reload()
        expect(reason(tab)).to_be_visible()
        expect(reason(tab)).to_have_value("The bank is closed")

        tab.meant.add("401")
        tab.page.context.clear_cookies()
        press(tab, "Pause")

        expect(tab.page.get_by_role("alert")).to_contain_text("Your session has ended.")
        expect(reason(tab)).to_have_value("The bank is closed")
        tab.page.get_by_role("link", name="Log in again").click()
        tab.log_in()
        tab.open(f"/flows/{flow_id}")
        expect(tab.page.get_by_text("Your unsent text has been restored.")).to_be_visible()
        expect(reason(tab)).to_have_value("The bank is closed")
        tab.open("/")
        tab.open(f"/flows/{flow_id}")
        expect(reason(tab)).to_be_hidden()


def test_a_refusal_leads_the_keyboard_to_what_is_wrong(browse: Browse) -> None:
    with browse() as tab:
        tab.log_in()
        tab.open("/flows/steps/new")
        tab.page.get_by_label("Id", exact=True).fill("typed")
        tab.page.get_by_label("Endpoint").fill("htp:/nowhere")

        tab.meant.add("400")
        press(tab, "Register")

        expect(tab.page.get_by_label("Endpoint")).to_be_focused()
        expect(tab.page.get_by_label("Id", exact=True)).to_have_value("typed")


def test_what_was_refused_comes_back_after_a_reload(browse: Browse) -> None:
    with browse() as tab:
        tab.log_in()
        tab.open("/flows/starts/new")
        name = tab.page.get_by_label("Name", exact=True)
        name.fill("Not Clean")
        tab.page.get_by_label("Goals").fill("nowhere")
        tab.meant.add("400")
        press(tab, "Declare")
        expect(name).to_have_attribute("aria-invalid", "true")

        # The address is that of the page with the form, which knows nothing of a refusal.
        tab.page.evaluate("location.reload()")

        expect(tab.page.get_by_text("Your unsent text has been restored.")).to_be_visible()
        expect(name).to_have_value("Not Clean")
        expect(tab.page.get_by_label("Goals")).to_have_value("nowhere")


def test_a_form_is_sent_once_and_only_to_a_server_that_is_there(
    browse: Browse, stack: Stack, flow_id: str
) -> None:
    sent: list[str] = []
    asked: list[Any] = []
    with browse() as tab:
        tab.log_in()
        tab.open(f"/flows/{flow_id}")
        tab.page.on(
            "request", lambda each: sent.append(each.url) if each.method == "POST" else None
        )
        tab.page.locator("summary", has_text="Pause…").click()
        reason(tab).fill("The bank is closed")

        tab.meant.add("net::ERR_FAILED")
        tab.page.route(SESSION, lambda route: route.abort())
        press(tab, "Pause")
        form = tab.page.locator(".action[open] form")
        expect(form.get_by_role("alert")).to_contain_text("so nothing was sent")
        expect(reason(tab)).to_have_value("The bank is closed")

        tab.page.unroute(SESSION)
        # A bound method of a list cannot be marked, as Playwright does with what it calls.
        tab.page.route(SESSION, lambda route: asked.append(route))  # noqa: PLW0108
        press(tab, "Pause")
        expect(form.get_by_role("status")).to_have_text("Sending…")
        press(tab, "Pause")
        asked[0].continue_()

        expect(tab.page.get_by_text("Paused: nothing new starts.")).to_be_visible()
        assert len(asked) == 1
        assert sent == [f"{stack.url}/flows/{flow_id}/pause"]


def test_a_form_is_not_sent_in_the_name_of_who_logged_in_beside(
    browse: Browse, stack: Stack
) -> None:
    beside = create_decider(stack, "beside", password=PASSWORD)
    sent: list[str] = []
    with browse() as tab:
        tab.log_in()
        tab.open("/doctor")
        tab.page.on(
            "request", lambda each: sent.append(each.url) if each.method == "POST" else None
        )
        tab.log_in(beside, PASSWORD)

        press(tab, "Run now")

        expect(tab.page.get_by_role("alert")).to_contain_text("Your session has ended.")
        assert sent == []
        # The same user again, with another session: the form goes on from there.
        tab.log_in()
        press(tab, "Run now")
        expect(tab.page.get_by_text("The doctor looked again.")).to_be_visible()
