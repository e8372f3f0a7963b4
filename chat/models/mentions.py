"""Whom and what messages mention: a projection of `message.*` and `reply.*` events."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from chat.models.rooms import Room


class Mention(models.Model):
    """A name in the present text of a message. A deleted message keeps its rows, and counts for
    nobody.

    A group, or everybody, is one row, however many people it means: who is meant is decided when
    somebody reads or counts.
    """

    class Kind(models.TextChoices):
        PERSON = "person"
        GROUP = "group"
        ROOM = "room"
        ALL = "all"

    room = models.ForeignKey(Room, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.BigIntegerField(help_text="seq of the message in the room.")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    target = models.BigIntegerField(
        help_text="Id of the person, the group or the room; 0 for all. No foreign key: a group may "
        "be deleted, and the message stays what it is."
    )
    name = models.CharField(max_length=80, help_text="As it is in the text; `room` or `here`.")
    at = models.DateTimeField(help_text="When the message was logged.")

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["room", "seq", "kind", "name"], name="one_mention_per_message_and_name"
            ),
        ]
        indexes: ClassVar = [
            # What is new to somebody in a room, and the page of all that mentions them.
            models.Index(fields=["kind", "target", "room", "seq"], name="mention_in_room"),
            models.Index(fields=["kind", "target", "at"], name="mention_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.name} in {self.room_id}:{self.seq}"
