"""How far rooms are logged, stored and exported: rooms that lag, and rooms in use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import msgspec
from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError

from chat import events
from chat.models import ExportedRoom, Room
from chat.room_log import keys
from chat.servers.redis_log import blocking_client

MAX_ROOMS = 25
# Rooms with the latest appends, per shard; lag beyond these shows in the shard's numbers.
RECENT_PER_SHARD = 50

BEHIND = """
    SELECT room.id FROM chat_room AS room
    LEFT JOIN chat_exportedroom AS exported ON exported.room_id = room.id
    WHERE room.stored_seq > COALESCE(exported.seq, 0)
    ORDER BY room.stored_seq - COALESCE(exported.seq, 0) DESC, room.id
    LIMIT %s
"""


class Watermarks(msgspec.Struct, frozen=True, kw_only=True):
    """A room's three watermarks. `head` is None when the log does not hold the room, and all its
    events are stored, or when the log is down, and the head is unknown."""

    room: int
    slug: str
    kind: str
    head: int | None
    stored: int
    exported: int

    @property
    def unstored(self) -> int:
        # The drain commits before it tells the log, so `stored` may be ahead for a moment.
        return 0 if self.head is None else max(self.head - self.stored, 0)

    @property
    def unexported(self) -> int:
        return max(self.stored - self.exported, 0)

    @property
    def lag(self) -> int:
        return self.unstored + self.unexported


def of_rooms(rooms: Sequence[int]) -> list[Watermarks]:
    """The watermarks of those `rooms` that exist, the largest lag first.

    The log is asked first, so that events arriving in between do not show a lag that was not there.

    Raises: OperationalError.
    """
    heads = _heads(rooms)
    exported = dict(ExportedRoom.objects.filter(room__in=rooms).values_list("room_id", "seq"))
    found = [
        Watermarks(
            room=pk,
            slug=slug,
            kind=kind,
            head=heads.get(pk),
            stored=stored,
            exported=exported.get(pk, 0),
        )
        for pk, slug, kind, stored in Room.objects.filter(pk__in=rooms)
        .order_by("pk")
        .values_list("pk", "slug", "kind", "stored_seq")
    ]
    return sorted(found, key=lambda one: -one.lag)


def worth_a_look(limit: int = MAX_ROOMS) -> list[Watermarks]:
    """The rooms that lag most, and then those in use a moment ago. Raises: OperationalError."""
    with connection.cursor() as cursor:
        cursor.execute(BEHIND, [limit])
        behind = [room for (room,) in cursor.fetchall()]
    return of_rooms(list(dict.fromkeys([*behind, *_recent()])))[:limit]


def _recent() -> Iterable[int]:
    pipeline = blocking_client().pipeline(transaction=False)
    for shard in range(settings.ENV.shards):
        pipeline.zrange(keys.active(shard), 0, RECENT_PER_SHARD - 1, desc=True, withscores=True)
    try:
        answers = cast(list[list[tuple[bytes, float]]], pipeline.execute())
    except (RedisError, OSError):
        return []
    latest = sorted((found for answer in answers for found in answer), key=lambda one: -one[1])
    return [int(room) for room, _ in latest[:1_000]]


def _heads(rooms: Iterable[int]) -> dict[int, int]:
    """The heads of the rooms that are in the log; {} while it is down."""
    wanted = list(rooms)
    pipeline = blocking_client().pipeline(transaction=False)
    for room in wanted:
        shard = events.shard_of(room, settings.ENV.shards)
        pipeline.get(keys.epoch(shard))
        pipeline.hmget(keys.room(shard, room), "epoch", "head")
    try:
        answers = pipeline.execute() if wanted else []
    except (RedisError, OSError):
        return {}
    return {
        room: int(head)
        for room, epoch, (room_epoch, head) in zip(wanted, answers[::2], answers[1::2], strict=True)
        if epoch is not None and room_epoch == epoch
    }
