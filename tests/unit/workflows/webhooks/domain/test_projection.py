import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.domain.catalogue import EventType, event_type
from events.domain.envelope import Category, Envelope, Source
from events.domain.principal import Principal, PrincipalKind
from workflows.webhooks.domain.projection import REDACTED, NotForExport, is_external, message

CUSTOMER = {
    "type": "object",
    "properties": {"country": {"type": "string"}, "email": {"type": "string", "writeOnly": True}},
}
SCHEMA = {
    "type": "object",
    "properties": {
        "invoiceId": {"type": "string"},
        "amountCents": {"type": "integer"},
        "reference": {"type": "string"},
        "customer": CUSTOMER,
        "lines": {"type": "array", "items": CUSTOMER},
        "tags": {"type": "array", "items": {"type": "string"}},
        "anything": {},
    },
}


def declared(schema: dict[str, Any] = SCHEMA, **facts: Any) -> EventType:
    return event_type(
        **{
            "name": "invoice.issued",
            "category": Category.DOMAIN,
            "meaning": "An invoice has its number.",
            "schema": schema,
            "external": True,
            "redacted": ("reference",),
            **facts,
        }
    )


def happened(data: dict[str, Any]) -> Envelope:
    return Envelope(
        name="invoice.issued",
        data=data,
        category=Category.DOMAIN,
        source=Source.SERVICE,
        event_id="evt_1",
        principal=Principal(kind=PrincipalKind.USER, id="7"),
        correlation_id="cor_1",
        emitted_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        stream=("invoice", "in_1"),
        sequence=3,
    )


def sent(data: dict[str, Any], event: EventType | None = None) -> dict[str, Any]:
    projected: dict[str, Any] = json.loads(message(happened(data), event or declared()))["data"]
    return projected


class TestMessage:
    def test_is_the_envelope_without_who_and_where(self) -> None:
        assert json.loads(message(happened({"invoiceId": "in_1"}), declared())) == {
            "name": "invoice.issued",
            "data": {"invoiceId": "in_1"},
            "metadata": {"eventId": "evt_1", "version": 1, "correlationId": "cor_1"},
            "emittedAt": "2026-03-01T12:00:00Z",
        }

    def test_leaves_out_what_the_schema_does_not_name(self) -> None:
        assert sent({"invoiceId": "in_1", "secretNote": "x", "customer": {"iban": "DE"}}) == {
            "invoiceId": "in_1",
            "customer": {},
        }

    def test_blots_out_what_the_contract_redacts_at_any_depth(self) -> None:
        customer = {"email": "a@b.c", "country": "NL"}

        assert sent({"reference": "PO 7", "customer": customer, "lines": [customer]}) == {
            "reference": REDACTED,
            "customer": {"email": REDACTED, "country": "NL"},
            "lines": [{"email": REDACTED, "country": "NL"}],
        }

    def test_redacts_by_dotted_path(self) -> None:
        event = declared(redacted=("customer.country",))

        assert sent({"customer": {"country": "NL"}}, event) == {"customer": {"country": REDACTED}}

    def test_leaves_out_objects_and_lists_that_nobody_described(self) -> None:
        assert sent({"anything": {"iban": "DE"}}) == {}
        assert sent({"anything": [1]}) == {}
        assert sent({"tags": ["a", {"iban": "DE"}]}) == {"tags": ["a"]}
        assert sent({"anything": 1}) == {"anything": 1}

    @pytest.mark.parametrize(
        "event",
        [
            declared(external=False),
            declared(schema={"type": "object"}),
            declared(schema={"type": "object", "properties": {}}),
        ],
        ids=["internal", "no properties", "empty properties"],
    )
    def test_refuses_an_event_without_an_explicit_contract(self, event: EventType) -> None:
        assert not is_external(event)
        with pytest.raises(NotForExport) as refusal:
            message(happened({"invoiceId": "in_1"}), event)

        assert str(refusal.value) == "No event called invoice.issued is sent out."

    def test_has_the_same_bytes_whatever_the_order_of_the_keys(self) -> None:
        one = {"invoiceId": "in_1", "amountCents": 5}

        assert message(happened(one), declared()) == message(
            happened(dict(reversed(one.items()))), declared()
        )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
named = st.dictionaries(
    st.sampled_from([*SCHEMA["properties"], "iban", "note"]),
    json_values,
)


@given(named)
def test_no_name_outside_the_schema_ever_leaves(data: dict[str, Any]) -> None:
    def names(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {name for part in value.values() for name in names(part)}
        if isinstance(value, list):
            return {name for part in value for name in names(part)}
        return set()

    projected = sent(data)

    assert names(projected) <= {*SCHEMA["properties"], "country", "email"}
    assert projected.get("reference", REDACTED) == REDACTED
