"""Who hears the console is told what is new, and of several events the last one."""

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, driver
from tests.e2e.test_console import issue_key, revoke_key

expect = driver().expect
pytestmark = IN_A_BROWSER


def test_new_events_are_told_once_and_by_the_last_of_them(browse: Browse, stack: Stack) -> None:
    issue_key(stack)
    with browse() as tab:
        tab.log_in()
        tab.page.clock.install()
        tab.open("/events?type=api_key.*")
        tab.is_live()
        announcement = tab.page.locator("[data-of=feed-announcement]")
        first = tab.page.locator("[data-feed-list] > li").first
        before = tab.rows()

        tab.page.clock.fast_forward(10_000)
        expect(announcement).to_be_empty()

        made = issue_key(stack)
        expect(tab.page.locator("[data-feed-list] > li")).to_have_count(len(before) + 1)
        revoke_key(stack, made["id"])
        expect(first.locator("[data-of=name]")).to_have_text("api_key.revoked")
        tab.page.clock.fast_forward(4_000)
        expect(announcement).to_have_text("2 new events, last api_key.revoked")
