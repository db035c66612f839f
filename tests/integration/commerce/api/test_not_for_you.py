"""What somebody may not see is not there for them: one answer, and on record what it stands for."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from guardian.shortcuts import assign_perm

from commerce.models import Booking, Invoice, Payment, Slot
from commerce.services import document_access, renditions
from events.ids import new_id
from ledger import readings, tools
from ledger.models import Delegation, Entry
from ledger.services.approvals import Subject, request_approval
from tests.integration.commerce.acting import CLERK
from tests.integration.commerce.charging_back import give_back, note
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.ledger.agents import an_agent, delegated, key_of
from tests.integration.ledger.approvals import put_into_force
from tests.integration.ledger.conftest import client_with, grant, issue

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS_OF = {
    "booking": "bookings",
    "chargeback": "chargebacks",
    "credit_note": "credit-notes",
    "document_access": "document-accesses",
    "invoice": "invoices",
    "payment": "payments",
    "product": "products",
    "refund": "refunds",
    "slot": "slots",
}
READ = sorted({each.capability for each in readings.every()})
WHY = {"Access-Reason": "a test"}


@pytest.fixture
def things(captured: Payment) -> dict[str, Any]:
    """One of each kind that can be read."""
    give_back(captured, 1_000)
    note(captured, 5_000)
    document = renditions.generate_invoice_document(invoice_id=captured.invoice_id)
    eve = User.objects.create_user("eve")
    document_access.grant_document_access(
        document_id=document.pk, grantee=f"user:{eve.pk}", purpose="The yearly audit"
    )
    found = {each.type: each.every().order_by("pk").first() for each in readings.every()}
    assert all(found.values()), found
    return found


@pytest.fixture
def ada(transactional_db: None) -> User:
    return grant(User.objects.create_user("ada"), *READ, "booking.confirm", "booking.cancel")


def narrowed(ada: User, **named: str) -> Delegation:
    """Let an agent see one thing of each kind that is named, and nothing else."""
    resources = {type_: (id_,) for type_, id_ in named.items()}
    return delegated(an_agent(ada), *READ, "booking.confirm", resources=resources)


def without(answer: Any, *own: object) -> str:
    """Return an answer without what says which request it answers."""
    text = str({k: v for k, v in answer.items() if k not in {"request_id", "instance"}})
    for each in own:
        text = text.replace(str(each), "<id>")
    return text


def denied(link: Delegation, id_: object) -> list[str]:
    rows = Entry.objects.filter(delegation_id=link.pk, target_id=str(id_), status="denied")
    return [row.mutation.summary for row in rows.select_related("mutation").order_by("pk")]


class TestToAnAgent:
    def test_what_its_filter_leaves_out_is_not_there(
        self, ada: User, things: dict[str, Any]
    ) -> None:
        link = narrowed(ada, **{type_: str(new_id()) for type_ in things})
        secret = key_of(link)

        for type_, thing in things.items():
            none = new_id()
            one = tools.call("read", {"type": type_, "id": str(thing.pk)}, written_key=secret)
            other = tools.call("read", {"type": type_, "id": str(none)}, written_key=secret)

            assert (one["outcome"], one["because"]) == ("refused", "thing_not_found")
            assert without(one, thing.pk) == without(other, none)
            assert denied(link, thing.pk) == ["Refused: delegation_out_of_reach"]
            assert denied(link, none) == ["Refused: delegation_out_of_reach"]

    def test_what_its_filter_names_is_told_by_its_own_name(
        self, ada: User, things: dict[str, Any]
    ) -> None:
        link = narrowed(ada, **{type_: str(thing.pk) for type_, thing in things.items()})
        secret = key_of(link)

        for type_, thing in things.items():
            listed = tools.call("list", {"type": type_}, written_key=secret)
            shown = tools.call("read", {"type": type_, "id": str(thing.pk)}, written_key=secret)

            assert [each["id"] for each in listed["items"]] == [str(thing.pk)]
            assert shown["thing"]["id"] == str(thing.pk)
            looked = Entry.objects.filter(delegation_id=link.pk, target_id=str(thing.pk))
            assert [entry.target_type for entry in looked] == [type_]

    def test_over_http_neither(self, ada: User, things: dict[str, Any]) -> None:
        assert set(ADDRESS_OF) == set(things)
        link = narrowed(ada, **{type_: str(new_id()) for type_ in things})
        client = client_with(key_of(link))

        for type_, thing in things.items():
            none = new_id()
            answers = [
                client.get(f"/api/v1/{ADDRESS_OF[type_]}/{id_}", headers=WHY)
                for id_ in (thing.pk, none)
            ]

            one, other = (without(each.json(), thing.pk, none) for each in answers)
            assert one == other
            assert answers[0].status_code == answers[1].status_code
            assert [len(denied(link, id_)) for id_ in (thing.pk, none)] == [1, 1]

    def test_what_can_be_held_over_one_thing_is_not_found(
        self, ada: User, booking: Booking, invoice: Invoice
    ) -> None:
        link = narrowed(ada, booking=str(new_id()), invoice=str(new_id()))
        client = client_with(key_of(link))

        for path in (f"bookings/{booking.pk}", f"invoices/{invoice.pk}", f"bookings/{new_id()}"):
            answer = client.get(f"/api/v1/{path}", headers=WHY)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert denied(link, booking.pk) == ["Refused: delegation_out_of_reach"]

    def test_nor_is_it_there_to_be_changed(self, ada: User, booking: Booking) -> None:
        link = narrowed(ada, booking=str(new_id()))
        secret, none = key_of(link), new_id()

        def confirm(id_: object, over_http: bool) -> Any:  # noqa: FBT001 (read where it is asked)
            if over_http:
                client = client_with(secret)
                return client.post(f"/api/v1/bookings/{id_}/confirm", format="json").json()
            asked = {"command": "booking.confirm", "target_id": str(id_), "idempotency_key": "k"}
            return tools.call("execute", asked, written_key=secret)

        for over_http, code in ((False, "thing_not_found"), (True, "not_found")):
            one, other = confirm(booking.pk, over_http), confirm(none, over_http)
            assert code in (one.get("because"), one.get("code"))
            assert without(one, booking.pk) == without(other, none)
        assert denied(link, booking.pk)[0] == "Refused: delegation_out_of_reach"
        booking.refresh_from_db()
        assert booking.status == "draft"

    def test_what_its_owner_may_not_see_is_not_there_for_it(
        self, transactional_db: None, make_booking: MakeBooking
    ) -> None:
        mine, other, none = make_booking(quantity=1), make_booking(quantity=1), new_id()
        bea = User.objects.create_user("bea")
        assign_perm("commerce.view_booking", bea, mine)
        link = delegated(an_agent(bea), "booking.read")
        secret = key_of(link)

        shown, one, two = (
            tools.call("read", {"type": "booking", "id": str(id_)}, written_key=secret)
            for id_ in (mine.pk, other.pk, none)
        )

        assert shown["outcome"] == "found"
        assert one["because"] == "thing_not_found"
        assert without(one, other.pk) == without(two, none)
        assert denied(link, other.pk) == ["Refused: capability_missing"]
        assert denied(link, none) == ["Refused: thing_not_found"]

    def test_what_it_sees_and_may_not_do_is_told_as_that(self, ada: User, booking: Booking) -> None:
        link = narrowed(ada, booking=str(booking.pk))
        asked = {"command": "booking.cancel", "target_id": str(booking.pk), "idempotency_key": "k"}

        answer = tools.call("execute", asked, written_key=key_of(link))

        assert (answer["outcome"], answer["because"]) == ("denied", "capability_missing")


class TestToAPerson:
    def test_what_they_were_not_granted_is_not_there(
        self, transactional_db: None, make_booking: MakeBooking
    ) -> None:
        mine, other, none = make_booking(quantity=1), make_booking(quantity=1), new_id()
        bea = User.objects.create_user("bea")
        assign_perm("commerce.view_booking", bea, mine)
        client = client_with(issue(bea, ["*"])[0])

        for path, status in ((f"{mine.pk}", 200), (f"{other.pk}", 404), (f"{none}", 404)):
            assert client.get(f"/api/v1/bookings/{path}", headers=WHY).status_code == status
        answers = [
            client.get(f"/api/v1/bookings/{id_}", headers=WHY).json() for id_ in (other.pk, none)
        ]
        assert without(answers[0]) == without(answers[1])

    def test_nor_is_it_on_the_pages(
        self, transactional_db: None, make_booking: MakeBooking, client: Any
    ) -> None:
        mine, other = make_booking(quantity=1), make_booking(quantity=1)
        bea = User.objects.create_user("bea")
        assign_perm("commerce.view_booking", bea, mine)
        client.force_login(bea)

        pages = [client.get(f"/bookings/{id_}") for id_ in (mine.pk, other.pk, new_id())]

        assert [page.status_code for page in pages] == [200, 404, 404]

    def test_what_others_asked_for_cannot_be_withdrawn_and_is_not_there(self, slot: Slot) -> None:
        put_into_force(name="subjects")
        subject = Subject(type="slot", id=str(slot.pk), title="A late start")
        row = request_approval(subject=subject, policy="subjects")
        assert row.requested_by == str(CLERK)
        bea, none = client_with(issue(User.objects.create_user("bea"), ["*"])[0]), new_id()

        answers = [
            bea.post(f"/api/v1/ledger/approvals/{id_}/cancel", {}, format="json").json()
            for id_ in (row.pk, none)
        ]

        assert answers[0]["code"] == "approval_not_found"
        assert without(answers[0], row.pk) == without(answers[1], none)
        refused = Entry.objects.get(target_id=str(row.pk), status="denied")
        assert refused.mutation.summary == "Refused: approval_not_the_requester"
        row.refresh_from_db()
        assert row.status == "pending"
