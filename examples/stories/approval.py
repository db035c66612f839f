"""An agent cancels a paid booking: it has to request approval, and cannot give it to itself."""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from examples.stories.world import Api, World

VERIFIER = Path(__file__).resolve().parents[2] / "ledger" / "verifier.py"
PRICE_CENTS = 8_900
PAID_CENTS = 2 * PRICE_CENTS
HALF_CENTS = PAID_CENTS // 2
CUSTOMER = {"name": "Ada Lovelace", "email": "ada@example.com"}
WHY = {"reason": "The customer wrote that she has fallen ill."}


def tell(world: World) -> None:
    """Tell it from the booking to the evidence."""
    booking, payment = _sell(world)
    delegation, secret = _delegate(world)
    with world.using(secret) as agent:
        approval, key = _ask(world, agent, booking)
        _cannot_answer_itself(world, agent, approval, booking)
        _agree(world, approval)
        _carry_out_once(world, agent, approval, booking, key)
        _give_half_back(world, booking, payment)
        _look_at_undoing(world, agent, booking, payment)
        _stop(world, agent, delegation)
    _prove(world, booking)


def _sell(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    world.step("A booking that is paid, three weeks ahead, on terms that give half back")
    tag = uuid4().hex[:6]
    rules = [{"days_before": 7, "refund_bp": 5_000, "refund_type": "cash"}, {"days_before": 0}]
    terms = {"name": f"Half terms {tag}", "currency": "EUR", "rules": rules}
    policy = world.api.post("cancellation-policies", terms, status=201)
    version = policy["versions"][0]["id"]
    world.api.post(f"cancellation-policies/{policy['id']}/versions/{version}/publish")
    product = world.api.post(
        "products",
        {
            "name": f"Night sail {tag}",
            "currency": "EUR",
            "sell_amount_cents": PRICE_CENTS,
            "status": "active",
            "cancellation_policy_id": policy["id"],
        },
        status=201,
    )
    leaves = (datetime.now(UTC) + timedelta(days=21)).isoformat()
    slot = world.api.post(
        "slots", {"product_id": product["id"], "starts_at": leaves, "capacity": 8}, status=201
    )
    asked = {"items": [{"slot_id": slot["id"], "quantity": 2}], "pax": 2, "contact": CUSTOMER}
    booking = world.api.post("bookings", asked, status=201)
    draft = world.api.post("invoices", {"booking_id": booking["id"]}, status=201)
    invoice = world.api.post(f"invoices/{draft['id']}/issue")
    money = {"amount_cents": PAID_CENTS, "currency": "EUR", "method": "bank_transfer"}
    payment = world.api.post(f"invoices/{invoice['id']}/payments", money, status=201)
    confirmed = world.api.post(f"bookings/{booking['id']}/confirm")
    world.expect("the booking", confirmed["status"], "confirmed")
    world.note(f"booking {booking['number']}: confirmed, 178.00 EUR paid")
    return confirmed, payment


def _delegate(world: World) -> tuple[dict[str, Any], str]:
    world.step("An agent, and how far it may go")
    named = {"name": f"mail-clerk-{uuid4().hex[:6]}", "subtype": "tool_runner"}
    agent = world.api.post("ledger/agents", named, status=201)
    limits = {
        "agent_id": agent["id"],
        "reason": "It answers the customers' mail.",
        "scopes": ["booking.read", "booking.cancel", "ledger.read"],
        "actions_max": 20,
        "cents_max": 100_000,
        "currency": "EUR",
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    delegation = world.api.post("ledger/delegations", limits, status=201)
    issued = world.api.post(f"ledger/delegations/{delegation['id']}/keys/issue", {}, status=201)
    world.note(f"{agent['name']} may read and cancel bookings and look into the ledger")
    world.note("for an hour, 20 acts and 1000.00 EUR")
    return delegation, issued["secret"]


def _ask(world: World, agent: Api, booking: dict[str, Any]) -> tuple[dict[str, Any], str]:
    world.step("It cancels the booking, and is told that a person has to agree")
    key = str(uuid4())
    answer = agent.post(f"bookings/{booking['id']}/cancel", WHY, status=202, key=key)
    approval: dict[str, Any] = answer["approval"]
    world.expect("the requested action", answer["requested_action"]["status"], "awaiting_approval")
    world.expect("the risk", approval["risk"], "critical")
    world.note(f"202: approval {approval['id']} by the policy {approval['policy_name']}")
    again = agent.post(f"bookings/{booking['id']}/cancel", WHY, status=202, key=key)
    world.expect("the approval of a repeated request", again["approval"]["id"], approval["id"])
    refused = agent.post(f"bookings/{booking['id']}/confirm", status=403)
    world.expect("why it may do nothing else", refused["code"], "permission_denied")
    return approval, key


def _cannot_answer_itself(
    world: World, agent: Api, approval: dict[str, Any], booking: dict[str, Any]
) -> None:
    world.step("Nobody says yes to what he asked for himself, on any path")
    at, yes = f"ledger/approvals/{approval['id']}/decide", {"decision": "approve"}
    agent.post(at, yes, status=403)
    world.note("the agent may not decide at all")
    owner = world.api.post(at, yes, status=403)
    world.expect("why its owner may not", owner["code"], "approval_self_decision_forbidden")
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    spare = {"name": "another key", "scopes": ["*"], "expires_at": ends}
    with world.using(world.api.post("api-keys", spare, status=201)["secret"]) as other:
        by_key = other.post(at, yes, status=403)
    world.expect("why another key may not", by_key["code"], "approval_self_decision_forbidden")
    early = agent.post(
        f"bookings/{booking['id']}/cancel", WHY, status=409, key=str(uuid4()), under=approval["id"]
    )
    world.expect("why it cannot go on", early["code"], "approval_not_approved")
    standing = world.api.get(f"bookings/{booking['id']}")["status"]
    world.expect("the booking", standing, "confirmed")
    world.note("its owner, a superuser with two keys, is refused as well; the booking stands")


def _agree(world: World, approval: dict[str, Any]) -> None:
    world.step("Somebody else looks at it, and agrees")
    decision = {"decision": "approve", "comment": "She sent a doctor's note."}
    with world.second() as manager:
        seen = manager.get(f"ledger/approvals/{approval['id']}")
        decided = manager.post(f"ledger/approvals/{approval['id']}/decide", decision)
    world.expect("whether it was stale", seen["is_stale"], wanted=False)
    world.expect("the approval", decided["status"], "approved")
    world.note("approved by a second person, with what it is about before her eyes")


def _carry_out_once(
    world: World, agent: Api, approval: dict[str, Any], booking: dict[str, Any], key: str
) -> None:
    world.step("The agent cancels the booking, once")
    at = f"bookings/{booking['id']}/cancel"
    other = _another(world, booking)
    refused = agent.post(
        f"bookings/{other['id']}/cancel", WHY, status=409, key=str(uuid4()), under=approval["id"]
    )
    world.expect("why not another", refused["code"], "approval_mismatched_action")
    done = agent.post(at, WHY, key=key, under=approval["id"])
    world.expect("the booking", done["status"], "cancelled")
    again = agent.post(at, WHY, key=key, under=approval["id"])
    world.expect("the booking of a repeated request", again["revision"], done["revision"])
    world.note("asked twice, done once; for another booking it is no good")
    world.feed.wait_for("booking.cancelled", lambda f: f["id"][1] == booking["id"])
    frames = [
        frame for frame in world.feed.about(booking["id"]) if frame["type"] == "booking.cancelled"
    ]
    world.expect("cancellations that came live", len(frames), 1)


def _another(world: World, booking: dict[str, Any]) -> dict[str, Any]:
    items = [{"slot_id": booking["items"][0]["slot_id"], "quantity": 1}]
    made: dict[str, Any] = world.api.post(
        "bookings", {"items": items, "pax": 1, "contact": CUSTOMER}, status=201
    )
    return made


def _give_half_back(world: World, booking: dict[str, Any], payment: dict[str, Any]) -> None:
    world.step("Half of it goes back, as the terms say")
    now = world.api.get(f"bookings/{booking['id']}")
    world.expect("what the terms give back", now["entitlement"]["amount_cents"], HALF_CENTS)
    why = {"reason": "Cancelled three weeks ahead."}
    credit = {"amount_cents": HALF_CENTS, "currency": "EUR", "invoice_id": payment["invoice_id"]}
    note = world.api.post("credit-notes", {**credit, **why}, status=201)
    back = {"payment_id": payment["id"], "method": "bank_transfer", **why}
    half = {**back, "credit_note_id": note["id"], "amount_cents": HALF_CENTS}
    refund = world.api.post("refunds", half, status=201)
    settled = world.api.post(f"refunds/{refund['id']}/settle", {})
    world.expect("the refund", settled["status"], "settled")
    refused = world.api.post("refunds", {**back, "amount_cents": PAID_CENTS}, status=409)
    world.note(f"89.00 EUR went back; more than was paid never does: {refused['code']}")


def _look_at_undoing(
    world: World, agent: Api, booking: dict[str, Any], payment: dict[str, Any]
) -> None:
    world.step("What would undoing it do, and who has to agree?")
    cancelled = _entry_of(world, "booking", booking["id"], "booking.cancel")
    paid = _entry_of(world, "payment", payment["id"], "payment.record")
    for name, entry_id in (("booking.cancel", cancelled), ("payment.record", paid)):
        preview = world.api.get(f"ledger/entries/{entry_id}/reversal")
        world.note(f"{name}: {preview['state'].replace('_', ' ')}")
        for effect in preview["effects"]:
            world.note(f"  it would: {effect['summary']}")
        for follow_up in preview["follow_ups"]:
            world.note(f"  instead: {follow_up['meaning']}")
    at, rest_cents = f"ledger/entries/{paid}/reversal", PAID_CENTS - HALF_CENTS
    for_a_person = world.api.get(at, amount_cents=rest_cents)["approvals"]
    world.expect("whom a person has to ask", for_a_person, [])
    world.note("the other half, out of goodwill: a person who may give it back just does")
    [needed] = agent.get(at, amount_cents=rest_cents)["approvals"]
    policy = f"{needed['policy_name']}@v{needed['policy_version']}"
    world.note(f"the agent has to ask, by {policy}: {needed['quorum']} of those")
    world.note(f"  {needed['who_may_decide']}")


def _entry_of(world: World, type_: str, id_: str, name: str) -> str:
    entries = world.api.get(
        "ledger/entries", target_type=type_, target_id=id_, action_name=name, status="succeeded"
    )["results"]
    world.expect(f"entries of {name}", len(entries), 1)
    found: str = entries[0]["id"]
    return found


def _stop(world: World, agent: Api, delegation: dict[str, Any]) -> None:
    world.step("The agent is done, and its delegation is ended")
    at = f"ledger/delegations/{delegation['id']}"
    used = world.api.get(at)["actions_used"]
    ended = world.api.post(f"{at}/revoke", {"reason": "The mail is answered."})
    world.expect_not("the end", ended["revoked_at"], None)
    agent.get("bookings", wanted=401)
    world.note(f"it used {used} of its 20 acts, and is shut out from the next request on")


def _prove(world: World, booking: dict[str, Any]) -> None:
    world.step("The evidence is taken away from Daybook, and checked without it")
    about = {"target": f"booking:{booking['id']}"}
    cancelled = '"action_name":"booking.cancel","action_version":1,"actor_type":"system"'
    world.wait(
        "that everything is sealed",
        lambda: world.api.get("ledger/seals/standing"),
        lambda standing: standing["waiting"] == 0,
    )
    evidence = world.api.download("ledger/export", why="The demo proves it.", **about).decode()
    world.expect_not("the cancellation in it", cancelled in evidence, unwanted=False)
    with tempfile.TemporaryDirectory() as folder:
        export, forged = Path(folder) / "ledger.jsonl", Path(folder) / "forged.jsonl"
        export.write_text(evidence)
        forged.write_text(evidence.replace(booking["id"], str(uuid4()), 1))
        world.expect("the verifier's verdict", _verdict(export), 0)
        world.expect("its verdict on a copy with one id changed", _verdict(forged), 1)
    world.note("every entry is what was sealed; of a copy with one id changed it says no")


def _verdict(path: Path) -> int:
    command = [sys.executable, str(VERIFIER), str(path)]
    return subprocess.run(command, capture_output=True, check=False, cwd=path.parent).returncode
