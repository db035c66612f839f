from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone
from guardian.shortcuts import assign_perm
from rest_framework.test import APIClient

from commerce.models import Allocation, Booking, Slot
from events import selectors
from tests.integration.commerce.acting import work_off
from tests.integration.commerce.api.conftest import Keyed
from tests.integration.commerce.conftest import MakeBooking
from tests.integration.commerce.peers import Peers

CONTACT = {"name": "Grace Hopper", "email": "grace@example.com", "phone": "+1 202 555 0143"}
PERSON = {"first_name": "Grace", "last_name": "Hopper", "document_number": "X1234567"}


def asked(slot: Slot, quantity: int = 2) -> dict[str, object]:
    return {
        "items": [{"slot_id": str(slot.pk), "quantity": quantity}],
        "pax": quantity,
        "contact": CONTACT,
    }


class TestBookings:
    def test_goes_from_draft_to_completed(self, admin: APIClient, slot: Slot) -> None:
        made = admin.post("/api/v1/bookings", asked(slot))
        url = made["Location"]

        steps = [
            admin.post(f"{url}/{step}", body)
            for step, body in (
                ("hold", {}),
                ("confirm", None),
                ("start", None),
                ("complete", None),
            )
        ]

        assert made.status_code == 201
        assert [step.json()["status"] for step in steps] == [
            "on_hold",
            "confirmed",
            "in_progress",
            "completed",
        ]
        assert [step["ETag"] for step in steps] == ['"2"', '"3"', '"4"', '"5"']
        stream = selectors.stream_events(("booking", made.json()["id"]))
        assert [event.sequence for event in stream] == [1, 2, 3, 4, 5]

    def test_shows_what_is_private_also_to_who_has_the_masked_answer(
        self, admin: APIClient, slot: Slot
    ) -> None:
        url = admin.post("/api/v1/bookings", asked(slot))["Location"]
        has = {"If-None-Match": admin.get(url)["ETag"]}

        again = admin.get(url, headers=has)
        looked = admin.get(url, headers={**has, "Access-Reason": "She calls"})

        assert again.status_code == 304
        assert (looked.status_code, looked.json()["contact"]) == (200, CONTACT)

    def test_shows_items_and_their_seats(self, admin: APIClient, slot: Slot) -> None:
        url = admin.post("/api/v1/bookings", asked(slot))["Location"]
        admin.post(f"{url}/hold", {})

        [item] = admin.get(url).json()["items"]

        assert item["seats"] == "held"
        assert (item["quantity"], item["unit_amount_cents"]) == (2, 12_000)

    def test_cancels_with_what_the_terms_give_back(
        self, admin: APIClient, confirmed: Booking
    ) -> None:
        answer = admin.post(f"/api/v1/bookings/{confirmed.pk}/cancel", {"reason": "Illness"})

        assert answer.json()["status"] == "cancelled"
        assert answer.json()["entitlement"]["amount_cents"] == 12_000
        assert answer.json()["entitlement"]["refund_bp"] == 5_000

    def test_demands_a_reason_to_cancel(self, admin: APIClient, confirmed: Booking) -> None:
        answer = admin.post(f"/api/v1/bookings/{confirmed.pk}/cancel", {"reason": " "})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == "/reason"

    def test_refuses_a_step_that_makes_no_sense(self, admin: APIClient, booking: Booking) -> None:
        answer = admin.post(f"/api/v1/bookings/{booking.pk}/complete")

        assert answer.status_code == 422
        assert answer.json()["code"] == "invalid_booking_transition"
        assert answer.json()["facts"]["allowed"] == [
            "awaiting_payment",
            "cancelled",
            "confirmed",
            "on_hold",
        ]
        assert Booking.objects.get(pk=booking.pk).status == "draft"

    def test_keeps_seats_until_the_moment_that_was_asked(
        self, admin: APIClient, booking: Booking
    ) -> None:
        until = timezone.now() + timedelta(hours=5)

        answer = admin.post(
            f"/api/v1/bookings/{booking.pk}/hold", {"hold_expires_at": until.isoformat()}
        )

        assert answer.json()["hold_expires_at"] == until.isoformat().replace("+00:00", "Z")

    def test_refuses_who_acts_on_an_old_picture(self, admin: APIClient, booking: Booking) -> None:
        url = f"/api/v1/bookings/{booking.pk}"
        admin.post(f"{url}/hold", {})

        answer = admin.post(f"{url}/confirm", headers={"If-Match": '"1"'})

        assert answer.status_code == 412
        assert Booking.objects.get(pk=booking.pk).status == "on_hold"

    def test_amends_what_is_noted(self, admin: APIClient, booking: Booking) -> None:
        answer = admin.patch(
            f"/api/v1/bookings/{booking.pk}",
            {"external_ref": "OTA-77"},
            headers={"If-Match": '"1"'},
        )

        assert answer.json()["external_ref"] == "OTA-77"
        assert answer["ETag"] == '"2"'

    def test_overrides_with_a_reason(self, admin: APIClient, confirmed: Booking) -> None:
        url = f"/api/v1/bookings/{confirmed.pk}"
        admin.post(f"{url}/cancel", {"reason": "Mixed up"})

        answer = admin.post(f"{url}/override", {"to": "confirmed", "reason": "Wrong booking"})

        assert answer.json()["status"] == "confirmed"
        assert Allocation.objects.get(booking=confirmed.pk).status == "confirmed"

    def test_masks_the_contact_for_who_may_not_see_it(
        self, admin: APIClient, keyed: Keyed, booking: Booking
    ) -> None:
        url = f"/api/v1/bookings/{booking.pk}"

        plain = keyed("booking.read").get(url)
        unsaid = admin.get(url)
        clear = admin.get(url, headers={"Access-Reason": "they called"})

        assert unsaid.json()["contact"] == plain.json()["contact"]
        assert plain.json()["contact"] == {
            "name": "A•••",
            "email": "a•••@example.com",
            "phone": "•••41",
        }
        assert clear.json()["contact"]["name"] == "Ada Lovelace"
        assert clear["Cache-Control"] == "no-store"

    def test_shows_only_what_was_granted(self, keyed: Keyed, make_booking: MakeBooking) -> None:
        mine, others = make_booking(), make_booking()
        client = keyed(name="partner")
        assign_perm("commerce.view_booking", User.objects.get(username="partner"), mine)

        listed = client.get("/api/v1/bookings").json()["results"]

        assert [row["id"] for row in listed] == [str(mine.pk)]
        assert client.get(f"/api/v1/bookings/{mine.pk}").status_code == 200
        assert client.get(f"/api/v1/bookings/{others.pk}").status_code == 404
        assert client.post(f"/api/v1/bookings/{mine.pk}/confirm").status_code == 403
        assert Booking.objects.get(pk=mine.pk).status == "draft"

    def test_lets_act_who_was_granted_that(self, keyed: Keyed, booking: Booking) -> None:
        client = keyed(name="partner")
        partner = User.objects.get(username="partner")
        assign_perm("commerce.view_booking", partner, booking)
        assign_perm("commerce.change_booking", partner, booking)

        assert client.post(f"/api/v1/bookings/{booking.pk}/confirm").status_code == 200
        assert client.post("/api/v1/bookings", {}).status_code in {400, 403}

    def test_filters_by_status_and_day(self, admin: APIClient, confirmed: Booking) -> None:
        day = confirmed.service_date
        found = admin.get(f"/api/v1/bookings?status=confirmed&service_after={day}").json()
        none = admin.get(f"/api/v1/bookings?service_before={day}").json()

        assert len(found["results"]) == 1
        assert none["results"] == []


