"""What the tables say about a room: as the product wrote them, and after a replay of its events."""

from __future__ import annotations

from typing import Any

from chat.events import decode_data
from chat.models import AbsentMute, Ban, Membership, Mention, Message, Reaction, Room, Thread
from chat.persistence import projections, stored_events
from chat.persistence.projections import Placed


def projected(room: int) -> dict[str, Any]:
    """Everything that the tables say about a room, except when rows were made."""
    return {
        "messages": list(
            Message.objects.filter(room_id=room)
            .order_by("seq")
            .values_list(
                "seq",
                "n",
                "author_id",
                "key",
                "at",
                "body",
                "reply_to",
                "thread",
                "edited_at",
                "deleted_at",
                "deleted_by_id",
            )
        ),
        "mentions": sorted(
            Mention.objects.filter(room_id=room).values_list("seq", "kind", "target", "name", "at")
        ),
        "threads": list(
            Thread.objects.filter(room_id=room)
            .order_by("root")
            .values_list("root", "replies", "people", "first_people", "last_seq", "last_at")
        ),
        "reactions": sorted(
            Reaction.objects.filter(room_id=room).values_list("target", "user_id", "emoji")
        ),
        "members": sorted(
            Membership.objects.filter(room_id=room).values_list(
                "user_id", "role", "muted_until", "joined_at"
            )
        ),
        "bans": sorted(
            Ban.objects.filter(room_id=room).values_list("user_id", "banned_at", "banned_by_id")
        ),
        "mutes": sorted(AbsentMute.objects.filter(room_id=room).values_list("user_id", "until")),
        "room": Room.objects.filter(pk=room).values_list(
            "name", "topic", "archived_at", "slow_mode_seconds", "stored_seq", "stored_n"
        )[0],
    }


def replayed(room: int) -> dict[str, Any]:
    """What the tables say after projecting the room's events again, from first to last."""
    Message.objects.filter(room_id=room).delete()
    Mention.objects.filter(room_id=room).delete()
    Thread.objects.filter(room_id=room).delete()
    Reaction.objects.filter(room_id=room).delete()
    Membership.objects.filter(room_id=room).delete()
    Ban.objects.filter(room_id=room).delete()
    AbsentMute.objects.filter(room_id=room).delete()
    Room.objects.filter(pk=room).update(
        name=Room.objects.get(pk=room).slug, topic="", archived_at=None, slow_mode_seconds=0
    )
    for event in stored_events.read_after(room, 0, 10_000):
        projections.apply(Placed(event, decode_data(event.type, event.data)))
    return projected(room)
