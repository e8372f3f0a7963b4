"""The answer to `hello`: the person, the limits and their rooms, in parts of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from django.conf import settings

from chat.accounts.socket_auth import Identity
from chat.protocol import (
    MAX_BODY_CHARACTERS,
    MAX_FRAME_BYTES,
    Limits,
    RoomInfo,
    Rooms,
    UserInfo,
    Welcome,
)
from chat.servers import clocks

# About 700 rooms: ordinary people get theirs in one frame. Far below what a server holds for a
# connection (4 MiB) and what a browser handles at once without a stutter.
MAX_PART_BYTES = 256 * 1024
# All parts together: they are handed over without waiting, and must fit alongside live frames.
MAX_BYTES = 2 * 1024 * 1024

_encoder = msgspec.json.Encoder()


def frames(
    identity: Identity, rooms: Sequence[RoomInfo]
) -> Iterator[tuple[Welcome | Rooms, Sequence[RoomInfo]]]:
    """`welcome` and as many `rooms` frames as needed, each with the rooms in it.

    Rooms beyond `MAX_BYTES` are left out from the end of `rooms`: the client can ask for them.
    """
    parts = _parts(rooms)
    for number, part in enumerate(parts):
        more = number < len(parts) - 1
        yield (
            (_welcome(identity, part, more) if number == 0 else Rooms(rooms=part, more=more)),
            part,
        )


def _parts(rooms: Sequence[RoomInfo]) -> list[list[RoomInfo]]:
    parts: list[list[RoomInfo]] = [[]]
    size = total = 0
    for room in rooms:
        bytes_of_room = len(_encoder.encode(room)) + 1
        total += bytes_of_room
        if total > MAX_BYTES:
            break
        if parts[-1] and size + bytes_of_room > MAX_PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(room)
        size += bytes_of_room
    return parts


def _welcome(identity: Identity, rooms: list[RoomInfo], more: bool) -> Welcome:
    env = settings.ENV
    return Welcome(
        user=UserInfo(
            id=identity.user_id,
            username=identity.username,
            name=identity.name,
            staff=identity.staff,
            ambiguous=identity.ambiguous,
        ),
        rooms=rooms,
        heartbeat=env.heartbeat_seconds,
        time=clocks.LOG.now(),
        limits=Limits(
            frame_bytes=MAX_FRAME_BYTES,
            body_characters=MAX_BODY_CHARACTERS,
            unseen_bytes=env.unseen_bytes,
            sends_per_second=env.sends_per_second,
            sends_burst=env.sends_burst,
        ),
        weak_log=env.allow_weak_log,
        more=more,
    )
