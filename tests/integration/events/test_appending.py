"""One event goes into the log by itself, several as lines: nobody can tell from what is stored."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from events import context, store
from events.domain.draft import Draft, Provenance
from events.domain.envelope import Category, Source
from events.domain.payload import INLINE_BYTES_MAX
from events.ids import new_event_id
from events.models import StoredEvent, Unsequenced
from tests.support.planner import PLANNED_EACH_TIME, forget_statistics, plans_made

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
STREAM = ("tally", "t1")
AWKWARD: dict[str, Any] = {
    '(a,"b")': "\\ é \U0001f98a, {NULL} '%(stream)s' | \t\r\n\x1e\x1f\x1e \u2028",
    "\x1f": [None, "", 1.5, {"\x1e": {}}],
}
TEXT = (
    r"""{"(a,\"b\")":"\\ é """
    "\U0001f98a"
    r""", {NULL} '%(stream)s' | \t\r\n\u001e\u001f\u001e """
    "\u2028"
    r"""","\u001f":[null,"",1.5,{"\u001e":{}}]}"""
)

ANOTHER_EVENT = "e\x1ftally.added\x1f1\x1fdomain\x1f\x1f{}\x1ee"

pytestmark = pytest.mark.django_db(transaction=True)

each_way = pytest.mark.parametrize("count", [1, 2, 300])


def _drafts(count: int, data: dict[str, Any] = AWKWARD, *, is_large: bool = False) -> list[Draft]:
    return [
        Draft(new_event_id(), "tally.added", 3, Category.DOMAIN, data, is_large)
        for _ in range(count)
    ]


def _by() -> Provenance:
    return Provenance(context=context.current(), source=Source.SERVICE, emitted_at=NOON)


@each_way
def test_stores_the_text_of_each_event_to_the_byte_and_in_order(count: int) -> None:
    drafts = _drafts(count)

    store.append(STREAM, _drafts(1), _by(), expected=0)
    store.append(STREAM, drafts, _by(), expected=1)

    stored = StoredEvent.objects.filter(sequence__gt=1).order_by("id")
    assert list(stored.values_list("sequence", "event_id", "name", "version", "data")) == [
        (nth, draft.event_id, "tally.added", 3, TEXT) for nth, draft in enumerate(drafts, 2)
    ]
    assert stored.filter(category="domain", source="service", payload=None).count() == count
    assert [event.data for event in store.load(STREAM)] == [AWKWARD] * (count + 1)


@each_way
def test_refers_to_what_is_large(count: int) -> None:
    large = {"long": "x" * INLINE_BYTES_MAX}
    drafts = [*_drafts(count), *_drafts(1, large, is_large=True)]

    store.append(STREAM, drafts, _by(), expected=0)

    assert [event.data for event in store.load(STREAM)] == [draft.data for draft in drafts]
    assert StoredEvent.objects.exclude(payload=None).get().sequence == count + 1


@each_way
def test_writes_none_of_them_if_one_was_to_be_said_once_and_was_said_before(count: int) -> None:
    said = _drafts(1)
    store.append(STREAM, said, _by(), once=True)

    assert store.append(STREAM, [*_drafts(count), *said], _by(), once=True) == []

    assert StoredEvent.objects.count() == Unsequenced.objects.count() == 1


@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize("wrong", ["e\0", "e" * 256, "e\x1e", "\x1fe", "e\x1fe", ANOTHER_EVENT])
def test_writes_none_of_them_if_the_id_of_one_cannot_be_stored(nth: int, wrong: str) -> None:
    drafts = _drafts(3)
    drafts[nth] = drafts[nth]._replace(event_id=wrong)

    with pytest.raises((DataError, ValueError)):
        store.append(STREAM, drafts, _by())

    assert not StoredEvent.objects.exists()


def test_is_one_statement_however_many_there_are(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for count in (1, 2, 300):
        with django_assert_num_queries(1):
            store.append(STREAM, _drafts(count), _by())


@pytest.mark.parametrize("once", [False, True])
def test_is_planned_once_for_a_connection_however_many_there_are(*, once: bool) -> None:
    # One that has planned for a small table goes on planning for a while once it is larger.
    connection.close()
    with transaction.atomic():
        forget_statistics()
        for count in range(2, PLANNED_EACH_TIME + 5):
            store.append(STREAM, _drafts(count), _by(), once=once)

        with plans_made() as plans:
            store.append(STREAM, _drafts(30), _by(), once=once)

    assert plans == []
