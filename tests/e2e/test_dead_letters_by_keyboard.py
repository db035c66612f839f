"""A dead letter is retried and discarded without a mouse."""

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, Browse, Visit, driver
from tests.e2e.test_console import dead_letter

expect = driver().expect
pytestmark = IN_A_BROWSER


def test_by_keyboard(browse: Browse, stack: Stack) -> None:
    with browse() as tab:
        tab.log_in()
        for act, message, status in (
            ("retry", "Taken up again.", None),
            ("discard", "Put away for good.", "discarded"),
        ):
            job_id = dead_letter(stack)
            tab.open("/jobs?status=dead")
            tab.tab_to(f"a[href='/jobs/{job_id}']")
            tab.page.keyboard.press("Enter")
            tab.page.wait_for_url(f"**/jobs/{job_id}")

            ask(tab, job_id, act)

            expect(tab.page.get_by_text(message)).to_be_visible()
            [(found, reason)] = stack.sql("SELECT status, reason FROM work WHERE id = %s", job_id)
            assert reason == "As agreed on the phone"
            assert status in {None, found}


def ask(tab: Visit, job_id: str, act: str) -> None:
    """Open the form of an action, give the reason, and send it."""
    form = f"form[action='/jobs/{job_id}/{act}']"
    tab.tab_to(f"details:has({form}) summary")
    tab.page.keyboard.press("Enter")
    tab.tab_to(f"{form} [name=reason]")
    tab.page.keyboard.type("As agreed on the phone")
    tab.tab_to(f"{form} [type=submit]")
    tab.page.keyboard.press("Enter")
