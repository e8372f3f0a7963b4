"""What people do with rooms: make, rename, enter, leave, invite; see also `moderation`.

A room's row comes first, because events need its id; everything else that happens to the room is an
event in its log. The row keeps the key of the request that made it, and the keys of the first
events are derived from that key. So repeating a request that broke off half-way completes it.

All functions raise ClientError when they refuse, and Unavailable when the log or PostgreSQL is
down; the same call with the same key may then be made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid

from django.db import IntegrityError, transaction
from uuid_utils.compat import uuid7

from chat import room_log
from chat.accounts import people
from chat.actions import ownership, room_limit
from chat.broken_rules import Rule
from chat.errors import ClientError, Unavailable
from chat.events import (
    EventData,
    EventType,
    Member,
    MemberJoined,
    Role,
    RoomCreated,
    RoomKind,
    RoomUpdated,
    decode_data,
)
from chat.hints import to_hubs
from chat.models import Room
from chat.names.labels import check_room_name, check_topic, may_be_address, slug_of
from chat.persistence import stored_events
from chat.protocol import KeyAge, check_key
from chat.queries import access, recent_rooms
from chat.room_log import NewEvent
from chat.room_log.appender import Unchanged
from chat.room_log.codec import REFUSALS
from chat.servers import clocks
from chat.servers.postgres import in_database

GENERAL_SLUG = "general"
GENERAL_NAME = "General"
# Slugs of rooms with equal names get a random suffix; a handful of attempts always finds one.
MAX_SLUG_ATTEMPTS = 5


async def create_room(
    actor_id: int, name: str, kind: RoomKind, topic: str = "", key: str | None = None
) -> Room:
    """A new room owned by the actor; for a key used before, the room made then."""
    name, topic = check_room_name(name), check_topic(topic)
    if kind == RoomKind.DIRECT:
        raise ClientError(
            "bad_request", "A direct conversation is opened with a person, not made as a room."
        )
    if key is None:
        key = str(uuid7())
    else:
        check_key(key, clocks.LOG.now())
    if await in_database(people.is_muted, actor_id):
        raise ClientError("muted", REFUSALS["muted"])  # a room's name is words too
    if not await in_database(_is_made, uuid.UUID(key)):
        await room_limit.check_room_for_one_more(actor_id)
    room = await in_database(_insert_room, actor_id, name, kind, topic, uuid.UUID(key))
    # A stored room is complete, and its creator may have left it since.
    if room.stored_seq == 0:
        async with room_limit.seat(actor_id, room.pk):
            await _found(room, {actor_id: Role.OWNER})
    return room


async def open_direct(actor_id: int, other_id: int) -> Room:
    """The direct conversation of two people; made if they have none."""
    if actor_id == other_id:
        raise ClientError(
            "bad_request", "A direct conversation needs another person.", rule=Rule.SOMEBODY_ELSE
        )
    if not await in_database(people.is_active, other_id):
        raise ClientError("not_found", "There is no such person.")
    if not await in_database(_has_direct, actor_id, other_id):
        await room_limit.count_invitation(actor_id)
    room = await in_database(_get_or_insert_direct, actor_id, other_id)
    await _found(room, {actor_id: Role.MEMBER, other_id: Role.MEMBER})
    return room


async def ensure_general() -> Room:
    """The room where everybody starts. The first call makes it, with no owner."""
    room = await in_database(_get_or_insert_general)
    if room.stored_seq == 0:
        await _found(room, {})
    return room


async def update_room(
    actor_id: int,
    room_id: int,
    name: str | None = None,
    topic: str | None = None,
    key: str | None = None,
) -> RoomUpdated:
    """Changes name or topic or both; returns them as logged."""
    if name is None and topic is None:
        raise ClientError("bad_request", "Give a name or a topic.")
    data = RoomUpdated(
        name=None if name is None else check_room_name(name),
        topic=None if topic is None else check_topic(topic),
    )
    await _do(room_id, EventType.ROOM_UPDATED, data, actor_id, key)
    return data


async def join_room(actor_id: int, room_id: int, key: str | None = None) -> None:
    """Enters a public room; does nothing when the actor is in it already."""
    if (await access.look_up(actor_id, room_id)).role is None:
        async with room_limit.seat(actor_id, room_id):
            await _let_in(actor_id, room_id, actor_id, key)
        with contextlib.suppress(Unavailable):  # they are in
            await ownership.own_if_nobody_does(actor_id, room_id)


async def invite(actor_id: int, room_id: int, user_id: int, key: str | None = None) -> None:
    """A member brings somebody in; does nothing when that person is in the room already."""
    await access.as_member(actor_id, room_id)
    if not await in_database(people.is_active, user_id):
        raise ClientError("not_found", "There is no such person.")
    if not await _is_member(user_id, room_id):
        async with room_limit.seat(user_id, room_id):
            await room_limit.count_invitation(actor_id)
            await _let_in(actor_id, room_id, user_id, key)


async def leave_room(actor_id: int, room_id: int, key: str | None = None) -> None:
    """The actor leaves. Not for direct conversations, which keep their two people for good.

    Refused as `forbidden` for the last owner while others are there: see `ownership`.
    """
    await ownership.check_owner_stays(room_id, actor_id)
    await _do(room_id, EventType.MEMBER_LEFT, Member(user=actor_id), actor_id, key)


async def _let_in(actor_id: int, room_id: int, user_id: int, key: str | None) -> None:
    try:
        await _do(room_id, EventType.MEMBER_JOINED, MemberJoined(user=user_id), actor_id, key)
    except ClientError:
        # Of two requests at once, the second is refused because it may not change a role.
        if not await _is_member(user_id, room_id):
            raise
        return
    await announce_entry(user_id, room_id)


async def _is_member(user_id: int, room_id: int) -> bool:
    return (await room_log.roles(user_id, [room_id])).get(room_id) is not None


async def announce_entry(user_id: int, room_id: int) -> None:
    """Lets the person's open pages, and those they open in the next moments, show the room."""
    await recent_rooms.remember(user_id, room_id)
    to_hubs.publisher().to_hubs({"type": "joined", "user": user_id, "room": room_id})


