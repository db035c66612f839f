"""A booking is made, paid and sent, while a content system fails and a worker is killed."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from examples.stories.world import World

CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+44 20 7946 0141"}
LADDER = [
    {"days_before": 30, "refund_bp": 10_000, "refund_type": "cash"},
    {"days_before": 7, "refund_bp": 5_000, "refund_type": "cash"},
    {"days_before": 0},
]


def tell(world: World) -> None:
    """Tell it from the first product to the last event."""
    for peer in (world.payment, world.mail, world.cms):
        peer.order(fail=0, lose_answer=0, hang_s=0)
    product, slot = _offer(world)
    booking = _book(world, slot)
    invoice = _bill(world, booking)
    _settle(world, booking, invoice)
    _fail_the_cms(world, product)
    _send_while_a_worker_dies(world, booking)
    _charge_back(world, invoice)
    _show_the_record(world, booking, invoice)


def _offer(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    world.step("Something to sell: a policy, a product and a departure")
    tag = uuid4().hex[:6]
    policy = world.api.post(
        "cancellation-policies",
        {"name": f"Demo terms {tag}", "currency": "EUR", "rules": LADDER},
        status=201,
    )
    version = policy["versions"][0]["id"]
    world.api.post(f"cancellation-policies/{policy['id']}/versions/{version}/publish")
    product = world.api.post(
        "products",
        {
            "name": f"Sunset sail {tag}",
            "currency": "EUR",
            "sell_amount_cents": 8_900,
            "status": "active",
            "cancellation_policy_id": policy["id"],
        },
        status=201,
    )
    leaves = datetime.now(UTC) + timedelta(days=21)
    slot = world.api.post(
        "slots",
        {"product_id": product["id"], "starts_at": leaves.isoformat(), "capacity": 8},
        status=201,
    )
    world.note(f"product {product['id']} at 89.00 EUR, departure {slot['id']} with 8 seats")
    frame = world.feed.wait_for("product.created", lambda f: f["data"]["id"] == product["id"])
    world.note(f"product.created came live, at position {frame['position']} of the log")
    copies = world.cms.get("documents")
    wanted = {"payload": product["id"], "sanity": f"product-{product['id']}"}
    there = {system: id_ for system, id_ in wanted.items() if id_ in copies[system]}
    world.expect("the copies in the content systems", there, wanted)
    world.note("two content systems heard of it after the commit and have their copy")
    return product, slot


def _book(world: World, slot: dict[str, Any]) -> dict[str, Any]:
    world.step("A booking for two, whose seats are kept for a payment")
    key = str(uuid4())
    asked = {"items": [{"slot_id": slot["id"], "quantity": 2}], "pax": 2, "contact": CUSTOMER}
    booking = world.api.post("bookings", asked, status=201, key=key)
    again = world.api.post("bookings", asked, status=201, key=key)
    world.expect("the booking of a repeated request", again["id"], booking["id"])
    world.note(f"booking {booking['number']} ({booking['id']}); asked twice, made once")
    world.api.post(
        f"bookings/{booking['id']}/travellers",
        {
            "category": "adult",
            "is_primary": True,
            "personal": {"first_name": "Ada", "last_name": "Lovelace"},
        },
        status=201,
    )
    waiting: dict[str, Any] = world.api.post(f"bookings/{booking['id']}/await-payment", {})
    world.expect("the booking", waiting["status"], "awaiting_payment")
    world.expect("seats left", world.api.get(f"slots/{slot['id']}")["remaining"], 6)
    world.note(f"awaiting payment until {waiting['hold_expires_at']}; 6 of 8 seats are left")
    refused = world.api.post(f"bookings/{booking['id']}/confirm", status=422)
    world.expect("why it is not confirmed yet", refused["code"], "payment_outstanding")
    world.note(f"confirming it now is refused: {refused['detail']}")
    return waiting


def _bill(world: World, booking: dict[str, Any]) -> dict[str, Any]:
    world.step("An invoice and its document")
    draft = world.api.post("invoices", {"booking_id": booking["id"]}, status=201)
    invoice: dict[str, Any] = world.api.post(f"invoices/{draft['id']}/issue")
    document = world.api.post(f"invoices/{invoice['id']}/documents", {}, status=201)
    world.expect("what is due", invoice["balance_due_cents"], 17_800)
    world.note(f"invoice {invoice['number']} ({invoice['id']}): 178.00 EUR due")
    world.feed.wait_for(
        "invoice.document.generated", lambda f: f["data"]["renditionId"] == document["id"]
    )
    world.note(f"document {document['id']}: {document['byte_size']} bytes, told as internal fact")
    return invoice


def _settle(world: World, booking: dict[str, Any], invoice: dict[str, Any]) -> None:
    world.step("The customer pays at the provider; we ask what was paid")
    job = world.api.post(f"invoices/{invoice['id']}/request-payment", {}, status=202)
    _finished(world, job["job_id"])
    [ref] = world.api.get(f"invoices/{invoice['id']}")["external_refs"]
    world.note(f"job {job['job_id']} asked the provider, who calls it {ref['external_id']}")
    world.payment.order(settle=ref["external_id"])
    polls = [
        world.api.post(f"invoices/{invoice['id']}/poll-settlement", status=202) for _ in range(2)
    ]
    for poll in polls:
        _finished(world, poll["job_id"])
    settled = world.feed.wait_for(
        "invoice.settled", lambda f: f["data"]["invoiceId"] == invoice["id"]
    )
    payments = world.api.get("payments", invoice_id=invoice["id"])["results"]
    world.expect("payments after two polls", len(payments), 1)
    world.expect("what is due", settled["data"]["balanceDueCents"], 0)
    world.note(f"payment {payments[0]['id']} of 178.00 EUR; polled twice, booked once")
    confirmed = world.api.post(f"bookings/{booking['id']}/confirm")
    world.expect("the booking", confirmed["status"], "confirmed")
    world.note(f"booking {booking['number']} is confirmed, and stamped as paid")


def _fail_the_cms(world: World, product: dict[str, Any]) -> None:
    world.step("A content system fails, and nobody is harmed")
    world.cms.order(fail=2)
    changed = world.api.patch(
        f"products/{product['id']}", {"sell_amount_cents": 9_900}, version=product["revision"]
    )
    world.expect("the new price", changed["sell_amount_cents"], 9_900)
    failing = world.api.get("external-content", product_id=product["id"], is_failing="true")
    world.expect("copies that lag behind", len(failing["results"]), 2)
    world.note(f"the price changed; both copies lag: {failing['results'][0]['last_error']}")
    world.api.patch(
        f"products/{product['id']}", {"description": "With wine."}, version=changed["revision"]
    )
    healed = world.api.get("external-content", product_id=product["id"], is_failing="true")
    world.expect("copies that lag behind", healed["results"], [])
    world.note("the next change brought both up to date")


def _send_while_a_worker_dies(world: World, booking: dict[str, Any]) -> None:
    world.step("The documents are sent, although the worker that sends them is killed")
    before = len(world.mail.get("messages"))
    world.mail.order(hang_s=9)
    delivery = world.api.post(f"bookings/{booking['id']}/documents/send", {}, status=202)
    job = world.wait(
        "that a worker takes the job",
        lambda: world.api.get(f"jobs/{delivery['job_id']}"),
        lambda job: job["status"] == "leased",
    )
    world.note(f"delivery {delivery['id']}: {job['worker']} has it, and the mail service hangs")
    world.kill(job["worker"].partition("@")[0])
    world.mail.order(hang_s=0)
    world.note("killed with SIGKILL; its lease runs out, and somebody else goes on")
    sent = world.feed.wait_for(
        "booking.documents.sent", lambda f: f["data"]["deliveryId"] == delivery["id"]
    )
    done = _finished(world, delivery["job_id"])
    first, last = done["attempts"][0], done["attempts"][-1]
    world.expect("how the first attempt ended", first["outcome"], "crashed")
    world.expect("how the last attempt ended", last["outcome"], "done")
    world.expect_not("who finished it", last["worker"], first["worker"])
    world.note(f"{last['worker']} finished it in attempt {last['attempt']}")
    world.expect("messages at the mail service", len(world.mail.get("messages")) - before, 1)
    world.note("both attempts used one token, so one message went out")
    world.note(f"booking.documents.sent, to {sent['data']['recipient']}")


def _charge_back(world: World, invoice: dict[str, Any]) -> None:
    world.step("A bank takes part of the money back, and the provider tells it twice")
    [ref] = world.api.get(f"invoices/{invoice['id']}")["external_refs"]
    notifications = world.payment.order(charge_back=ref["external_id"], amount_cents=5_000)["told"]
    world.expect("how Daybook answered the provider", notifications[-1]["answered"], 202)
    fact = world.feed.wait_for(
        "chargeback.noted", lambda f: f["data"]["invoiceId"] == invoice["id"]
    )
    again = world.payment.order(tell_again=fact["data"]["providerRef"])["told"]
    world.expect("how Daybook answered the second time", again[-1]["answered"], 202)
    noted = world.api.get("chargebacks", invoice_id=invoice["id"])["results"]
    world.expect(
        "chargebacks that are noted", [row["charged_back_cents"] for row in noted], [5_000]
    )
    owed = world.api.get(f"invoices/{invoice['id']}")
    world.expect("what is owed again", owed["balance_due_cents"], 5_000)
    world.note(f"chargeback {fact['data']['providerRef']}: told twice, noted once")
    world.note(f"invoice {invoice['number']} is {owed['status']}; 50.00 EUR are owed again")


def _show_the_record(world: World, booking: dict[str, Any], invoice: dict[str, Any]) -> None:
    world.step("What is on record")
    for kind, id_ in (("booking", booking["id"]), ("invoice", invoice["id"])):
        events = world.api.get(f"streams/{kind}/{id_}/events")["results"]
        sequences = [event["metadata"]["sequence"] for event in events]
        world.expect(f"the sequence of {kind}", sequences, list(range(1, len(events) + 1)))
        world.note(f"stream {kind}/{id_}")
        for event in events:
            about = event["metadata"]
            world.say(
                f"     {about['sequence']:>3}  {event['name']:<28} {event['emittedAt']}"
                f"  by {about['principal']['kind']}"
            )
        last = (id_, len(events))
        world.feed.wait_for(events[-1]["name"], partial(_is_of, last))
        seen = [(f["type"], f["sequence"]) for f in world.feed.about(id_)]
        recorded = [(e["name"], e["metadata"]["sequence"]) for e in events]
        world.expect(f"what came live of {kind}", seen, recorded)
    world.note("the WebSocket brought exactly these, in this order")


def _is_of(place: tuple[str, int], frame: dict[str, Any]) -> bool:
    return (frame["id"][-1], frame["sequence"]) == place


def _finished(world: World, job_id: str) -> dict[str, Any]:
    done: dict[str, Any] = world.wait(
        f"job {job_id}",
        lambda: world.api.get(f"jobs/{job_id}"),
        lambda job: job["status"] in {"done", "dead", "poisoned", "cancelled"},
    )
    world.expect(f"job {job_id}", done["status"], "done")
    return done
