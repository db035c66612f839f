"""The inbox in two browsers: one person asks, another is told at once and decides."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from config.processes.stack import Stack
from tests.chaos.load import eventually
from tests.e2e.browsing import IN_A_BROWSER, NARROW, PATIENCE_MS, WIDE, Browse, Visit, driver
from tests.support.managing import create_decider

expect = driver().expect
pytestmark = IN_A_BROWSER

PASSWORD = "a-long-password-of-his"
ASKED_EVERY_MS = 10_000
"""How often a page that has no socket asks at the latest."""


@pytest.fixture(scope="module")
def manager(stack: Stack) -> str:
    """Somebody else than the demo user, who may decide."""
    return create_decider(stack, "manager", password=PASSWORD)


@pytest.fixture
def sign(stack: Stack) -> Iterator[str]:
    """A step that somebody else than the starter of its flow has to agree to."""
    step: dict[str, Any] = {
        "id": "sign-inbox",
        "name": "Sign the contract",
        "type": "approval",
        "approval": {"title": "Sign the contract", "risk": "medium"},
        "attributes": {"signed": {"role": "output"}},
    }
    with stack.client() as client:
        answer = client.post("/api/v1/steps", json=step)
        assert answer.status_code == 201, answer.text
        yield "sign-inbox"
        assert client.delete("/api/v1/steps/sign-inbox").is_success


def ask(stack: Stack, step: str) -> None:
    """Start a flow that needs approval, as the demo user."""
    with stack.client() as client:
        answer = client.post("/api/v1/flows", json={"id": f"inbox-{uuid4()}", "goals": [step]})
    assert answer.is_success, answer.text


def nothing_is_told_any_more(stack: Stack) -> None:
    """Wait until what other tests did has come to an end, and all of it has its position."""
    eventually(
        lambda: (
            stack.sql(
                "SELECT (SELECT count(*) FROM events_unsequenced)"
                " + (SELECT count(*) FROM work WHERE status = 'leased'"
                "    OR status IN ('ready', 'retry') AND due_at < now() + interval '1 second')"
            )
            == [(0,)]
        )
    )


def names_in(tab: Visit, part: str) -> Any:
    return tab.page.locator(f"[data-part={part}]").get_by_role("link", name="Sign the contract")


def live(tab: Visit) -> Any:
    return tab.page.locator("[data-of=live]")


def _read_again(response: Any) -> bool:
    return bool(response.url.endswith("/approvals") and response.request.resource_type == "fetch")


def badge(tab: Visit) -> Any:
    """How many requests wait for who looks; what other tests asked is among them."""
    return tab.page.locator(".nav [data-badge=approval]")


def decide(tab: Visit, how: str) -> None:
    """Open the newest request from the inbox, with the keyboard, and answer it."""
    tab.open("/approvals")
    tab.page.get_by_role("link", name="Sign the contract").first.press("Enter")
    tab.page.get_by_label("Reason").fill(f"I {how} it.")
    tab.page.get_by_role("button", name=how, exact=True).press("Enter")
    expect(tab.page.get_by_text(re.compile("Your decision is recorded"))).to_be_visible()


def test_tells_the_other_person_at_once_and_the_requester_nothing(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs, browse() as own:
        theirs.log_in(manager, PASSWORD)
        own.log_in()
        for tab in (theirs, own):
            # Then it has subscribed.
            with tab.page.expect_response(re.compile("/badges$")):
                tab.open("/")
        before, of_own = badge(theirs).text_content(), badge(own).text_content()

        with own.page.expect_response(re.compile("/badges$")):
            ask(stack, sign)

        expect(badge(theirs)).to_have_text(str(int(before) + 1))
        expect(badge(theirs)).to_be_visible()
        expect(badge(own)).to_have_text(of_own)

        own.open("/approvals")
        own.page.get_by_role("link", name="Sign the contract").first.click()
        expect(own.page.get_by_text("Somebody else has to decide.")).to_be_visible()
        expect(own.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

        decide(theirs, "Approve")
        expect(badge(theirs)).to_have_text(before)
        expect(badge(theirs)).to_be_visible(visible=before != "0")
        own.page.reload()
        expect(own.page.locator(".page-head .chip")).to_have_text("approved")


def test_a_denial_with_its_reason_is_shown_to_whoever_asked(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs, browse() as own:
        ask(stack, sign)
        theirs.log_in(manager, PASSWORD)
        decide(theirs, "Deny")

        own.log_in()
        own.page.goto(theirs.page.url)
        expect(own.page.locator(".page-head .chip")).to_have_text("denied")
        expect(own.page.get_by_text("I Deny it.")).to_be_visible()


def test_the_list_follows_the_feed_and_asks_for_nothing_in_between(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs:
        theirs.log_in(manager, PASSWORD)
        theirs.page.clock.install()
        with (
            theirs.page.expect_response(re.compile("/badges$")),
            theirs.page.expect_response(_read_again),
        ):
            theirs.open("/approvals")
        expect(live(theirs)).to_have_text("Live")
        before, latest = names_in(theirs, "waiting").count(), names_in(theirs, "latest").count()
        nothing_is_told_any_more(stack)
        others = int(badge(theirs).text_content()) - before
        theirs.page.clock.run_for(1_000)  # What was told before is read by then.
        asked: list[str] = []
        theirs.page.on("request", lambda request: asked.append(request.url))

        theirs.page.clock.run_for(30_000)
        assert asked == []

        ask(stack, sign)
        expect(names_in(theirs, "waiting")).to_have_count(before + 1)
        expect(names_in(theirs, "latest")).to_have_count(latest + 1)
        expect(badge(theirs)).to_have_text(str(others + before + 1))


def test_the_list_asks_now_and_then_while_there_is_no_socket(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs:
        theirs.log_in(manager, PASSWORD)
        theirs.page.route_web_socket(re.compile("/ws/events"), lambda socket: socket.close())
        theirs.page.clock.install()
        theirs.open("/approvals")
        expect(live(theirs)).to_have_text(re.compile("Connection lost"))
        before = names_in(theirs, "waiting").count()
        others = int(badge(theirs).text_content()) - before

        ask(stack, sign)
        theirs.page.clock.fast_forward(ASKED_EVERY_MS)

        expect(names_in(theirs, "waiting")).to_have_count(before + 1)
        expect(badge(theirs)).to_have_text(str(others + before + 1), timeout=PATIENCE_MS)


def test_the_badge_is_seen_where_it_belongs(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    ask(stack, sign)
    with browse(size=WIDE) as theirs:
        theirs.log_in(manager, PASSWORD)
        theirs.open("/approvals")
        expect(names_in(theirs, "waiting").first).to_be_visible()
        the_badge_is_in_its_link(theirs)
        theirs.fits_in_both_looks()

        folded = theirs.page.locator("summary [data-badge=approval]")
        expect(folded).to_be_visible()
        theirs.page.get_by_text("Menu").click()
        expect(folded).to_be_hidden()
        the_badge_is_in_its_link(theirs)


def the_badge_is_in_its_link(tab: Visit) -> None:
    expect(badge(tab)).to_be_visible()
    box, link = badge(tab).bounding_box(), badge(tab).locator("xpath=..").bounding_box()
    assert link["x"] <= box["x"]
    assert box["x"] + box["width"] <= link["x"] + link["width"] + 1


def test_the_table_of_the_admin_is_read_on_a_phone(browse: Browse, stack: Stack, sign: str) -> None:
    ask(stack, sign)
    with browse() as tab:
        tab.log_in()
        tab.page.set_viewport_size(NARROW)

        tab.open("/admin/ledger/approval/")

        results = tab.page.locator("#changelist .results")
        expect(results.locator("[data-label=What]").first).to_contain_text("Sign the contract")
        expect(results.locator("[data-label='Waits for']").first).to_be_visible()
        assert results.evaluate("results => results.scrollWidth <= results.clientWidth")


def test_lists_of_the_admin_break_no_words_on_a_screen(browse: Browse, stack: Stack) -> None:
    broken = """cells => cells.filter((cell) => {
        const text = document.createRange();
        text.selectNodeContents(cell);
        return text.getClientRects().length > cell.textContent.split(" ").length;
    }).map((cell) => cell.textContent)"""
    with browse() as tab:
        tab.log_in()
        tab.page.set_viewport_size({"width": 1280, "height": 900})

        tab.open("/admin/ledger/entry/")

        assert tab.page.locator(".field-status").evaluate_all(broken) == []
        expect(tab.page.locator(".field-action_name wbr").first).to_be_attached()
