"""Every form of the console and of the admin, in hostile and in clumsy hands.

Each is found on the page that shows it. What is sent is taken back: all meet the same world.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID, uuid4

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
from ledger import capabilities
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
    subscribed,
)
from tests.peers import Receiver
from tests.support import tables
from tests.support.forms import (
    IMPOSSIBLE,
    ODD,
    URLENCODED,
    Form,
    clumsy,
    each_kind_with_some,
    forms_on,
    hostile,
    hostile_in_each,
)
from workflows.flows import services as flows
from workflows.flows.triggers import starts
from workflows.webhooks.models import Delivery
from workflows.webhooks.services import subscriptions

World = dict[str, Any]
LONG_FORM = 40
"""From so many fields on, a page takes its time to be shown again."""
NUL = IMPOSSIBLE["NUL"]
NO_TEXT = IMPOSSIBLE.keys() - {"NUL"}
NOBODY = {"object_id": "999999999", "user_id": "999999999", "subject": "nobody"}
"""What is there for nobody, where it is no UUID."""
JSON = ("{}", "application/json")
NO_PARTS = (b"zzz", "multipart/form-data")
BESIDE = {"django_session", "ledger_entry", "ledger_unsealed"}
"""Tables that a refusal may change: a grave one is on record. What is done changes others too."""
ANSWERED = ("errorlist", 'role="alert"', "errornote", "messagelist")
"""What the pages have in common that say what was wrong."""

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
    subscription, (paused, _) = given_up(peer), subscribed(peer.url)
    with acting(root):
        subscriptions.disable_subscription(subscription_id=paused.pk)
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
        "subscription_id": [subscription.pk, paused.pk],
        "booking_id": [],
        "invoice_id": [access.document.invoice_id],
        "event_id": [],
        "path": [],
    }


@pytest.fixture
def seen(world: World) -> dict[str, Any]:
    """Return how each page was answered that may have a form."""
    client = visitor()
    pages = [*pages_of_the_console(world), *picked(world), *pages_of_the_admin()]
    return {page: client.get(page) for page in pages}


@pytest.fixture
def forms(seen: dict[str, Any]) -> list[Form]:
    """Return each form once, though many pages show it."""
    found: dict[Any, Form] = {}
    for page, answer in seen.items():
        if answer.status_code == 200 and "html" in answer["Content-Type"]:
            for form in forms_on(page, answer.content.decode()):
                found.setdefault((name_of(form), *form.names), form)
    # One has no fields, and takes its time; after the other nobody is logged in.
    return [form for form in found.values() if name_of(form) not in {"doctor", "logout"}]


def name_of(form: Form) -> str:
    """Return the name of the address to which a form is sent."""
    return str(resolve(form.action.partition("?")[0]).url_name)


def visitor(username: str = "root", **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(User.objects.get(username=username))
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


@dataclass(frozen=True, slots=True)
class Told:
    """How a body was answered, with which page, and the tables that it has changed."""

    status: int
    page: str
    changed: frozenset[str]

    @property
    def is_refused(self) -> bool:
        # A file that is handed out is not shown.
        return not 300 <= self.status < 400 and self.page != ""


def send(
    form: Form,
    client: Client,
    body: str | bytes,
    type_: str = URLENCODED,
    *,
    follows: bool = False,
) -> Told:
    with taken_back():
        before = tables.written()
        referrer = {"Referer": f"http://testserver{form.page}"}
        answer = client.post(form.action, body, content_type=type_, headers=referrer)
        touched = [name for name, rows in tables.written().items() if rows != before.get(name)]
        after = {name: tables.digest(name) for name in touched}
        status = answer.status_code
        leads_on = follows and 300 <= status < 400
        shown: Any = client.get(answer["Location"]) if leads_on else answer
        page = "" if shown.streaming else shown.content.decode()
    changed = frozenset(name for name in touched if tables.digest(name) != after[name])
    return Told(status, page, changed - BESIDE)


def test_forms_withstand_hostile_and_clumsy_hands(forms: list[Form], seen: dict[str, Any]) -> None:
    """One test of several: what takes its time is to find the forms."""
    assert addresses_of_no_form(forms, seen) == {"logout"}
    assert failures(quick(forms)) == {}
    assert forgotten(forms) == {}
    assert taken_without_a_token(forms) == []
    assert taken_as_something_else(forms) == []
    assert taken_for_nobody(forms) == {}
    assert taken_from_a_stranger(forms) == {}
    lost, asked = forgotten_until_approved(forms)
    assert (lost, len(asked) > 5) == ([], True), asked


@pytest.mark.soak
def test_no_field_of_a_form_can_break_it(forms: list[Form]) -> None:
    def slowly() -> Iterator[tuple[Form, str, str]]:
        for form in forms:
            print(form.action, flush=True)  # noqa: T201 - it takes minutes.
            for what, body in [
                *clumsy(form),
                *hostile(form),
                *hostile_in_each(form, at_most=8),
            ]:
                yield form, what, body

    assert failures(slowly()) == {}


def quick(forms: list[Form]) -> Iterator[tuple[Form, str, str]]:
    """Return what is sent each time: slips to each shape, and every text to half of the kinds."""
    every = of_each_shape(forms)
    short = [form for form in every if len(form.names) < LONG_FORM]
    # The other half is sent nothing at all (`taken_as_something_else`); a soak sends both to all.
    yield from ((form, "each twice", form.twice()) for form in every[::2] if form in short)
    # What is no text meets no form: it is refused in one place, whatever the form.
    yield from ((short[0], what, short[0].full_of(IMPOSSIBLE[what])) for what in NO_TEXT)
    yield from each_kind_with_some(short, {"NUL": NUL, **ODD})


def of_each_shape(forms: list[Form]) -> list[Form]:
    """Return one form of each set of fields: the lists of the admin have all the same."""
    return list({tuple(form.names): form for form in forms}.values())


def failures(sent: Iterable[tuple[Form, str, str]]) -> dict[tuple[str, str], Told]:
    """Return what is answered with a 500, changes something though it is refused, or is taken
    though no text can be like that.
    """
    client, wrong = visitor(), {}
    for form, what, body in sent:
        came = send(form, client, body)
        if is_harm(form, came, is_impossible=what in IMPOSSIBLE):
            wrong[form.action, what] = came
            print("FOUND", form.action, what, came.status, came.changed)  # noqa: T201
    return wrong


def is_harm(form: Form, came: Told, *, is_impossible: bool) -> bool:
    """Tell what no body may do; an empty form is as good as it ever will be."""
    is_taken = bool(came.changed) and (came.is_refused or is_impossible)
    return came.status >= 500 or (form.takes_text and is_taken)


def forgotten(forms: list[Form]) -> dict[str, list[str]]:
    """Return the fields whose text is gone when it is refused, or refused without a word, and
    the tables that were changed all the same.
    """
    client, lost, typed = visitor(), {}, unquote_plus(NUL)
    for form in (form for form in forms if form.typed):
        came = send(form, client, form.written_with(NUL), follows=True)
        shown = [each for each in forms_on(form.page, came.page) if each.names == form.names]
        kept = {name for each in shown for name, text in each.fields if text and typed in text}
        missing = [name for name in form.typed if name not in kept]
        is_silent = not any(mark in came.page for mark in ANSWERED)
        if missing or is_silent or is_harm(form, came, is_impossible=True):
            lost[form.action] = [*missing, *came.changed]
    return lost


def forgotten_until_approved(forms: list[Form]) -> tuple[list[str], list[str]]:
    """Return the forms whose reason is gone when somebody else has to agree, of all such forms.

    It has to be sent again once they have agreed: for the very same reason.
    """
    every = [each.id for each in capabilities.every() if each.resource != "approval_policy"]
    put_into_force(name="all-of-it", capabilities=tuple(every), condition="true")
    client = visitor()
    # Undoing leads to its request, or to another preview.
    with_reason = [
        form
        for form in forms
        if "reason" in form.typed and name_of(form) not in {"access-undo", "ledger_entry_reversal"}
    ]
    came = {
        form.action: send(form, client, form.written_with("Because"), follows=True)
        for form in with_reason
    }
    asked = [action for action, each in came.items() if "ledger_approval" in each.changed]
    return [action for action in asked if "Because" not in came[action].page], asked


def addresses_of_no_form(forms: list[Form], seen: dict[str, Any]) -> set[str]:
    """Return the names of the addresses that are for forms, and that no page leads to."""
    for_forms = {page for page, answer in seen.items() if answer.status_code == 405}
    return {str(resolve(page).url_name) for page in for_forms} - {name_of(form) for form in forms}


def taken_without_a_token(forms: list[Form]) -> list[str]:
    """Return the forms that are not refused to who cannot have seen them."""
    client = visitor(enforce_csrf_checks=True)
    came = {form.action: send(form, client, form.as_shown()) for form in forms}
    return [action for action, each in came.items() if each.status != 403 or each.changed]


def taken_as_something_else(forms: list[Form]) -> list[tuple[str, str]]:
    """Return where a body that is no form fails, or changes something.

    To a page JSON is a form with nothing in it; what has no parts does not come so far.
    """
    client, several = visitor(), of_each_shape(forms)[1::2]
    sent: list[tuple[Form, str | bytes, str]] = [
        *((form, *JSON) for form in several),
        (several[0], *NO_PARTS),
    ]
    return [
        (form.action, type_)
        for form, body, type_ in sent
        if is_harm(form, send(form, client, body, type_), is_impossible=True)
    ]


def taken_for_nobody(forms: list[Form]) -> dict[str, Told]:
    """Return the forms that do something to what is not there, or fail for it."""
    client, wrong = visitor(), {}
    for form in forms:
        found = resolve(form.action.partition("?")[0])
        if not found.kwargs:
            continue
        ids = {name: uuid4() if type(id_) is UUID else NOBODY.get(name, "nobody")
               for name, id_ in found.kwargs.items()}  # fmt: skip
        elsewhere = Form(form.page, reverse(found.view_name, kwargs=ids), form.fields, form.kinds)
        came = send(elsewhere, client, form.written_with("Because"))
        if came.changed or came.status >= 500:
            wrong[elsewhere.action] = came
    return wrong


def taken_from_a_stranger(forms: list[Form]) -> dict[str, Told]:
    """Return the forms that do something for somebody with an account and no permission."""
    User.objects.create_user("stranger", is_staff=True)
    client, wrong = visitor("stranger"), {}
    for form in forms:
        came = send(form, client, form.written_with("Because"))
        if came.changed:
            wrong[form.action] = came
    return wrong
