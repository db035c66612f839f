"""One page of a list, and where its links lead."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.http import QueryDict

from console.paging import page_of

ROWS: Any = [SimpleNamespace(pk=number, name=f"n{number}") for number in (5, 4, 3, 2, 1)]


@pytest.mark.parametrize("size", [5, 6])
def test_a_list_that_fits_leads_nowhere(size: int) -> None:
    shown, links = page_of(QueryDict("status=dead"), ROWS, size=size)

    assert [row.pk for row in shown] == [5, 4, 3, 2, 1]
    assert links == {"older": None, "newest": None}


def test_an_older_page_begins_after_the_last_row_and_keeps_the_filters() -> None:
    shown, links = page_of(QueryDict("status=dead&before=9"), ROWS, size=2)

    assert [row.pk for row in shown] == [5, 4]
    assert links == {"older": "?status=dead&before=4", "newest": "?status=dead"}


def test_the_next_page_may_begin_after_a_name() -> None:
    _, links = page_of(QueryDict(""), ROWS, key="name", size=1)

    assert links["older"] == "?before=n5"
