"""Webhooks are subscribed to in a browser, whose secret is on one page and on no other."""

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, driver

expect = driver().expect
pytestmark = IN_A_BROWSER


def test_a_subscription_is_edited_by_keyboard_on_a_narrow_screen(
    browse: Browse, stack: Stack
) -> None:
    with browse() as tab:
        tab.log_in()
        tab.page.goto(f"{stack.url}/webhooks/new")
        tab.page.get_by_label("URL").fill(f"{stack.url}/nowhere")
        tab.page.get_by_label("booking.cancelled").check()
        tab.page.get_by_role("button", name="Subscribe").press("Enter")
        tab.page.get_by_role("link", name="To the subscription").click()
        tab.page.get_by_role("link", name="Edit").press("Enter")
        expect(tab.page.get_by_label("URL")).to_have_value(f"{stack.url}/nowhere")
        edit = tab.page.url
        tab.fits(edit.removeprefix(stack.url))

        tab.page.get_by_label("URL").fill(f"{stack.url}/elsewhere")
        tab.page.get_by_label("booking.confirmed").press("Space")
        tab.page.get_by_label("Description").press("Enter")

        expect(tab.page.get_by_text("Saved.")).to_be_visible()
        assert tab.page.url == edit.removesuffix("/edit")
        facts = tab.page.get_by_role("region", name="On record")
        expect(facts).to_contain_text("booking.cancelled")
        expect(facts).to_contain_text("booking.confirmed")


def test_a_secret_is_shown_once_and_never_by_going_back(browse: Browse, stack: Stack) -> None:
    with browse() as tab:
        tab.log_in()
        tab.fits("/webhooks/new")
        tab.page.get_by_label("URL").fill(f"{stack.url}/nowhere")
        tab.page.get_by_label("booking.cancelled").check()
        tab.page.get_by_role("button", name="Subscribe").press("Enter")

        secret = tab.page.get_by_text("whsec_")
        expect(secret).to_be_visible()
        # Who loads this page again makes no other subscription.
        page = tab.page.get_by_role("link", name="To the subscription").get_attribute("href")
        assert tab.page.url == f"{stack.url}{page}"
        tab.page.reload()
        expect(tab.page.get_by_text("Latest deliveries")).to_be_visible()
        expect(secret).to_have_count(0)

        tab.page.get_by_text("Rotate the secret…").click()
        tab.page.get_by_role("button", name="Rotate the secret").press("Enter")
        expect(secret).to_be_visible()
        tab.page.get_by_role("link", name="To the subscription").click()
        expect(tab.page.get_by_text("Latest deliveries")).to_be_visible()
        tab.page.go_back()
        expect(tab.page.get_by_text("Latest deliveries")).to_be_visible()
        expect(secret).to_have_count(0)
