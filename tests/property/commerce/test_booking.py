"""Laws of the booking aggregate, over any sequence of commands."""

import json
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from commerce.domain.booking import codec, snapshot
from commerce.domain.booking.decisions import REQUEST, SWEEP, decide
from commerce.domain.booking.evolution import fold
from commerce.domain.booking.messages import (
    Advance,
    AmendBooking,
    CancelBooking,
    ChangeRoster,
    Command,
    CreateBooking,
    Event,
    ExpireBooking,
    NoteDocumentsSent,
    NoteRefund,
    OverrideStatus,
    RosterChange,
)
from commerce.domain.booking.state import FORWARD, HOLDING, Booking, Item, Status
from commerce.domain.cancellation import RefundType, Rule, Terms
from events.domain.errors import DomainError

NEW = Booking(id="b1")
seconds = st.integers(0, 364 * 86_400)
moments = seconds.map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
words = st.text(max_size=10)
terms = st.none() | st.builds(
    lambda bp: Terms(
        version_id="v",
        currency="EUR",
        rules=(
            Rule(days_before=9, refund_bp=bp, refund_type=RefundType.CASH),
            Rule(days_before=0),
        ),
    ),
    st.integers(0, 10_000),
)
items = st.builds(
    Item,
    id=st.uuids().map(str),
    product_id=st.just("p"),
    slot_id=st.just("s"),
    title=words,
    quantity=st.integers(1, 5),
    unit_amount_cents=st.integers(0, 10**6),
    service_date=st.dates(date(2026, 1, 1), date(2027, 1, 1)),
    terms=terms,
)
creations = st.builds(
    CreateBooking,
    number=words,
    currency=st.just("EUR"),
    pax=st.integers(1, 3),
    items=st.lists(items, min_size=1, max_size=3).map(tuple),
    external_ref=words,
    notifications_suppressed=st.booleans(),
    actor=words,
    at=moments,
)
ends = st.none() | moments.map(lambda moment: moment + timedelta(days=400))
travellers = st.sampled_from(["t1", "t2", "t3", "t4"])
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(
        Advance,
        to=st.sampled_from(sorted(FORWARD)),
        actor=words,
        at=moments,
        hold_expires_at=ends,
        outstanding_cents=st.integers(0, 1),
    ),
    st.builds(CancelBooking, reason=words, actor=words, at=moments),
    st.builds(ExpireBooking, cause=st.sampled_from([SWEEP, REQUEST]), actor=words, at=moments),
    st.builds(
        OverrideStatus,
        to=st.sampled_from(list(Status)),
        reason=words,
        actor=words,
        at=moments,
        hold_expires_at=ends,
    ),
    st.builds(
        AmendBooking,
        external_ref=words,
        notifications_suppressed=st.booleans(),
        actor=words,
        at=moments,
    ),
    st.builds(
        ChangeRoster,
        traveller_id=travellers,
        change=st.sampled_from(list(RosterChange)),
        actor=words,
        at=moments,
        fields=st.lists(words, max_size=2).map(tuple),
    ),
    st.builds(
        NoteDocumentsSent,
        delivery_id=words,
        recipient=words,
        provider=words,
        document_keys=st.lists(words, max_size=2).map(tuple),
        at=moments,
    ),
    st.builds(
        NoteRefund, refund_id=words, amount_cents=st.integers(1, 100), reason=words, at=moments
    ),
)
scripts = st.tuples(creations, st.lists(commands, max_size=25))


def live(script: tuple[CreateBooking, list[Command]]) -> list[Event]:
    """Return what happens when these commands are given; refusals change nothing."""
    booking, history = NEW, []
    for command in (script[0], *script[1]):
        try:
            events = decide(booking, command)
        except DomainError:
            continue
        history += events
        booking = fold(events, start=booking)
    return history


def stored(event: Event) -> Event:
    name, data = codec.encode(event)
    return codec.decode(name, 1, json.loads(json.dumps(data)))


@given(scripts)
def test_events_survive_their_stored_form(script: tuple[CreateBooking, list[Command]]) -> None:
    history = live(script)

    assert [stored(event) for event in history] == history
    assert {codec.encode(event)[0] for event in history} <= codec.NAMES


@given(scripts, st.data())
def test_state_can_be_built_from_any_snapshot(
    script: tuple[CreateBooking, list[Command]], data: st.DataObject
) -> None:
    history = live(script)
    cut = data.draw(st.integers(0, len(history)))

    kept = json.loads(json.dumps(snapshot.dump(fold(history[:cut], start=NEW))))

    assert fold(history[cut:], start=snapshot.load(kept)) == fold(history, start=NEW)


@given(scripts)
def test_every_state_is_one_that_its_table_allows(
    script: tuple[CreateBooking, list[Command]],
) -> None:
    booking = NEW
    for event in live(script):
        booking = fold([event], start=booking)

        assert booking.revision == event.revision
        assert (booking.status in HOLDING) == (booking.hold_expires_at is not None)
        assert (booking.status is Status.CANCELLED and booking.entitlement is not None) or (
            booking.entitlement is None
        )
        assert len(booking.travellers) <= booking.pax
        if booking.entitlement is not None:
            assert 0 <= booking.entitlement.amount_cents <= booking.amount_cents


@given(scripts)
def test_facts_that_differ_have_ids_that_differ(
    script: tuple[CreateBooking, list[Command]],
) -> None:
    moves = [
        codec.event_id(event)
        for event in live(script)
        if not codec.encode(event)[0].startswith(("booking.documents", "booking.refunded"))
    ]

    assert len(set(moves)) == len(moves)
