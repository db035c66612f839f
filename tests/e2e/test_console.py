"""The console in a real browser, on a real Daybook."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from config.processes.stack import Stack
from tests.e2e.browsing import (
    IN_A_BROWSER,
    NARROW,
    PATIENCE_MS,
    Browse,
    Visit,
    driver,
)
from tests.support.managing import manage

expect = driver().expect

pytestmark = IN_A_BROWSER

HOSTILE = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=2>\u202e"

PAGES = [
    "/",
    "/events",
    "/jobs",
    "/webhooks",
    "/webhooks/deliveries",
    "/ledger/seals",
    "/ledger/policies",
    "/approvals",
    "/document-accesses",
    "/flows",
    "/flows/steps",
    "/flows/starts",
    "/bookings",
    "/invoices",
    "/doctor",
    "/admin/",
    "/admin/ledger/delegation/add/",
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/login/",
]


def issue_key(stack: Stack, name: str = "Till") -> dict[str, Any]:
    """Have something recorded, and in its place: a page opened from here on shows it."""
    with stack.client() as client:
        answer = client.post("/api/v1/api-keys", json={"name": name, "scopes": ["job.read"]})
    assert answer.status_code == 201, answer.text
    wait_for(lambda: stack.sql("SELECT count(*) FROM events_unsequenced") == [(0,)])
    made: dict[str, Any] = answer.json()
    return made


def revoke_key(stack: Stack, key_id: str) -> None:
    with stack.client() as client:
        assert client.post(f"/api/v1/api-keys/{key_id}/revoke").is_success


def dead_letter(stack: Stack) -> str:
    """Have a job give up: its delivery does not exist, and it has one try."""
    code = (
        "from uuid import uuid4; from commerce.services import deliveries;"
        "from workflows.work import services;"
        "ref = services.enqueue("
        "deliveries.SEND_DOCUMENTS, {'deliveryId': str(uuid4())}, max_attempts=1);"
        "print('job', ref.id)"
    )
    result = manage(stack, "shell", "-v0", "-c", code)
    found = re.search(r"^job (\S+)$", result.text, re.MULTILINE)
    assert found, result.text
    wait_for(lambda: _status(stack, found[1]) == "dead")
    return found[1]


@contextmanager
def web_held(stack: Stack) -> Iterator[None]:
    """Kill the web process, and let it be dead within the block."""
    stack.hold("web")
    try:
        yield
    finally:
        stack.resume("web")


def _status(stack: Stack, job_id: str) -> str:
    return str(stack.sql("SELECT status FROM work WHERE id = %s", job_id)[0][0])


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


class TestSession:
    def test_leads_in_and_out(self, browse: Browse) -> None:
        with browse() as tab:
            tab.log_in_by_hand()
            expect(tab.page.get_by_role("heading", level=1)).to_be_visible()

            tab.page.get_by_role("button", name="Log out").click()

            tab.page.wait_for_url(re.compile("/login/"))
            tab.open("/events")
            tab.page.wait_for_url(re.compile(r"/login/\?next=/events"))

    def test_says_when_it_has_ended_under_an_open_page(self, browse: Browse) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/")

            tab.meant.add("401")  # By which the page finds out.
            tab.page.context.clear_cookies()

            expect(tab.page.get_by_role("alert")).to_contain_text("Your session has ended.")
            link = tab.page.get_by_role("link", name="Log in again")
            assert link.get_attribute("href") == "/login/?next=%2F"


class TestLiveEvents:
    def test_arrive_by_themselves(self, browse: Browse, stack: Stack) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/events?type=api_key.issued")
            tab.is_live()
            before = tab.rows()

            made = issue_key(stack)

            first = tab.page.locator("[data-feed-list] > li").first
            expect(first.locator("[data-of=stream]")).to_have_attribute(
                "title", f"api_key/{made['id']}"
            )
            assert tab.rows()[1:] == before[: len(tab.rows()) - 1]

    def test_wait_while_paused_and_none_is_lost(self, browse: Browse, stack: Stack) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/events?type=api_key.issued")
            tab.is_live()
            before = tab.rows()

            tab.page.keyboard.press("p")
            for _ in range(3):
                issue_key(stack)
            arrivals = tab.page.locator("[data-of=feed-arrivals]")
            expect(arrivals).to_have_text("3 new events: resume and show them")
            assert tab.rows() == before
            arrivals.focus()
            tab.page.keyboard.press("Enter")

            expect(tab.page.locator("[data-of=feed-pause]")).to_be_focused()
            expect(tab.page.locator("[data-feed-list] > li")).to_have_count(
                min(len(before) + 3, 500)
            )
            shown = [int(row) for row in tab.rows()]
            assert shown == sorted(set(shown), reverse=True)
            tab.is_live()

    def test_go_on_after_the_server_was_killed(self, browse: Browse, stack: Stack) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/events?type=api_key.issued")
            tab.is_live()
            before = len(tab.rows())

            # Of a server that is away, or that went in the middle of an answer.
            tab.meant |= {"net::ERR_", "WebSocket"}
            with web_held(stack):
                status = tab.page.locator("[data-of=feed-live]")
                expect(status).to_contain_text("Connection lost", timeout=PATIENCE_MS)
            issue_key(stack)

            expect(tab.page.locator("[data-feed-list] > li")).to_have_count(before + 1)
            tab.is_live()

    def test_keep_to_the_filters_of_the_address(self, browse: Browse, stack: Stack) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/events")
            tab.page.get_by_label("Type").fill("api_key.revoked")
            tab.page.get_by_role("button", name="Show").click()
            tab.page.wait_for_url(re.compile(r"/events\?type=api_key\.revoked$"))
            tab.is_live()

            made = issue_key(stack)
            revoke_key(stack, made["id"])

            first = tab.page.locator("[data-feed-list] > li").first
            expect(first.locator("[data-of=stream]")).to_have_attribute(
                "title", f"api_key/{made['id']}"
            )
            names = set(tab.page.locator("[data-feed-list] [data-of=name]").all_inner_texts())
            assert names == {"api_key.revoked"}

    def test_never_run_what_they_carry(self, browse: Browse, stack: Stack) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/events?type=api_key.issued")
            tab.is_live()

            made = issue_key(stack, HOSTILE[:100])
            entry = tab.page.locator("[data-feed-list] > li").first
            # Before it is there, the one that was first until now would be opened.
            expect(entry.locator("[data-of=stream]")).to_have_attribute(
                "title", f"api_key/{made['id']}"
            )
            entry.locator("summary").first.click()

            expect(entry.locator(".json")).to_contain_text("</script><script>window.hurt=1")
            expect(entry.locator(".json")).to_contain_text("\\u202e")
            assert tab.page.evaluate("window.hurt") is None


class TestJobs:
    def test_a_dead_letter_is_taken_up_again_with_a_reason(
        self, browse: Browse, stack: Stack
    ) -> None:
        job_id = dead_letter(stack)
        with browse() as tab:
            tab.log_in()
            tab.open("/jobs?status=dead")
            tab.page.locator(f'a[href="/jobs/{job_id}"]').click()
            expect(tab.page.locator(".why")).to_contain_text("Gave up after 1 failed attempt.")

            tab.page.locator("summary", has_text="Retry").click()
            tab.page.get_by_label("Reason").first.fill("The delivery is there now")
            tab.page.get_by_role("button", name="Retry").click()

            expect(tab.page.get_by_text("Taken up again.")).to_be_visible()
            expect(tab.page.locator("tr", has_text="failed")).to_have_count(2)


class TestFrame:
    def test_remembers_the_theme_and_shares_it_with_the_admin(self, browse: Browse) -> None:
        with browse(color_scheme="light") as tab:
            tab.log_in()
            tab.open("/")
            light = _background(tab)

            for _ in range(2):  # auto, light, dark
                tab.page.locator("[data-theme-toggle]").click()
            dark = _background(tab)
            tab.page.reload()

            assert dark != light
            assert _background(tab) == dark
            tab.open("/admin/")
            assert tab.page.locator("html").get_attribute("data-theme") == "dark"
            assert _background(tab, "body") == dark

    def test_cuts_nothing_off_rows_of_the_admin_on_a_phone(
        self, browse: Browse, stack: Stack
    ) -> None:
        key_id = issue_key(stack, "A till with a long name. " * 4)["id"]
        past_the_edge = """() => [...document.querySelectorAll(".form-row .readonly")]
            .filter((each) => each.getBoundingClientRect().right
                > each.closest(".module").getBoundingClientRect().right)
            .map((each) => each.textContent)"""
        with browse() as tab:
            tab.log_in()
            tab.page.set_viewport_size(NARROW)

            tab.open(f"/admin/ledger/apikey/{key_id}/change/")

            expect(tab.page.locator(".field-name .readonly")).to_contain_text("A till")
            assert tab.page.evaluate(past_the_edge) == []

            tab.open("/admin/ledger/apikey/")
            results = tab.page.locator("#changelist .results")
            expect(results.locator("[data-label=Name]").first).to_be_visible()
            assert results.evaluate("results => results.scrollWidth <= results.clientWidth")

    def test_shows_an_id_as_long_as_they_may_be(self, browse: Browse, stack: Stack) -> None:
        step = {"id": f"a{'-long' * 50}", "name": "Long", "type": "script",
                "script": {"language": "cel", "script": "{'out': 1}"},
                "attributes": {"out": {"role": "output"}}}  # fmt: skip
        with stack.client() as client, browse() as tab:
            assert client.post("/api/v1/steps", json=step).is_success
            tab.log_in()
            tab.fits(f"/flows/steps?goal={step['id']}")

    def test_says_of_both_boxes_of_permissions_in_the_admin_what_they_are(
        self, browse: Browse
    ) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/admin/auth/group/add/")
            title = tab.page.locator(".selector-chosen-title")
            expect(title).to_contain_text("Chosen permissions")

            colours = title.locator("label").evaluate(
                "label => [getComputedStyle(label).color,"
                " getComputedStyle(label.parentElement).backgroundColor]"
            )

            assert colours[0] != colours[1]
            expect(tab.page.locator(".help-tooltip").first).to_have_attribute("role", "img")

    def test_follows_the_system_by_default(self, browse: Browse) -> None:
        with browse(color_scheme="light") as light, browse(color_scheme="dark") as dark:
            for tab in (light, dark):
                tab.open("/login/")

            assert _background(light) != _background(dark)

    def test_counts_days_by_the_calendar(self, browse: Browse) -> None:
        relative_time = """async (at) => {
            const page = document.querySelector("script[type=module]").src;
            const { showTime } = await import(page.replace("console.js", "times.js"));
            const time = Object.assign(document.createElement("time"), { dateTime: at });
            showTime(time);
            return time.textContent;
        }"""
        with browse(timezone_id="Europe/Vienna") as tab:
            tab.page.clock.set_fixed_time("2026-11-28T11:00:00Z")
            tab.log_in()
            tab.open("/")

            assert tab.page.evaluate(relative_time, "2026-11-29T20:00:00Z") == "tomorrow"
            assert tab.page.evaluate(relative_time, "2026-11-30T05:00:00Z") == "in 2 days"
            assert tab.page.evaluate(relative_time, "2026-11-26T12:00:00Z") == "2 days ago"

    def test_can_be_used_by_keyboard(self, browse: Browse, stack: Stack) -> None:
        issue_key(stack)
        with browse() as tab:
            tab.log_in()
            tab.open("/events?type=api_key.issued")
            tab.is_live()

            tab.page.keyboard.press("?")
            expect(tab.page.get_by_role("dialog")).to_be_visible()
            tab.page.keyboard.press("Escape")
            # The browser closes it a moment later, and until then it has all the keys.
            expect(tab.page.get_by_role("dialog")).to_be_hidden()
            tab.page.keyboard.press("/")
            expect(tab.page.get_by_label("Type")).to_be_focused()
            tab.page.keyboard.press("Escape")
            tab.page.keyboard.press("j")
            tab.page.keyboard.press("Enter")
            expect(tab.page.locator("[data-feed-list] details").first).to_have_attribute("open", "")
            tab.page.keyboard.press("o")

            tab.page.wait_for_url(re.compile("/events/evt_"))
            tab.page.keyboard.press("g")
            tab.page.keyboard.press("j")
            tab.page.wait_for_url(re.compile("/jobs$"))

    def test_closes_an_action_with_escape_and_goes_on_from_its_button(self, browse: Browse) -> None:
        with browse() as tab:
            tab.log_in()
            tab.open("/ledger/seals")
            action = tab.page.locator("details.action")
            action.locator("summary").focus()
            tab.page.keyboard.press("Enter")
            tab.page.keyboard.press("Tab")
            expect(action.get_by_role("textbox")).to_be_focused()

            tab.page.keyboard.press("Escape")

            expect(action).not_to_have_attribute("open", "")
            expect(action.locator("summary")).to_be_focused()

    def test_has_no_complaints_and_never_scrolls_sideways(
        self, browse: Browse, stack: Stack
    ) -> None:
        issue_key(stack, "W" * 100)
        job_id = dead_letter(stack)
        with browse() as tab:
            tab.log_in()
            for address in [*PAGES, f"/jobs/{job_id}", f"/events/streams/job/{job_id}"]:
                tab.fits(address)
            tab.open("/events")
            tab.is_live()

    def test_can_be_read_without_scripts(self, browse: Browse, stack: Stack) -> None:
        issue_key(stack)
        with browse(java_script_enabled=False, size=NARROW) as tab:
            tab.log_in()
            tab.open("/")
            tab.page.locator("summary", has_text="Menu").click()
            tab.page.get_by_role("link", name="Events", exact=True).click()

            entry = tab.page.locator("[data-feed-list] > li").first
            entry.locator("summary").click()

            expect(entry.locator(".json")).to_contain_text('"keyId"')
            expect(tab.page.locator("[data-of=feed-pause]")).to_be_hidden()


def _background(tab: Visit, selector: str = "html") -> str:
    colour: str = tab.page.locator(selector).evaluate("e => getComputedStyle(e).backgroundColor")
    return colour