async def _found(room: Room, members: dict[int, Role]) -> None:
    """Logs those of a room's first events that are missing.

    Every caller gives them the same keys, so each is logged once. They are trusted: the row proves
    that its creator had the right, even when somebody else completes a broken attempt.
    """
    await room_log.ensure_loaded([room.pk])
    state = (await room_log.room_states([room.pk])).get(room.pk)
    absent = [user_id for user_id in members if not await _is_member(user_id, room.pk)]
    first: list[tuple[str, EventType, EventData]] = []
    if state is None or state.head == 0:
        data = RoomCreated(
            slug=room.slug, name=room.name, kind=RoomKind(room.kind), topic=room.topic
        )
        first.append(("created", EventType.ROOM_CREATED, data))
    for user_id in absent:
        joined = MemberJoined(user=user_id, role=members[user_id])
        first.append((f"joined {user_id}", EventType.MEMBER_JOINED, joined))
    assert room.creation_key is not None
    # Queued back to back, the events get consecutive places in one step of the log, so nobody
    # enters the room before its owner.
    await asyncio.gather(
        *(
            _append(
                NewEvent(
                    room=room.pk,
                    type=kind,
                    data=data,
                    actor=room.created_by_id,
                    key=str(derived_key(room.creation_key, purpose)),
                    trusted=True,
                )
            )
            for purpose, kind, data in first
        )
    )
    for user_id in absent:
        await announce_entry(user_id, room.pk)


async def _do(room: int, kind: EventType, data: EventData, actor_id: int, key: str | None) -> None:
    """Logs an event under the caller's key, or a new one for callers that do not repeat."""
    if key is None:
        key = str(uuid7())
    elif check_key(key, clocks.LOG.now()) is KeyAge.OLD:
        # The log has forgotten a key this old; PostgreSQL never does (I6).
        stored = await in_database(stored_events.find_by_key, actor_id, key)
        if stored is not None:
            same = (stored.room, stored.type) == (room, kind)
            if not same or decode_data(kind, stored.data) != data:
                raise ClientError("key_conflict", REFUSALS["key_conflict"])
            return
    await _append(NewEvent(room=room, type=kind, data=data, actor=actor_id, key=key))


async def _append(event: NewEvent) -> None:
    with contextlib.suppress(Unchanged):
        await room_log.append(event)


def derived_key(key: uuid.UUID, purpose: str) -> uuid.UUID:
    """A UUIDv7 with the time of `key`, always the same for the same key and purpose."""
    digest = hashlib.sha256(key.bytes + purpose.encode()).digest()
    random_bits = int.from_bytes(digest[:10]) & ~(0xF << 76) & ~(0x3 << 62)
    time_and_version = (key.int >> 80 << 80) | 0x7 << 76 | 0x2 << 62
    return uuid.UUID(int=time_and_version | random_bits)


def _insert_room(
    actor_id: int, name: str, kind: RoomKind, topic: str, creation_key: uuid.UUID
) -> Room:
    """The row of a new room, or the row made earlier with the same key."""
    base = slug_of(name)
    for attempt in range(MAX_SLUG_ATTEMPTS):
        earlier = Room.objects.filter(creation_key=creation_key).first()
        if earlier is not None:
            same = (earlier.created_by_id, earlier.kind) == (actor_id, kind)
            if not same or not earlier.slug.startswith(base):
                raise ClientError("key_conflict", REFUSALS["key_conflict"])
            return earlier
        slug = base if attempt == 0 and may_be_address(base) else _with_random_end(base)
        try:
            with transaction.atomic():
                return Room.objects.create(
                    slug=slug,
                    name=name,
                    topic=topic,
                    kind=kind,
                    created_by_id=actor_id,
                    creation_key=creation_key,
                )
        except IntegrityError:
            continue  # the slug is taken, or the same request runs twice at this moment
    raise Unavailable("No free address was found for the room.")


def _with_random_end(base: str) -> str:
    return f"{base}-{uuid.uuid4().hex[:8]}"


def _is_made(creation_key: uuid.UUID) -> bool:
    return Room.objects.filter(creation_key=creation_key).exists()


def _has_direct(actor_id: int, other_id: int) -> bool:
    low, high = sorted((actor_id, other_id))
    return Room.objects.filter(direct_key=f"{low}:{high}").exists()


def _get_or_insert_direct(actor_id: int, other_id: int) -> Room:
    low, high = sorted((actor_id, other_id))
    room, _ = Room.objects.get_or_create(
        direct_key=f"{low}:{high}",
        defaults={
            "slug": _with_random_end("direct"),
            "name": "",
            "kind": RoomKind.DIRECT,
            "created_by_id": actor_id,
            "creation_key": uuid7(),
        },
    )
    return room


def _get_or_insert_general() -> Room:
    room, _ = Room.objects.get_or_create(
        slug=GENERAL_SLUG,
        defaults={
            "name": GENERAL_NAME,
            "kind": RoomKind.PUBLIC,
            "creation_key": uuid7(),
        },
    )
    return room
