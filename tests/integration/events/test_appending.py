"""Few events go into the log as rows, many as JSON: nobody can tell which from what is stored."""

from datetime import UTC, datetime

import orjson
import pytest
from django.db import DataError
from pytest_django import DjangoAssertNumQueries

from events import context, store
from events.domain.draft import Draft, Provenance
from events.domain.envelope import Category, Source
from events.domain.payload import INLINE_BYTES_MAX
from events.ids import new_event_id
from events.models import StoredEvent, Unsequenced
from events.store import ROWS_MAX

NOON = datetime(2026, 8, 22, 12, tzinfo=UTC)
STREAM = ("tally", "t1")
AWKWARD = '{"(a,\\"b\\")": "\\\\ é \U0001f98a, {NULL}  \'%(stream)s\'", "n":   1.50}'

pytestmark = pytest.mark.django_db(transaction=True)

each_way = pytest.mark.parametrize("count", [1, 2, ROWS_MAX, ROWS_MAX + 1])


def _drafts(count: int, text: str = AWKWARD) -> list[Draft]:
    return [
        Draft(new_event_id(), "tally.added", 3, Category.DOMAIN, orjson.loads(text), text)
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
        (nth, draft.event_id, "tally.added", 3, AWKWARD) for nth, draft in enumerate(drafts, 2)
    ]
    assert stored.filter(category="domain", source="service", payload=None).count() == count


@each_way
def test_refers_to_what_is_large(count: int) -> None:
    large = orjson.dumps({"long": "x" * INLINE_BYTES_MAX}).decode()
    drafts = [*_drafts(count), *_drafts(1, large)]

    store.append(STREAM, drafts, _by(), expected=0)

    assert [event.data for event in store.load(STREAM)] == [draft.data for draft in drafts]
    assert StoredEvent.objects.exclude(payload=None).get().sequence == count + 1


@each_way
def test_writes_none_of_them_if_one_was_to_be_said_once_and_was_said_before(count: int) -> None:
    said = _drafts(1)
    store.append(STREAM, said, _by(), once=True)

    assert store.append(STREAM, [*_drafts(count), *said], _by(), once=True) == []

    assert StoredEvent.objects.count() == Unsequenced.objects.count() == 1


@each_way
@pytest.mark.parametrize("wrong", ["e\0", "e" * 256], ids=["NUL", "long"])
def test_writes_none_of_them_if_the_id_of_one_cannot_be_stored(count: int, wrong: str) -> None:
    *others, last = _drafts(count)

    with pytest.raises(DataError):
        store.append(STREAM, [*others, last._replace(event_id=wrong)], _by())

    assert not StoredEvent.objects.exists()


def test_is_one_statement_however_many_there_are(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for count in (1, 2, ROWS_MAX, ROWS_MAX + 1):
        with django_assert_num_queries(1):
            store.append(STREAM, _drafts(count), _by())
