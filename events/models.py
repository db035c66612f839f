"""Tables of the log. Rows are never updated; only `Unsequenced` and `Snapshot` are deleted from."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Now

from events.domain.catalogue import NAME_CHARS_MAX
from events.domain.streams import KEY_CHARS_MAX
from events.tables import append_only

ID_CHARS_MAX = 255


@append_only.model
class Payload(models.Model):
    """The text of a large event, once, under its SHA-256."""

    hash = models.CharField(max_length=64, primary_key=True)
    body = models.TextField()

    class Meta:
        db_table = "events_payload"

    def __str__(self) -> str:
        return self.hash


FAMILY = Func(F("name"), Value("."), Value(1), function="split_part")
"""What stands before the first dot of an event's name; `events.selectors` asks in these words."""


@append_only.model
class StoredEvent(models.Model):
    """One fact in one stream. `data` is text, because jsonb rewrites what it is given."""

    id = models.BigAutoField(primary_key=True)
    stream = models.CharField(max_length=KEY_CHARS_MAX, db_collation="C")
    sequence = models.IntegerField()
    event_id = models.CharField(max_length=ID_CHARS_MAX, db_collation="C")
    name = models.CharField(max_length=NAME_CHARS_MAX)
    version = models.SmallIntegerField()
    category = models.CharField(max_length=8)
    source = models.CharField(max_length=10)
    principal = models.CharField(max_length=ID_CHARS_MAX)
    correlation_id = models.CharField(max_length=ID_CHARS_MAX, db_collation="C")
    causation_id = models.CharField(max_length=ID_CHARS_MAX, null=True)  # noqa: DJ001
    data = models.TextField(null=True)  # noqa: DJ001
    # Looked for once, by the trigger of the rules: payloads are never taken away.
    payload = models.ForeignKey(
        Payload,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    emitted_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "events_event"
        verbose_name = "event"
        # The rules of a row are one trigger, by name in migrations/schema/log.py.
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "sequence"], name="events_one_event_per_sequence"
            ),
            models.UniqueConstraint(fields=["event_id"], name="events_one_event_per_id"),
        ]
        indexes = [
            models.Index(fields=["correlation_id"], name="events_by_correlation"),
            # Says in which pages there is no event of a name, in a tenth of a promille of their
            # size. The last pages are in it when they are full: an append does not write to it.
            BrinIndex(
                fields=["name"],
                opclasses=["text_bloom_ops"],
                pages_per_range=32,
                autosummarize=True,
                name="events_by_name",
            ),
            # The same for all events of a family: of `invoice.settled` it is `invoice`.
            BrinIndex(
                OpClass(FAMILY, name="text_bloom_ops"),
                pages_per_range=32,
                autosummarize=True,
                name="events_by_family",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stream}@{self.sequence} {self.name}"


class Unsequenced(models.Model):
    """Committed events that have no position yet: the queue of the sequencer.

    A row for what one statement appended: its first event, and the ids of the `others`.
    """

    # Without constraint: a foreign key check would lock, and so rewrite, a row of the log.
    event = models.OneToOneField(
        StoredEvent,
        on_delete=models.PROTECT,
        primary_key=True,
        db_column="event",
        db_constraint=False,
        related_name="unsequenced",
    )
    others = ArrayField(models.BigIntegerField(), null=True)

    class Meta:
        db_table = "events_unsequenced"
        verbose_name = "event without a position"
        verbose_name_plural = "events without a position"

    def __str__(self) -> str:
        return f"event {self.pk}"


@append_only.model
class Position(models.Model):
    """The place of an event among all events: dense, given after commit."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(
        StoredEvent,
        on_delete=models.PROTECT,
        db_column="event",
        db_constraint=False,
        related_name="place",
    )

    class Meta:
        db_table = "events_position"
        constraints = [
            models.CheckConstraint(
                condition=Q(position__gte=1), name="events_position_starts_at_one"
            )
        ]

    def __str__(self) -> str:
        return str(self.position)


class Snapshot(models.Model):
    """A cached state of a stream, so that a load need not fold all of it. May be dropped."""

    stream = models.CharField(max_length=KEY_CHARS_MAX, db_collation="C", primary_key=True)
    sequence = models.IntegerField()
    event_id = models.CharField(max_length=ID_CHARS_MAX, db_collation="C")
    code = models.CharField(max_length=64)
    state = models.TextField()
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "events_snapshot"

    def __str__(self) -> str:
        return f"{self.stream}@{self.sequence}"
