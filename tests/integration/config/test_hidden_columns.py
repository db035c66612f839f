"""What a page of the admin does not show cannot be found out by filtering its list."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from events import context
from events.admin_lists import ReadOnlyAdmin
from events.domain.principal import SYSTEM
from ledger.domain.action import Action, Kind, Target
from ledger.recording import recorded

OURS = [page for page in admin.site._registry.values() if isinstance(page, ReadOnlyAdmin)]
HIDDEN = [(page, column) for page in OURS for column in page.exclude or ()]


def test_every_table_of_ours_has_such_a_page() -> None:
    rooms = {"ledger", "commerce", "workflows", "events"}
    for page in admin.site._registry.values():
        if type(page).__module__.split(".")[0] in rooms:
            assert isinstance(page, ReadOnlyAdmin), page
    assert len(HIDDEN) > 20


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "column"), HIDDEN, ids=[f"{page.model.__name__}-{column}" for page, column in HIDDEN]
)
def test_no_list_is_filtered_by_what_its_page_leaves_out(
    page: "ReadOnlyAdmin[Any]", column: str
) -> None:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)

    lookups = [column, f"{column}__startswith", f"{column}__contains"]
    if page.opts.pk.name == column:
        lookups.append("pk__startswith")
    for lookup in lookups:
        assert not page.lookup_allowed(lookup, "a", request)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guess", ["Ring ada", "Ring bob"])
def test_a_remark_is_not_read_letter_by_letter(admin_client: Client, guess: str) -> None:
    action = Action(
        name="thing.do",
        kind=Kind.EXECUTE,
        target=Target(type="thing", id="t1"),
        capability="api_key.read",
        reason="Ring ada@example.org.",
    )
    with context.acting(SYSTEM), recorded(action):
        pass
    assert apps.get_model("ledger", "Remark").objects.count() == 1

    answer = admin_client.get("/admin/ledger/remark/", {"text__startswith": guess})

    assert answer.status_code == 400
