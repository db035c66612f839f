"""The menu is for the pages that show it."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.integration.console.reading import page_of

pytestmark = pytest.mark.django_db

WAITS = "ledger_approval"


def asked(client: Client, address: str) -> str:
    with CaptureQueriesContext(connection) as queries:
        page_of(client, address)
    return "\n".join(each["sql"] for each in queries)


class TestTheMenu:
    def test_leads_from_the_tables_back_into_the_console_and_not_to_the_tables(
        self, admin_client: Client
    ) -> None:
        [line] = [
            line for line in page_of(admin_client, "/admin/").splitlines() if 'class="ways"' in line
        ]

        assert '<a href="/">Home</a>' in line
        assert '<a href="/approvals">Approvals</a>' in line
        assert ">Admin<" not in line

    def test_counts_what_waits_for_the_visitor_where_it_says_so_only(
        self, admin_client: Client
    ) -> None:
        assert WAITS in asked(admin_client, "/jobs")
        assert WAITS not in asked(admin_client, "/admin/commerce/product/")
