"""Lists of the admin in a browser: their columns are seen without scrolling sideways."""

from datetime import UTC, datetime, timedelta

import pytest

from config.processes.stack import Stack
from tests.e2e.browsing import IN_A_BROWSER, NARROW, WIDE, Browse

pytestmark = IN_A_BROWSER


@pytest.fixture(scope="module")
def _delegation(stack: Stack) -> None:
    """One whose every column has something to show, and that is over."""
    terms = {
        "scopes": ["booking.cancel", "booking.read", "ledger.read"],
        "actions_max": 1_000_000,
        "cents_max": 10**12,
        "currency": "EUR",
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        "reason": "To see it in a list.",
    }
    with stack.client() as client:
        agent = client.post("/api/v1/ledger/agents", json={"name": "clerk-of-a-long-name"})
        assert agent.status_code == 201, agent.text
        url = "/api/v1/ledger/delegations"
        made = client.post(url, json=terms | {"agent_id": agent.json()["id"]})
        assert made.status_code == 201, made.text
        ended = client.post(f"{url}/{made.json()['id']}/revoke", json={"reason": "Seen."})
        assert ended.is_success, ended.text


@pytest.mark.usefixtures("_delegation")
def test_a_list_of_many_columns_fits(browse: Browse) -> None:
    with browse() as tab:
        tab.log_in()
        for size in (WIDE, NARROW):
            tab.page.set_viewport_size(size)
            tab.open("/admin/ledger/delegation/")

            results = tab.page.locator("#changelist .results")
            assert "clerk-of-a-long-name" in results.inner_text()
            assert results.evaluate("results => results.scrollWidth <= results.clientWidth"), size
