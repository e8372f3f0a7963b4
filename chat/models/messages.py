"""Messages and threads in their current state: projections of `message.*`, `reply.*` and
`reaction.*` events."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from chat.models.people import User
from chat.models.rooms import Room


class Message(models.Model):
    """A posted message with its edits applied. Deleted ones keep their body for moderators.

    A reply has a `thread`. One that the room shows too has an `n`, like all other messages; one
    that is in its thread only has none.
    """

    room = models.ForeignKey(
        Room, on_delete=models.PROTECT, related_name="messages", db_index=False
    )
    seq = models.BigIntegerField()
    n = models.BigIntegerField(null=True, blank=True)
    author = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="messages",
        db_index=False,
    )
    key = models.UUIDField(null=True, blank=True)
    at = models.DateTimeField()
    body = models.TextField()
    reply_to = models.BigIntegerField(null=True, blank=True)
    thread = models.BigIntegerField(
        null=True, blank=True, help_text="seq of the root in the room, for a reply."
    )
    edited_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    deleted_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "seq"], name="one_message_per_place"),
            models.UniqueConstraint(fields=["room", "n"], name="messages_are_numbered_once"),
        ]
        indexes: ClassVar = [
            # See `chat.queries.message_search`.
            GinIndex(
                models.Func(
                    models.F("room_id"),
                    models.F("body"),
                    function="chat_words",
                    output_field=SearchVectorField(),
                ),
                name="message_found",
            ),
            # Moderators look across rooms, newest first, by author, and for changed messages.
            models.Index(fields=["at", "id"], name="message_by_time"),
            models.Index(fields=["author", "at", "id"], name="message_by_author"),
            models.Index(
                fields=["at", "id"],
                name="edited_message",
                condition=~models.Q(edited_at=None),
            ),
            models.Index(
                fields=["at", "id"],
                name="deleted_message",
                condition=~models.Q(deleted_at=None),
            ),
            # Messages of a room after a marker that are not new to the marker's owner
            # (`chat.queries.unread`).
            models.Index(
                fields=["room", "author", "seq"],
                name="shown_message_of_author",
                condition=~models.Q(n=None),
            ),
            models.Index(
                fields=["room", "seq"],
                name="deleted_shown_message",
                condition=~models.Q(n=None) & ~models.Q(deleted_at=None),
            ),
            # A room's pages, however many replies are between its messages.
            models.Index(
                fields=["room", "seq"],
                name="shown_message",
                condition=~models.Q(n=None),
            ),
            # A thread's pages; and whether somebody has replied in it.
            models.Index(
                fields=["room", "thread", "seq"],
                name="reply_of_thread",
                condition=~models.Q(thread=None),
            ),
            models.Index(
                fields=["room", "thread", "author", "seq"],
                name="reply_of_author",
                condition=~models.Q(thread=None),
            ),
        ]
        permissions: ClassVar = [
            ("moderate_messages", "Can delete and restore messages in all rooms"),
            ("view_history", "Can read the history of public rooms"),
        ]

    def __str__(self) -> str:
        return f"{self.room_id}:{self.seq}"


class Thread(models.Model):
    """The replies to a message. `replies` counts those that stand; the rest goes by all of them."""

    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", db_index=False)
    root = models.BigIntegerField(help_text="seq of the message in the room.")
    replies = models.BigIntegerField()
    people = models.BigIntegerField(help_text="How many have replied.")
    first_people = ArrayField(models.BigIntegerField(), help_text="The first of them, in order.")
    last_seq = models.BigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "root"], name="one_thread_per_root"),
        ]

    def __str__(self) -> str:
        return f"{self.room_id}:{self.root}"


class ThreadFollow(models.Model):
    """Whether a person follows a thread, and how far they have read it. Not an event: only its
    owner ever sees it.

    `following` is null for somebody who has only read: a reply of theirs, or one to a message of
    theirs, makes it true. False is a decision, and stands.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    root = models.BigIntegerField(help_text="seq of the thread's root in the room.")
    following = models.BooleanField(null=True)
    read_seq = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "room", "root"], name="one_follow_per_person_and_thread"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} read {self.room_id}:{self.root} to {self.read_seq}"


class Reaction(models.Model):
    """An emoji that a person put on a message."""

    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", db_index=False)
    target = models.BigIntegerField(help_text="seq of the message in the room.")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    emoji = models.CharField(max_length=32)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["room", "target", "user", "emoji"], name="one_reaction_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.emoji} on {self.room_id}:{self.target}"


class ReadMarker(models.Model):
    """How far a person has read a room. Not an event: only its owner ever sees it.

    Reading moves it forward. A person may also set it by hand, which is the only way back; such a
    position holds until they read on from it (docs/decisions/0047-a-marker-set-by-hand-holds.md).
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="read_markers")
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    seq = models.BigIntegerField()
    # When the person last set it by hand; 0: never.
    set_at_ms = models.BigIntegerField(db_default=0)
    # The furthest position from which it was ever put back; 0: none.
    put_back_from = models.BigIntegerField(db_default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "room"], name="one_marker_per_person_and_room"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} read {self.room_id} to {self.seq}"