class TestTravellers:
    def url(self, booking: Booking) -> str:
        return f"/api/v1/bookings/{booking.pk}/travellers"

    def test_names_one_and_masks_them(
        self, admin: APIClient, keyed: Keyed, booking: Booking
    ) -> None:
        made = admin.post(
            self.url(booking),
            {"category": "adult", "personal": PERSON},
            headers={"Access-Reason": "to read it back"},
        )

        plain = keyed("traveller.read", "booking.read").get(made["Location"])

        assert made.status_code == 201
        assert made.json()["personal"]["first_name"] == "Grace"
        assert plain.json()["personal"] == {
            "first_name": "G•••",
            "last_name": "H•••",
            "document_number": "•••67",
        }

    def test_changes_one_field_and_keeps_the_others(
        self, admin: APIClient, booking: Booking
    ) -> None:
        url = admin.post(self.url(booking), {"category": "adult", "personal": PERSON})["Location"]

        answer = admin.patch(
            url,
            {"personal": {"phone": "+44 20 7946 0000"}},
            headers={"If-Match": '"1"', "Access-Reason": "to read it back"},
        )

        assert answer.json()["personal"]["phone"] == "+44 20 7946 0000"
        assert answer.json()["personal"]["last_name"] == "Hopper"
        event = selectors.stream_events(("booking", str(booking.pk)))[-1]
        assert event.name == "booking.traveller.amended"
        assert event.data["fields"] == ["phone"]
        assert "7946 0000" not in str(event.as_json())

    def test_erases_for_good(self, admin: APIClient, booking: Booking) -> None:
        url = admin.post(self.url(booking), {"category": "adult", "personal": PERSON})["Location"]

        answer = admin.post(f"{url}/erase")
        again = admin.patch(url, {"personal": {"phone": "1"}}, headers={"If-Match": answer["ETag"]})

        assert answer.json()["personal"] == {}
        assert (again.status_code, again.json()["code"]) == (409, "traveller_forgotten")

    def test_refuses_more_than_the_booking_is_for(self, admin: APIClient, booking: Booking) -> None:
        answers = [
            admin.post(self.url(booking), {"category": "adult", "personal": PERSON})
            for _ in range(3)
        ]

        assert [answer.status_code for answer in answers] == [201, 201, 422]
        assert answers[-1].json()["code"] == "roster_full"
        assert len(admin.get(self.url(booking)).json()) == 2

    def test_refuses_a_second_primary_traveller(self, admin: APIClient, booking: Booking) -> None:
        body = {"category": "adult", "is_primary": True, "personal": PERSON}
        admin.post(self.url(booking), body)

        answer = admin.post(self.url(booking), body)

        assert (answer.status_code, answer.json()["code"]) == (409, "primary_traveller_taken")
        assert len(admin.get(self.url(booking)).json()) == 1

    def test_removes_one(self, admin: APIClient, booking: Booking) -> None:
        url = admin.post(self.url(booking), {"category": "child", "personal": PERSON})["Location"]

        assert admin.delete(url).status_code == 204
        assert admin.get(url).status_code == 404
        assert admin.get(self.url(booking)).json() == []

    def test_keeps_them_from_who_may_not_see_the_booking(
        self, keyed: Keyed, booking: Booking
    ) -> None:
        stranger = keyed("product.read")

        assert stranger.get(self.url(booking)).status_code == 403


class TestSendDocuments:
    def test_answers_with_the_delivery_and_sends_in_the_background(
        self, admin: APIClient, booking: Booking, peers: Peers
    ) -> None:
        invoice = admin.post("/api/v1/invoices", {"booking_id": str(booking.pk)}).json()
        admin.post(f"/api/v1/invoices/{invoice['id']}/issue")
        admin.post(f"/api/v1/invoices/{invoice['id']}/documents", {})

        answer = admin.post(f"/api/v1/bookings/{booking.pk}/documents/send", {})
        assert answer.status_code == 202
        assert answer.json()["status"] == "pending"
        work_off()

        delivery = admin.get(answer["Location"]).json()
        assert delivery["status"] == "sent"
        assert delivery["recipient"] == "a•••@example.com"
        assert [message["to"] for message in peers.messages] == ["ada@example.com"]
