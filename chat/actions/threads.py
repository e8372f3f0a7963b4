"""What a person alone sets about a thread: whether they follow it, and how far they have read it.

Neither is an event: only the person sees it, on all of their devices.
"""

from __future__ import annotations

import msgspec
from django.db import connection
from msgspec import structs

from chat import room_log
from chat.events import MessagePosted, decode_data, thread_of
from chat.hints import to_hubs
from chat.models import Message, Room
from chat.room_log import reading
from chat.room_log.codec import refused
from chat.servers.postgres import in_database

# Whoever begins to follow has read what was said before.
FOLLOW = """
    INSERT INTO chat_threadfollow AS follow (user_id, room_id, root, following, read_seq)
    SELECT %(user)s, %(room)s, %(root)s, %(following)s, COALESCE(
        (SELECT last_seq FROM chat_thread WHERE room_id = %(room)s AND root = %(root)s), %(root)s)
    ON CONFLICT (user_id, room_id, root) DO UPDATE SET following = EXCLUDED.following
    RETURNING following, read_seq
"""

READ = """
    INSERT INTO chat_threadfollow AS follow (user_id, room_id, root, following, read_seq)
    VALUES (%(user)s, %(room)s, %(root)s, NULL, %(seq)s)
    ON CONFLICT (user_id, room_id, root) DO UPDATE
    SET read_seq = GREATEST(follow.read_seq, EXCLUDED.read_seq)
    RETURNING following, read_seq
"""


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """What the frame `thread` says; see `chat.protocol.ThreadNotice`."""

    room: int
    root: int
    following: bool | None
    read: int


async def follow(user_id: int, room: int, root: int, following: bool) -> Relation:
    """Makes a member of the room follow the thread, or not, whatever is written in it.

    Raises: ClientError `not_found` when a thread cannot begin there; Unavailable.
    """
    await _check_root(room, root)
    values = {"user": user_id, "room": room, "root": root, "following": following}
    return _told(user_id, await in_database(_write, FOLLOW, values))


async def mark_read(user_id: int, room: int, root: int, seq: int) -> Relation:
    """Notes that a member of the room has read the thread up to `seq`; a marker never goes back.

    Raises: like `follow`.
    """
    await _check_root(room, root)
    head = await _head(room)
    values = {"user": user_id, "room": room, "root": root, "seq": min(seq, head)}
    return _told(user_id, await in_database(_write, READ, values))


def _write(statement: str, values: dict[str, int | bool]) -> Relation:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        following, read = cursor.fetchone()
    return Relation(
        room=int(values["room"]), root=int(values["root"]), following=following, read=read
    )


def _told(user_id: int, relation: Relation) -> Relation:
    to_hubs.publisher().to_hubs({"type": "thread", "user": user_id, **structs.asdict(relation)})
    return relation


async def _head(room: int) -> int:
    state = (await room_log.room_states([room])).get(room)
    return await in_database(_stored, room) if state is None else state.head


def _stored(room: int) -> int:
    return Room.objects.filter(pk=room).values_list("stored_seq", flat=True).first() or 0


async def _check_root(room: int, root: int) -> None:
    """Lets the place of a message pass that the room shows and that is no reply: there are not more
    rows than there are messages."""
    found = await reading.hot_events(room, root - 1, 1)
    if found:
        data = decode_data(found[0].type, found[0].data)
        is_root = isinstance(data, MessagePosted) and thread_of(data) is None
    else:
        is_root = await in_database(_is_stored_root, room, root)
    if not is_root:
        raise refused("not_found")


def _is_stored_root(room: int, root: int) -> bool:
    shown = Message.objects.filter(room_id=room, seq=root, thread=None)
    return shown.exclude(n=None).exists()
