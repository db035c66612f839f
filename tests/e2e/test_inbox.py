"""The inbox in two browsers: one person asks, another is told at once and decides."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from config.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, PATIENCE_MS, Browse, Visit, driver

expect = driver().expect
pytestmark = IN_A_BROWSER

PASSWORD = "a-long-password-of-his"


@pytest.fixture(scope="module")
def manager(stack: Stack) -> str:
    """Somebody else than the demo user, who may decide."""
    code = (
        "from django.contrib.auth.models import Permission, User;"
        f"user = User.objects.create_user('manager', password='{PASSWORD}');"
        "user.user_permissions.set(Permission.objects.filter("
        "content_type__app_label='ledger', codename__in=['approval.read', 'approval.decide']))"
    )
    done = stack.manage("shell", "-v0", "-c", code)
    assert done.returncode == 0, done.stderr
    return "manager"


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
    """Start a flow that needs leave, as the demo user."""
    with stack.client() as client:
        answer = client.post("/api/v1/flows", json={"id": f"inbox-{uuid4()}", "goals": [step]})
    assert answer.is_success, answer.text


def log_in(tab: Visit, name: str) -> None:
    tab.open("/login/")
    tab.page.get_by_label("Username").fill(name)
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Log in").click()
    tab.page.wait_for_url(tab.stack.url + "/")


def badge(tab: Visit) -> Any:
    return tab.page.locator("[data-badge=approval]")


def decide(tab: Visit, how: str) -> None:
    """Open the newest request from the inbox, with the keyboard, and answer it."""
    tab.open("/approvals")
    tab.page.get_by_role("link", name="Sign the contract").first.press("Enter")
    tab.page.get_by_label("Reason").fill(f"I {how} it.")
    tab.page.get_by_role("button", name=how, exact=True).press("Enter")
    expect(tab.page.get_by_text(re.compile("Your voice is on record"))).to_be_visible()


def test_tells_the_other_person_at_once_and_the_requester_nothing(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs, browse() as own:
        log_in(theirs, manager)
        own.log_in()
        with theirs.page.expect_response(re.compile("/badges$")):
            theirs.open("/")  # It has subscribed; from here on only an event rings.
        expect(badge(theirs)).to_be_hidden()

        with own.page.expect_response(re.compile("/badges$")):
            own.open("/")
        with own.page.expect_response(re.compile("/badges$")):
            ask(stack, sign)

        # Without the socket this would take ten seconds.
        expect(badge(theirs)).to_have_text("1", timeout=PATIENCE_MS / 3)
        expect(badge(theirs)).to_be_visible()
        expect(badge(own)).to_be_hidden()

        own.open("/approvals")
        own.page.get_by_role("link", name="Sign the contract").first.click()
        expect(own.page.get_by_text("Somebody else has to decide this.")).to_be_visible()
        expect(own.page.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

        decide(theirs, "Approve")
        expect(badge(theirs)).to_be_hidden()
        own.page.reload()
        expect(own.page.locator(".page-head .chip")).to_have_text("approved")


def test_a_denial_with_its_reason_is_shown_to_whoever_asked(
    browse: Browse, stack: Stack, manager: str, sign: str
) -> None:
    with browse() as theirs, browse() as own:
        ask(stack, sign)
        log_in(theirs, manager)
        decide(theirs, "Deny")

        own.log_in()
        own.page.goto(theirs.page.url)
        expect(own.page.locator(".page-head .chip")).to_have_text("denied")
        expect(own.page.get_by_text("I Deny it.")).to_be_visible()
