"""The stored room log, which is also the outbox, and the cursors of the drain and the export."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from chat.events import POSTS, EventType
from chat.models.people import User
from chat.models.rooms import Room

# Types whose data names an earlier message as `target`.
MESSAGE_CHANGES = [
    EventType.MESSAGE_EDITED.value,
    EventType.MESSAGE_DELETED.value,
    EventType.MESSAGE_RESTORED.value,
    EventType.REACTION_ADDED.value,
    EventType.REACTION_REMOVED.value,
]


# All types except posts and changes of messages: shown between the messages of a page.
ROOM_CHANGES = [
    kind.value for kind in EventType if kind not in POSTS and kind.value not in MESSAGE_CHANGES
]


class RoomEvent(models.Model):
    """An event at its place. `chat.persistence.drain` inserts rows, and they never change, with one
    exception: a placeholder may become the event it stands for (`EventReplacement`).

    Within a shard `id` order is commit order, because one transaction at a time holds the
    shard's cursor; so the export can follow `id`.
    """

    id = models.BigAutoField(primary_key=True)
    shard = models.SmallIntegerField()
    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="events", db_index=False)
    seq = models.BigIntegerField()
    n = models.BigIntegerField(help_text="Messages posted in the room up to this event.")
    epoch = models.BigIntegerField()
    type = models.CharField(max_length=32, choices=[(kind, kind.value) for kind in EventType])
    key = models.UUIDField(null=True, blank=True)
    actor = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    data = models.JSONField()

    class Meta:
        constraints: ClassVar = [
            # I2 and I3: one event at each place of a room.
            models.UniqueConstraint(fields=["room", "seq"], name="one_event_per_place"),
            # I6: an idempotency key names one event of its author, forever.
            models.UniqueConstraint(fields=["actor", "key"], name="one_event_per_key"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["shard", "id"], name="event_by_shard"),
            # Events about a message after it was posted.
            models.Index(
                "room",
                Cast(KeyTextTransform("target", "data"), models.BigIntegerField()),
                "seq",
                name="event_by_target",
                condition=models.Q(type__in=MESSAGE_CHANGES),
            ),
            # Events of a room between its messages, however often those have changed.
            models.Index(
                fields=["room", "seq"],
                name="event_of_room",
                condition=models.Q(type__in=ROOM_CHANGES),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.room_id}:{self.seq} {self.type}"


class EventReplacement(models.Model):
    """A stored placeholder became the event it stood for, at the same place and in the same row.

    Readers that have read the placeholder must read the event: the export publishes it once more,
    in the order of these rows, when its cursor has passed the event. Readers of the event bus
    recognize it by (room, seq): it replaces the placeholder.
    """

    id = models.BigAutoField(primary_key=True)
    shard = models.SmallIntegerField()
    event = models.ForeignKey(
        RoomEvent, on_delete=models.PROTECT, related_name="replacements", db_index=False
    )
    letter = models.CharField(max_length=40, help_text="Id of the dead letter that was retried.")
    replaced_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(
                fields=["shard", "id"],
                name="replacement_to_publish",
                condition=models.Q(published_at=None),
            ),
            models.Index(fields=["event"], name="replacement_by_event"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} in place of {self.letter}"


class ExportedRoom(models.Model):
    """How far a room is on the event bus; updated in the transaction that moves the cursor.

    A table of its own and not a column of `Room`: the drain holds a room's row for the length of
    its transaction, and drain and export would lock the same rows in different orders.
    """

    room = models.OneToOneField(
        Room, on_delete=models.PROTECT, primary_key=True, related_name="exported"
    )
    seq = models.BigIntegerField(help_text="Every event up to here is on the bus.")

    def __str__(self) -> str:
        return f"{self.room_id} exported to {self.seq}"


class BatchEnd(models.Model):
    """When a batch was stored or exported, and how far it went: see `chat.persistence.batch_times`.

    Inserted in the transaction that moves the cursor.
    """

    kind = models.CharField(max_length=8, choices=[("persist", "persist"), ("export", "export")])
    shard = models.SmallIntegerField()
    upto = models.BigIntegerField(help_text="The last `RoomEvent.id` of the shard by then.")
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["kind", "shard", "upto"], name="batch_end_by_event"),
            BrinIndex(fields=["at"], name="batch_end_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of shard {self.shard} up to {self.upto} at {self.at}"


class ShardCursor(models.Model):
    """How far a shard has been persisted or exported.

    Locked for the transaction that does the work and moves the cursor, so after a crash the work is
    either done or repeated. `position` is the last ingest stream id (persist) or RoomEvent id
    (export) done.
    """

    class Kind(models.TextChoices):
        PERSIST = "persist"
        EXPORT = "export"

    shard = models.SmallIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    position = models.CharField(max_length=40, default="0-0")
    epoch = models.BigIntegerField(
        default=0, help_text="Never given out twice. 0: the shard has never had a log."
    )
    epochs_begun = models.IntegerField(
        default=0, db_default=0, help_text="How many epochs the shard has had."
    )
    bus = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="Export: the event bus that has what is up to the position.",
    )
    bus_id = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="Export: which bus of that kind; on Kafka the topic's id and its partitions.",
    )
    moved_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(
        null=True, blank=True, help_text="Set when too many events were refused; a person decides."
    )
    stopped_reason = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "kind"], name="one_cursor_per_shard_and_kind"),
        ]
        permissions: ClassVar = [
            ("view_delivery", "Can see how far rooms and shards are"),
            ("run_verification", "Can verify the delivery of a room"),
            ("view_dead_letters", "Can list dead letters, without what people wrote"),
            ("retry_dead_letters", "Can retry dead letters"),
            ("discard_dead_letters", "Can discard dead letters"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.shard} at {self.position}"
