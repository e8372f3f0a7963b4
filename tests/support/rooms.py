"""Rooms and people for tests, made the way the product makes them: through the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from asgiref.sync import sync_to_async
from uuid_utils.compat import uuid7

from chat import room_log
from chat.events import (
    EventData,
    EventType,
    MemberJoined,
    MessagePosted,
    Role,
    RoomCreated,
    RoomKind,
)
from chat.models import Room, User
from chat.room_log import Appended, NewEvent


def key_at(moment: datetime) -> str:
    """A UUIDv7 with the time `moment`."""
    milliseconds = int(moment.timestamp() * 1000)
    fresh = str(uuid7())
    stamp = f"{milliseconds:012x}"
    return f"{stamp[:8]}-{stamp[8:]}{fresh[13:]}"


def new_key() -> str:
    return str(uuid7())


def key_of_age(hours: float) -> str:
    return key_at(datetime.now(UTC) - timedelta(hours=hours))


async def new_person(name: str) -> User:
    return await sync_to_async(User.objects.create_user)(name)


async def new_room(owner: User, *members: User, kind: RoomKind = RoomKind.PRIVATE) -> Room:
    """A room with its first events logged: seq 1 created, 2 owner joined, then the members."""
    slug = f"room-{new_key()}"
    room = await sync_to_async(Room.objects.create)(
        slug=slug, name=slug, kind=kind, created_by=owner
    )
    await log(room, owner, EventType.ROOM_CREATED, RoomCreated(slug=slug, name=slug, kind=kind))
    await log(room, owner, EventType.MEMBER_JOINED, MemberJoined(user=owner.pk, role=Role.OWNER))
    for member in members:
        await log(room, owner, EventType.MEMBER_JOINED, MemberJoined(user=member.pk))
    return room


async def log(
    room: Room, actor: User, kind: EventType, data: EventData, key: str | None = None
) -> Appended:
    return await room_log.append(
        NewEvent(room=room.pk, type=kind, data=data, actor=actor.pk, key=key or new_key())
    )


async def post(room: Room, actor: User, body: str, key: str | None = None) -> Appended:
    return await log(room, actor, EventType.MESSAGE_POSTED, MessagePosted(body=body), key)
