"""Every form of the console and of the admin, in hostile and in clumsy hands.

Each is found on the page that shows it. What is sent is taken back: all meet the same world.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice, product
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, resolve, reverse

from commerce.models import DocumentAccess
from commerce.services import document_access
from console.urls import urlpatterns
from events.models import StoredEvent
from ledger.models import Entry
from ledger.services import approval_policies, erasures, seals
from tests.integration.console.test_accesses import (
    _a_clerk_acts,  # noqa: F401 - a fixture.
    access,  # noqa: F401 - a fixture.
    auditor,  # noqa: F401 - a fixture.
)
from tests.integration.console.test_jobs import _kind, dead_job, waiting_job  # noqa: F401
from tests.integration.console.test_webhooks import given_up
from tests.integration.ledger.agents import an_agent, delegated
from tests.integration.ledger.approvals import acting, asked, put_into_force
from tests.integration.workflows.webhooks.conftest import (
    _events_of_a_parcel_service,  # noqa: F401 - a fixture.
    _loopback_is_allowed,  # noqa: F401 - a fixture.
    peer,  # noqa: F401 - a fixture.
)
from tests.peers import Receiver
from tests.support.forms import (
    URLENCODED,
    Form,
    clumsy,
    forms_on,
    hostile,
    hostile_in_each,
)
from workflows.flows import services as flows
from workflows.flows import starts
from workflows.webhooks.models import Delivery

World = dict[str, Any]
SHORT_FORM = 2
"""So many slips are tried each time: of most forms that is all of them; the rest in the soak."""
LONG_FORM = 40
"""From so many fields on, a page takes its time to be shown again."""
ODD_TYPES: list[tuple[str | bytes, str]] = [
    ("{}", "application/json"),
    (b"zzz", "multipart/form-data"),
]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(trip: str, access: DocumentAccess, peer: Receiver) -> World:  # noqa: F811
    """One of everything that a form is about, by the names that the addresses have for it."""
    root = User.objects.create_superuser("root")
    Group.objects.create(name="Night")
    delegated(an_agent(root), "job.read")
    erasures.place_hold(subject="traveller/1", reason="A court asked for it.")
    with acting(root):
        for name, enabled in (("nightly", True), ("weekly", False)):
            starts.declare_start(
                name=name, goals=("hold",), cron="30 6 * * 1", tz="Europe/Berlin", enabled=enabled
            )
        flows.start_flow(flow_id="held", goals=("ticket",), init={"card": ["4242"]})
        flows.pause_flow(flow_id="held", reason="We wait.")
    policy = put_into_force()
    draft = approval_policies.draft_policy(
        terms=approval_policies.terms_of(policy, condition="false")
    )
    approval = asked()
    revoked = document_access.grant_document_access(
        document_id=access.document_id, grantee=f"user:{root.pk}", purpose="Another look"
    )
    document_access.revoke_document_access(access_id=revoked.pk, reason="It is over.")
    subscription = given_up(peer)
    seals.seal_entries()
    return {
        "job_id": [dead_job(), waiting_job()],
        "flow_id": [trip, "held"],
        "step_id": ["pay", "hold"],
        "name": ["nightly", "weekly"],
        "approval_id": [approval.pk],
        "policy_id": [policy.pk, draft.pk],
        "access_id": [access.pk, revoked.pk],
        "delivery_id": [Delivery.objects.get().pk],
        "subscription_id": [subscription.pk],
        "booking_id": [],
        "invoice_id": [access.document.invoice_id],
        "event_id": [],
        "path": [],
    }


@pytest.fixture
def forms(world: World) -> list[Form]:
    """Return each form once, though many pages show it."""
    client = visitor()
    found: dict[Any, Form] = {}
    for page in [*pages_of_the_console(world), *picked(world), *pages_of_the_admin()]:
        answer = client.get(page)
        if answer.status_code == 200 and "html" in answer["Content-Type"]:
            for form in forms_on(page, answer.content.decode()):
                found.setdefault((name_of(form), *form.names), form)
    # One has no fields, and takes its time; after the other nobody is logged in.
    return [form for form in found.values() if name_of(form) not in {"doctor", "logout"}]


def name_of(form: Form) -> str:
    """Return the name of the address to which a form is sent."""
    return str(resolve(form.action.partition("?")[0]).url_name)


def visitor(**options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(User.objects.get(username="root"))
    return client


def pages_of_the_console(world: World) -> Iterator[str]:
    for pattern in urlpatterns:
        for values in combinations(pattern, world):
            yield reverse(f"console:{pattern.name}", kwargs=values)


def picked(world: World) -> Iterator[str]:
    """Return the pages of the console that show forms for what is asked for in their address."""
    yield f"/flows/{world['flow_id'][0]}?step=pay"
    yield "/flows/steps?goal=ticket"
    yield f"/ledger/policies/{world['policy_id'][1]}/what-if?condition=true"


def combinations(pattern: URLPattern, world: World) -> list[dict[str, Any]]:
    names = list(pattern.pattern.converters)
    return [
        dict(zip(names, values, strict=True))
        for values in product(*(world[name] for name in names))
    ]


def pages_of_the_admin() -> Iterator[str]:
    """Return those that change something: all others only show."""
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    request.session = SessionStore()
    for model, page in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        row = model._default_manager.first()
        if page.actions and row is not None:
            yield reverse(f"admin:{name}_changelist")
        if page.has_add_permission(request):
            yield reverse(f"admin:{name}_add")
        if row is not None and page.has_change_permission(request, row):
            yield reverse(f"admin:{name}_change", args=[row.pk])
    [entry, *_] = Entry.objects.filter(action_name="document_access.revoke")
    yield reverse("admin:ledger_entry_amend", args=[entry.pk])
    yield reverse("admin:ledger_entry_reversal", args=[entry.pk])
    yield reverse("admin:ledger_erasure_subject", args=["traveller/2"])
    yield reverse("admin:auth_user_password_change", args=[User.objects.latest("pk").pk])
    yield reverse("admin:password_change")


@contextmanager
def taken_back() -> Iterator[None]:
    block = transaction.atomic()
    # What a TestCase says of its own: in it, services may open theirs.
    block._from_testcase = True  # type: ignore[attr-defined]
    with block:
        yield
        transaction.set_rollback(True)


def told(form: Form, client: Client, body: str | bytes, type_: str = URLENCODED) -> tuple[int, int]:
    """Return how a body is answered, and how much it has changed."""
    with taken_back():
        before = _size()
        answer = client.post(
            form.action,
            body,
            content_type=type_,
            headers={"Referer": f"http://testserver{form.page}"},
        )
        return answer.status_code, _size() - before


def _size() -> int:
    done = Entry.objects.filter(status="succeeded").count()
    return StoredEvent.objects.count() + done + User.objects.count() + Group.objects.count()


def test_forms_withstand_hostile_and_clumsy_hands(forms: list[Form], world: World) -> None:
    """One test of several: what takes its time is to find the forms."""
    assert addresses_of_no_form(forms, world) == {"logout"}
    assert failures(forms, quick) == {}
    assert taken_without_a_token(forms) == []
    assert taken_as_something_else(forms) == []


@pytest.mark.soak
def test_no_field_of_a_form_can_break_it(forms: list[Form]) -> None:
    def slowly(form: Form) -> Iterator[tuple[str, str]]:
        yield from clumsy(form)
        yield from hostile(form)
        yield from hostile_in_each(form, at_most=3)

    assert failures(forms, slowly) == {}


def quick(form: Form) -> Iterator[tuple[str, str]]:
    """Return what is sent each time: to the whole form at once, not to each field."""
    yield from islice(clumsy(form), SHORT_FORM if len(form.names) < LONG_FORM else 1)
    if len(form.names) < LONG_FORM:
        yield from (each for each in hostile(form) if each[0] in {"NUL", "lone surrogate", "10^30"})


def failures(
    forms: list[Form], bodies: Callable[[Form], Iterable[tuple[str, str]]]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return what is answered with a 500, or taken though no text can be like that."""
    client, wrong = visitor(), {}
    for form in forms:
        for what, body in bodies(form):
            status, changed = told(form, client, body)
            if is_harm(form, status, changed if what == "NUL" else 0):
                wrong[form.action, what] = status, changed
    return wrong


