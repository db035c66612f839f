import re

import pytest

from events.domain.catalogue import NAME_CHARS_MAX, event_type, first_error, is_name
from events.domain.envelope import Category

# Shapes that reference systems use, and a journal's.
NAMES = [
    "invoice.settled", "invoice.proforma.converted", "booking.customer_access.granted",
    "booking_payment_schedule.paid", "catalog.booking-session.created",
    "notification.send-requested", "event.dead_lettered", "mice.rfp.awarded",
    "trip.requirement-sourcing-started", "flow_started", "work_succeeded", "attribute_set",
    "comp_1_done",
]  # fmt: skip
NO_NAMES = ["", "invoice", "Invoice.settled", "invoice.Settled", "invoice.", ".settled",
            "invoice..settled", "in-voice.settled", "invoice settled", "invoice.settled\n",
            "flow_", "_flow", "1.a", "a.1", "a." + "x" * NAME_CHARS_MAX]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_knows_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", NO_NAMES)
def test_knows_what_is_no_name(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"cups": {"type": "integer"}}},
        # Not compiled: $ref is left to jsonschema.
        {"properties": {"cups": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}},
    ],
)
def test_the_first_error_says_where_and_why(schema: dict[str, object]) -> None:
    type_ = event_type(name="tea.made", category=Category.INTERNAL, meaning="Tea.", schema=schema)

    error = first_error(type_, {"cups": "two"})

    assert error is not None
    assert re.fullmatch("tea.made/cups: 'two' is not of type 'integer'", str(error))
    assert first_error(type_, {"cups": 2}) is None
