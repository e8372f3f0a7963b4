"""Rooms and who is in them: projections of `room.*` and `member.*` events.

A room's row is inserted before its first event (the event needs its id); from then on only
`chat.persistence.drain` changes it.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from chat.events import Role, RoomKind
from chat.models.people import User


class Room(models.Model):
    """A place where people talk.

    `stored_seq`, `stored_n`: watermark of what PostgreSQL holds, changed in the transaction that
    stores the events, so a room can be loaded into the log from this row alone.
    """

    slug = models.SlugField(_("address"), max_length=80, unique=True, allow_unicode=True)
    name = models.CharField(_("name"), max_length=80)
    topic = models.CharField(_("topic"), max_length=250, blank=True)
    kind = models.CharField(
        _("kind"),
        max_length=10,
        choices=[
            (RoomKind.PUBLIC.value, _("public")),
            (RoomKind.PRIVATE.value, _("private")),
            (RoomKind.DIRECT.value, _("direct")),
        ],
    )
    direct_key = models.CharField(
        max_length=50,
        unique=True,
        null=True,
        blank=True,
        help_text="`<lower user id>:<higher user id>` of a direct conversation, so there is one.",
    )
    creation_key = models.UUIDField(
        unique=True,
        null=True,
        blank=True,
        help_text="Idempotency key of the request that made the room, so a repeat finds it again.",
    )
    created_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    slow_mode_seconds = models.IntegerField(
        _("slow mode, seconds"),
        default=0,
        db_default=0,
        help_text=_("A member waits so long between two messages; 0: not at all."),
    )
    stored_seq = models.BigIntegerField(_("stored up to seq"), default=0)
    stored_n = models.BigIntegerField(_("messages stored"), default=0)
    last_stored_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When something of the room was last stored, by PostgreSQL's clock.",
    )

    class Meta:
        verbose_name = _("room")
        verbose_name_plural = _("rooms")
        ordering: ClassVar = ["name"]
        permissions: ClassVar = [
            ("moderate_rooms", "Can archive rooms and set their slow mode"),
            ("manage_roles", "Can change the roles of members and act on staff"),
            ("view_private_rooms", "Can read private rooms, on record"),
            ("view_analytics", "Can see the numbers of all rooms"),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """A person in a room. The log's ACL decides at the append; this is its stored copy."""

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(
        max_length=10, choices=[(role, role.name) for role in Role], default=Role.MEMBER
    )
    muted_until = models.DateTimeField(null=True, blank=True)
    joined_at = models.DateTimeField()
    stored_at = models.DateTimeField(
        db_default=Now(),
        editable=False,
        help_text="By PostgreSQL's clock: hubs look for the newest, whenever they were logged.",
    )

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["stored_at"], name="membership_by_storing"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "room"], name="one_membership_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.room_id}"


class RoomSeat(models.Model):
    """A slot within a person's room limit, taken before they are let into a room:
    `chat.actions.room_limit`.

    It counts until `held_until`, and after that while the log has the person in the room.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+")
    held_until = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "room"], name="one_seat_per_person_and_room"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} enters {self.room_id}"


class InvitationCount(models.Model):
    """How many people a person has brought into rooms on one UTC day."""

    inviter = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    number = models.IntegerField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["inviter", "day"], name="one_count_per_inviter_and_day"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.inviter_id} on {self.day}: {self.number}"


class AbsentMute(models.Model):
    """The mute of a person who is not in the room; it applies when they come in.

    For members `Membership` holds it. A projection; the log decides.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "user"], name="one_mute_per_person_and_room"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} muted in {self.room_id}"


class Ban(models.Model):
    """A person who may not come back into a room: a projection of `member.removed` events.

    Nobody is in a room and banned from it. The log's ACL decides; this is its stored copy.
    """

    room = models.ForeignKey(Room, on_delete=models.CASCADE, related_name="bans", db_index=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="bans")
    banned_at = models.DateTimeField()
    banned_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["room", "user"], name="one_ban_per_person_and_room"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} banned from {self.room_id}"