def addresses_of_no_form(forms: list[Form], world: World) -> set[str]:
    """Return the names of the addresses that are for forms, and that no page leads to."""
    client, shown = visitor(), {name_of(form) for form in forms}
    unseen = {
        pattern.name: next(iter(combinations(pattern, world)), None)
        for pattern in urlpatterns
        if pattern.name not in shown
    }
    return {
        str(name)
        for name, values in unseen.items()
        if values is not None
        and client.get(reverse(f"console:{name}", kwargs=values)).status_code == 405
    }


def taken_without_a_token(forms: list[Form]) -> list[str]:
    """Return the forms that are not refused to who cannot have seen them."""
    client = visitor(enforce_csrf_checks=True)
    return [form.action for form in forms if told(form, client, form.as_shown()) != (403, 0)]


def taken_as_something_else(forms: list[Form]) -> list[tuple[str, str]]:
    """Return where a body that is no form fails, or changes something."""
    client = visitor()
    return [
        (form.action, type_)
        for form in forms
        for body, type_ in ODD_TYPES
        if is_harm(form, *told(form, client, body, type_))
    ]


def is_harm(form: Form, status: int, changed: int) -> bool:
    """Tell what no body may do; an empty form is as good as it ever will be."""
    return status >= 500 or (form.takes_text and changed > 0)
