"""The demo catalogue: registers the step services of `demo_peers` with the engine of flows."""

from typing import Any

RETRIES = {
    "max_retries": 5,
    "init_backoff": 200,
    "max_backoff": 2_000,
    "backoff_type": "exponential",
}

JSON = dict[str, Any]

MONDAY_SEATS: JSON = {
    "name": "monday-seats",
    "goals": ["hold-seats"],
    "init": {"seat_show": ["monday-matinee"], "seat_count": [4]},
    "labels": {"kind": "standing-order"},
    "cron": "0 6 * * 1",
    "tz": "Europe/Vienna",
}
"""A start by the clock, so that there is one to look at."""


def steps(base_url: str) -> list[JSON]:
    """Return the definitions of all steps, served under `base_url`."""
    return [
        _step(
            base_url,
            "hold-seats",
            "Hold seats",
            service=("seats", "holds", "release"),
            seat_show=_taken("string"),
            seat_count=_taken("number"),
            seat_hold=_given("string"),
        ),
        _step(
            base_url,
            "charge-card",
            "Charge card",
            service=("cards", "charges", "refund"),
            seat_hold=_taken("string"),
            card_number=_taken("string"),
            card_amount_cents=_taken("number"),
            card_charge=_given("string"),
        ),
        _step(
            base_url,
            "issue-ticket",
            "Issue ticket",
            kind="async",
            service=("tickets", "tickets", "void"),
            seat_hold=_taken("string"),
            card_charge=_taken("string"),
            ticket_number=_given("string"),
        ),
        _step(
            base_url,
            "send-notice",
            "Send notice",
            service=("notices", "notices", "retract"),
            notice_email=_taken("string"),
            ticket_number=_taken("string"),
            notice=_given("string"),
        ),
    ]


def with_approval() -> list[JSON]:
    """Return steps that need a second person. Not registered at start: a type of our own."""
    return [
        {
            "id": "allow-upgrade",
            "name": "Allow upgrade",
            "type": "approval",
            "approval": {"title": "Upgrade to a window seat", "risk": "medium"},
            "attributes": {
                "upgrade_seat": _taken("string"),
                "upgrade_leave": {
                    "role": "output",
                    "type": "string",
                    "output": {"mapping": {"name": "decided_by"}},
                },
            },
        },
        {
            "id": "note-upgrade",
            "name": "Note upgrade",
            "type": "script",
            "script": {
                "language": "ale",
                "script": '{:upgrade_note (str upgrade_seat ", allowed by " upgrade_leave)}',
            },
            "attributes": {
                "upgrade_seat": _taken("string"),
                "upgrade_leave": _taken("string"),
                "upgrade_note": _given("string"),
            },
        },
    ]


def _step(
    base_url: str,
    id_: str,
    name: str,
    *,
    service: tuple[str, str, str],
    kind: str = "sync",
    **attributes: JSON,
) -> JSON:
    peer, things, undo = service
    [output] = [key for key, attribute in attributes.items() if attribute["role"] == "output"]
    return {
        "id": id_,
        "name": name,
        "type": kind,
        "labels": {"example": "ticketing"},
        "attributes": attributes,
        "http": {
            "endpoint": f"{base_url}/{peer}/{things}",
            "compensate": f"{base_url}/{peer}/{things}/{{{output}}}/{undo}",
            "health_check": f"{base_url}/{peer}/health",
            "timeout": 10_000,
        },
        "work_config": RETRIES,
    }


def _taken(type_: str) -> JSON:
    return {"role": "required", "type": type_}


def _given(type_: str) -> JSON:
    return {"role": "output", "type": type_}
